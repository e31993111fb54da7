//! Private rooms.

use std::collections::BTreeSet;

use libp2p::PeerId;
use proto::{
    channel::RoomName,
    ids::Author,
    private::{Epoch, Invite, RoomSecret, SignedEpoch, rooms::Refused},
    signature::Signer,
};
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    model::{Invitation, JoinedRoom, Rotation},
    swarm::private,
};

fn peer(secret: u8) -> PeerId {
    Keypair::ed25519_from_bytes([secret; 32]).unwrap().public().to_peer_id()
}

fn invite() -> Invite {
    let signer = Signer::new(Keypair::ed25519_from_bytes([1; 32]).unwrap()).unwrap();
    let secret = RoomSecret::generate(&mut StdRng::seed_from_u64(1));
    let signed = SignedEpoch::create(&signer, Epoch::first(signer.author(), secret));
    Invite { name: "garden".parse().unwrap(), signed, addresses: Vec::new() }
}

fn invitation(room: &RoomName) -> Invitation {
    Invitation { room: room.to_string(), link: invite().link(), epoch: 0 }
}

/// What goes wrong is chosen by the room's name.
fn checked(room: &RoomName) -> Result<(), CallError> {
    let room = room.clone();
    Err(CallError::PrivateRoom(match room.as_str() {
        "taken" => Refused::NameTaken(room),
        "unknown" => Refused::Unknown(room),
        "foreign" => Refused::NotOwner(room),
        "known" => Refused::KnownAs(room),
        "old" => Refused::Outdated(room),
        "forged" => Refused::Forged,
        "many" => Refused::TooMany,
        "left" => return Err(CallError::NotInRoom(room)),
        _ => return Ok(()),
    }))
}

/// Answers what is about private rooms, in which the fake node has seen three of its people, and one whom nobody knows.
pub(super) fn answer(command: private::Command) {
    use private::Command;
    match command {
        Command::Create(name, answer) | Command::Invite(name, answer) => {
            drop(answer.send(checked(&name).map(|()| invitation(&name))));
        }
        Command::Join(invite, name, answer) => {
            let name = name.unwrap_or(invite.name);
            drop(answer.send(checked(&name).map(|()| JoinedRoom { room: name.to_string(), epoch: 0 })));
        }
        Command::Rotate(name, whom, answer) => {
            let told: BTreeSet<Author> = members().into_iter().filter(|member| whom.is_told(member)).collect();
            let told = told.iter().filter_map(Author::peer_id).map(|peer| peer.to_string()).collect();
            let Invitation { room, link, epoch } = invitation(&name);
            drop(answer.send(checked(&name).map(|()| Rotation { room, link, epoch, told })));
        }
        Command::Members(name, answer) => drop(answer.send(checked(&name).map(|()| members()))),
    }
}

fn members() -> Vec<Author> {
    [2, 3, 4, 7].iter().filter_map(|secret| Author::from_peer_id(&peer(*secret))).collect()
}

