//! The OpenAPI document.

use super::*;

#[tokio::test]
async fn the_document_lists_every_route_and_every_report() {
    let node = Fixture::start().await;
    let (_, text) = node.call(Method::GET, "/api/v1/openapi.json", None).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut listed: Vec<String> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    listed.sort();
    let mut expected = [
        "delete /api/v1/contacts/{peer}",
        "delete /api/v1/files/{root}",
        "delete /api/v1/hashings/{id}",
        "get /api/files",
        "get /api/files/{root}",
        "get /api/files/{root}/peers",
        "get /api/v1/files",
        "get /api/v1/files/{root}",
        "get /api/v1/files/{root}/files",
        "get /api/v1/files/{root}/peers",
        "get /api/v1/hashings/{id}",
        "get /api/v1/limits",
        "get /api/v1/store/usage",
        "post /api/v1/files",
        "post /api/v1/files/{root}/pause",
        "post /api/v1/files/{root}/resume",
        "post /api/v1/files/{root}/verify",
        "post /api/v1/store/gc",
        "post /api/v1/transfers",
        "put /api/v1/files/{root}/limits",
        "put /api/v1/limits",
        "delete /api/v1/contacts/{peer}/blocked",
        "delete /api/v1/rooms/{room}",
        "delete /api/v1/people/{peer}",
        "get /api/v1/contacts",
        "get /api/v1/contacts/{peer}/safety-number",
        "get /api/v1/direct",
        "get /api/v1/events",
        "get /api/v1/id",
        "get /api/v1/openapi.json",
        "get /api/v1/peers",
        "get /api/v1/people",
        "get /api/v1/private-rooms/{room}/invite",
        "get /api/v1/rooms",
        "get /api/v1/rooms/{room}/files",
        "post /api/v1/rooms/{room}/files",
        "get /api/v1/rooms/{room}/members",
        "get /api/v1/rooms/{room}/messages",
        "get /api/v1/status",
        "get /healthz",
        "get /metrics",
        "post /api/v1/dial",
        "post /api/v1/direct",
        "post /api/v1/direct/read",
        "post /api/v1/key/rotate",
        "post /api/v1/private-rooms",
        "post /api/v1/private-rooms/join",
        "post /api/v1/private-rooms/{room}/rotate",
        "post /api/v1/private-rooms/{room}/told",
        "post /api/v1/rooms",
        "post /api/v1/rooms/{room}/messages",
        "post /api/v1/shutdown",
        "post /api/v1/sync",
        "put /api/v1/contacts/{peer}",
        "put /api/v1/contacts/{peer}/blocked",
    ];
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for schema in
        ["Message", "DirectMessage", "Invitation", "Person", "Status", "NodeEvent", "Member", "Share", "ErrorBody"]
    {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
    let text = document.to_string();
    let references = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    for reference in references {
        assert!(document["components"]["schemas"][reference].is_object(), "{reference} is missing");
    }
}
