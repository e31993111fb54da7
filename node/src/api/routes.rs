//! The calls, each a thin shell around [`crate::handle::Handle`].

mod announced;
pub mod contacts;
pub mod direct;
pub mod files;
pub mod private;
pub mod transfers;

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use proto::{channel::RoomName, ids::EventId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, error::ErrorBody, events, metrics};
use crate::{
    handle::MAX_HISTORY_LIMIT,
    model::{Member, Message, Peer, Room, Status},
    transport::DialAddress,
};

/// Messages in a page of history when the caller does not say.
pub const DEFAULT_HISTORY_LIMIT: usize = 100;

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The peer id.
    pub peer_id: String,
    /// The display name.
    pub name: String,
    /// Full multiaddrs to reach it by.
    pub listen: Vec<String>,
}

/// Names a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// The room's name.
    pub room: String,
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SayRequest {
    /// The text.
    pub text: String,
}

/// An address to dial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DialRequest {
    /// A multiaddr.
    pub address: String,
}

/// Which page of a room's history.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Messages at most, 1 to 10,000; 100 when left out.
    limit: Option<usize>,
    /// Only messages before this one, by its id.
    before: Option<String>,
}

/// All routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(id))
        .routes(routes!(peers))
        .routes(routes!(rooms, join))
        .routes(routes!(leave))
        .routes(routes!(members))
        .routes(routes!(history, say))
        .merge(direct::all())
        .merge(contacts::all())
        .merge(private::all())
        .merge(announced::all())
        .merge(files::all())
        .merge(transfers::all())
        .routes(routes!(dial))
        .routes(routes!(sync))
        .routes(routes!(shutdown))
        .routes(routes!(events::events))
        .routes(routes!(openapi))
        .routes(routes!(health))
        .routes(routes!(prometheus))
}

/// The node's own state.
#[utoipa::path(get, path = "/api/v1/status", tag = "node", security(("token" = [])), responses((status = 200, body = Status)))]
async fn status(State(state): State<AppState>) -> Result<Json<Status>, ApiError> {
    Ok(Json(state.handle.status().await?))
}

/// Who the node is and where it is reached.
#[utoipa::path(get, path = "/api/v1/id", tag = "node", security(("token" = [])), responses((status = 200, body = Identity)))]
async fn id(State(state): State<AppState>) -> Result<Json<Identity>, ApiError> {
    let Status { peer_id, name, listen, .. } = state.handle.status().await?;
    Ok(Json(Identity { peer_id, name, listen }))
}

/// Known peers, connected ones first.
#[utoipa::path(get, path = "/api/v1/peers", tag = "node", security(("token" = [])), responses((status = 200, body = [Peer])))]
async fn peers(State(state): State<AppState>) -> Result<Json<Vec<Peer>>, ApiError> {
    Ok(Json(state.handle.peers().await?))
}

/// Rooms the node is in, by name.
#[utoipa::path(get, path = "/api/v1/rooms", tag = "rooms", security(("token" = [])), responses((status = 200, body = [Room])))]
async fn rooms(State(state): State<AppState>) -> Result<Json<Vec<Room>>, ApiError> {
    Ok(Json(state.handle.rooms().await?))
}

/// Joins a room, durably. Joining twice is fine.
#[utoipa::path(
    post, path = "/api/v1/rooms", tag = "rooms", security(("token" = [])), request_body = JoinRequest,
    responses((status = 204), (status = 409, description = "in too many rooms", body = ErrorBody), (status = 422, body = ErrorBody))
)]
async fn join(State(state): State<AppState>, Body(body): Body<JoinRequest>) -> Result<StatusCode, ApiError> {
    state.handle.join(parse_room(&body.room)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves a room, durably. Its history stays on disk.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}", tag = "rooms", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name")),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, description = "the lobby", body = ErrorBody))
)]
async fn leave(State(state): State<AppState>, RoomPath(room): RoomPath) -> Result<StatusCode, ApiError> {
    state.handle.leave(room).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is in a room now, the node itself included.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/members", tag = "rooms", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name")),
    responses((status = 200, body = [Member]), (status = 404, body = ErrorBody))
)]
async fn members(State(state): State<AppState>, RoomPath(room): RoomPath) -> Result<Json<Vec<Member>>, ApiError> {
    Ok(Json(state.handle.who(room).await?))
}