#[tokio::test]
async fn private_rooms_are_made_joined_shown_and_rotated() {
    let node = Fixture::start().await;
    let garden = invitation(&"garden".parse().unwrap());
    let (status, text) = node.call(Method::POST, "/api/v1/private-rooms", Some(json!({ "name": "Garden" }))).await;
    assert_eq!((status.as_u16(), serde_json::from_str::<Invitation>(&text).unwrap()), (201, garden.clone()));
    let (status, text) = node.call(Method::GET, "/api/v1/private-rooms/garden/invite", None).await;
    assert_eq!((status.as_u16(), serde_json::from_str::<Invitation>(&text).unwrap()), (200, garden.clone()));
    for (body, room) in [
        (json!({ "link": garden.link }), "garden"),
        (json!({ "link": garden.link, "as": null }), "garden"),
        (json!({ "link": garden.link, "as": "The Shed" }), "the shed"),
    ] {
        let (status, text) = node.call(Method::POST, "/api/v1/private-rooms/join", Some(body)).await;
        let joined: JoinedRoom = serde_json::from_str(&text).unwrap();
        assert_eq!((status.as_u16(), joined), (200, JoinedRoom { room: room.into(), epoch: 0 }));
    }
    let path = "/api/v1/private-rooms/garden/rotate";
    let (nameless, all) = (peer(7).to_string(), [2, 3, 4, 7].map(|secret| peer(secret).to_string()));
    for (whom, left_out) in [
        (json!({}), vec![]),
        (json!({ "without": [] }), vec![]),
        (json!({ "without": ["eve", nameless[..16]] }), vec![peer(4).to_string(), nameless.clone()]),
        (json!({ "only": ["eve"] }), [2, 3, 7].map(|secret| peer(secret).to_string()).to_vec()),
        (json!({ "only": [] }), all.to_vec()),
    ] {
        let (status, text) = node.call(Method::POST, path, Some(whom.clone())).await;
        assert_eq!(status.as_u16(), 200, "{text}");
        let told: BTreeSet<String> = serde_json::from_str::<Rotation>(&text).unwrap().told.into_iter().collect();
        assert_eq!(told, all.iter().filter(|peer| !left_out.contains(peer)).cloned().collect());
        let (status, text) = node.call(Method::POST, "/api/v1/private-rooms/garden/told", Some(whom)).await;
        let before: crate::api::routes::private::Told = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (status.as_u16(), before.told.into_iter().collect::<BTreeSet<_>>()),
            (200, told),
            "as was said before"
        );
    }
    let response = node.request(Method::GET, "/api/v1/private-rooms/garden/invite").send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn what_goes_wrong_with_private_rooms_has_its_status_and_code() {
    let node = Fixture::start().await;
    let (rooms, join) = ("/api/v1/private-rooms", "/api/v1/private-rooms/join");
    let link = invite().link();
    let named = |name: &str| Some(json!({ "name": name }));
    let linked = |name: &str| Some(json!({ "link": link, "as": name }));
    let without = |who: &str| Some(json!({ "without": [who] }));
    let both = Some(json!({ "without": ["eve"], "only": ["eve"] }));
    for (method, path, body, status, code) in [
        (Method::POST, rooms, named("taken"), 409, "name_taken"),
        (Method::POST, rooms, named("many"), 409, "too_many_rooms"),
        (Method::POST, rooms, named(" "), 422, "invalid_room"),
        (Method::POST, rooms, Some(json!({})), 422, "invalid_body"),
        (Method::POST, join, linked("taken"), 409, "name_taken"),
        (Method::POST, join, linked("known"), 409, "known_already"),
        (Method::POST, join, linked("old"), 409, "outdated_invitation"),
        (Method::POST, join, linked("forged"), 422, "invalid_invitation"),
        (Method::POST, join, linked(" "), 422, "invalid_room"),
        (Method::POST, join, Some(json!({ "link": "garden" })), 422, "invalid_invitation"),
        (Method::POST, join, Some(json!({ "link": link[..link.len() - 1] })), 422, "invalid_invitation"),
        (Method::GET, "/api/v1/private-rooms/unknown/invite", None, 404, "no_such_room"),
        (Method::POST, "/api/v1/private-rooms/unknown/rotate", without("eve"), 404, "no_such_room"),
        (Method::POST, "/api/v1/private-rooms/foreign/rotate", Some(json!({})), 403, "not_owner"),
        (Method::POST, "/api/v1/private-rooms/left/rotate", Some(json!({})), 404, "not_in_room"),
        (Method::POST, "/api/v1/private-rooms/garden/rotate", without("bob"), 409, "ambiguous_peer"),
        (Method::POST, "/api/v1/private-rooms/garden/rotate", without("carol"), 404, "not_a_member"),
        (Method::POST, "/api/v1/private-rooms/garden/rotate", both, 422, "invalid_body"),
        // A contact, but not seen there.
        (Method::POST, "/api/v1/private-rooms/garden/rotate", without("ada / l."), 404, "not_a_member"),
        (Method::POST, "/api/v1/private-rooms/garden/rotate", without(&peer(9).to_string()), 404, "not_a_member"),
        (Method::POST, "/api/v1/private-rooms/garden/rotate", without(&node.peer_id.to_string()), 422, "oneself"),
    ] {
        assert_eq!(node.refusal(method.clone(), path, body).await, (status, code.into()), "{method} {path}");
    }
}