/// A page of a room's messages, oldest first: the newest ones, or the newest before a message.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/messages", tag = "messages", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name"), PageQuery),
    responses((status = 200, body = [Message]), (status = 404, description = "no such message", body = ErrorBody))
)]
async fn history(
    State(state): State<AppState>,
    RoomPath(room): RoomPath,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Vec<Message>>, ApiError> {
    let Query(page) = query.map_err(|rejection| ApiError::invalid("invalid_query", rejection.body_text()))?;
    let limit = page_limit(page.limit)?;
    let before = page.before.as_deref().map(str::parse::<EventId>).transpose();
    let before = before.map_err(|error| ApiError::invalid("invalid_id", error.to_string()))?;
    Ok(Json(state.handle.history(room, before, limit).await?))
}

/// Says something. Answered once the message would survive a power cut.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/messages", tag = "messages", security(("token" = [])), request_body = SayRequest,
    params(("room" = String, Path, description = "the room's name")),
    responses(
        (status = 201, description = "the message", body = Message),
        (status = 404, description = "not in that room", body = ErrorBody),
        (status = 422, description = "text that cannot be sent", body = ErrorBody),
        (status = 503, description = "too much to do", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
async fn say(
    State(state): State<AppState>,
    RoomPath(room): RoomPath,
    Body(body): Body<SayRequest>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    Ok((StatusCode::CREATED, Json(state.handle.say(room, body.text).await?)))
}

/// Dials an address now. Whether it succeeds is reported on the WebSocket.
#[utoipa::path(
    post, path = "/api/v1/dial", tag = "node", security(("token" = [])), request_body = DialRequest,
    responses((status = 202), (status = 422, description = "not an address", body = ErrorBody))
)]
async fn dial(State(state): State<AppState>, Body(body): Body<DialRequest>) -> Result<StatusCode, ApiError> {
    let address: DialAddress = body
        .address
        .parse()
        .map_err(|error: crate::transport::AddressError| ApiError::invalid("invalid_address", error.to_string()))?;
    state.handle.dial(address.0).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Compares every room with a connected peer now instead of at its time.
#[utoipa::path(post, path = "/api/v1/sync", tag = "node", security(("token" = [])), responses((status = 202)))]
async fn sync(State(state): State<AppState>) -> Result<StatusCode, ApiError> {
    state.handle.sync().await?;
    Ok(StatusCode::ACCEPTED)
}

/// Stops the node: says goodbye to its peers, writes what is left, and ends the process.
#[utoipa::path(post, path = "/api/v1/shutdown", tag = "node", security(("token" = [])), responses((status = 202)))]
async fn shutdown(State(state): State<AppState>) -> StatusCode {
    state.stop_requested.send_replace(true);
    StatusCode::ACCEPTED
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "about", responses((status = 200, description = "OpenAPI 3.1")))]
async fn openapi(State(state): State<AppState>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], state.document.to_string()).into_response()
}

/// Says `ok` while the server runs.
#[utoipa::path(get, path = "/healthz", tag = "about", responses((status = 200, description = "the text ok", body = String)))]
async fn health() -> &'static str {
    "ok"
}

/// The node's state for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "about", security(("token" = [])),
    responses((status = 200, description = "OpenMetrics text", body = String))
)]
async fn prometheus(State(state): State<AppState>) -> Result<Response, ApiError> {
    let text = metrics::render(&state.handle.status().await?, &state.registry)
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

pub(super) async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no_such_route", "there is no such call; /api/v1/openapi.json lists them all")
}

pub(super) async fn method_not_allowed() -> ApiError {
    let message = "that path takes other methods; /api/v1/openapi.json lists them";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// How many messages a page has.
fn page_limit(asked: Option<usize>) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(DEFAULT_HISTORY_LIMIT);
    if !(1..=MAX_HISTORY_LIMIT).contains(&limit) {
        let message = format!("limit is 1 to {MAX_HISTORY_LIMIT}; ask for older messages with before=<id>");
        return Err(ApiError::invalid("invalid_limit", message));
    }
    Ok(limit)
}

fn parse_room(text: &str) -> Result<RoomName, ApiError> {
    text.parse().map_err(|error: proto::channel::RoomNameError| ApiError::invalid("invalid_room", error.to_string()))
}

/// The room in the path, in its one spelling.
struct RoomPath(RoomName);

impl FromRequestParts<AppState> for RoomPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(room) = path.map_err(|rejection| ApiError::invalid("invalid_room", rejection.body_text()))?;
        parse_room(&room).map(Self)
    }
}

/// A JSON body whose rejections look like every other error.
struct Body<T>(T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let code = match &rejection {
                    JsonRejection::BytesRejection(_) => "body_too_large",
                    _ => "invalid_body",
                };
                Err(ApiError::new(rejection.status(), code, rejection.body_text()))
            }
        }
    }
}
