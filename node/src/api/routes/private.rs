//! Calls about private rooms. What is said in them goes by the calls of all rooms, under the names that they have here.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use libp2p::PeerId;
use proto::{channel::RoomName, private::Invite};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, Body, ErrorBody, RoomPath, parse_room};
use crate::{
    model::{Invitation, JoinedRoom, Person, Rotation},
    people::{self, Own},
};

/// A private room to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreateRequest {
    /// What it is to be called.
    pub name: String,
}

/// An invitation that is taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InviteRequest {
    /// The link.
    pub link: String,
    /// What the room is to be called here; as the link says, when left out.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
}

/// Who is to be told of a new key: `only` some members, or all that this node has seen but some. With neither, all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RotateRequest {
    /// Members: peer ids, their beginnings, contacts' names or display names.
    #[serde(default)]
    pub without: Vec<String>,
    /// Members, named in the same ways: nobody else is told. Not together with `without`.
    #[serde(default)]
    pub only: Option<Vec<String>>,
}

/// Who would be told of a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// Peer ids.
    pub told: Vec<String>,
}

/// Links are secrets: what passes an answer on must not keep it.
const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

type Secret<T> = ([(HeaderName, &'static str); 1], Json<T>);

/// The routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    let rotation = OpenApiRouter::new().routes(routes!(rotate)).routes(routes!(told));
    rotation.routes(routes!(create)).routes(routes!(join)).routes(routes!(invite))
}

/// Makes a private room, durably, and comes into it. Whoever has the link can read along.
#[utoipa::path(
    post, path = "/api/v1/private-rooms", tag = "private rooms", security(("token" = [])), request_body = CreateRequest,
    responses(
        (status = 201, body = Invitation),
        (status = 409, description = "the name is taken, or too many private rooms", body = ErrorBody),
        (status = 422, description = "a name that cannot be used", body = ErrorBody),
    )
)]
async fn create(
    State(state): State<AppState>,
    Body(body): Body<CreateRequest>,
) -> Result<(StatusCode, Secret<Invitation>), ApiError> {
    let invitation = state.handle.create_private(parse_room(&body.name)?).await?;
    Ok((StatusCode::CREATED, (NO_STORE, Json(invitation))))
}

/// Comes into a private room by a link, durably, and dials the addresses in it.
#[utoipa::path(
    post, path = "/api/v1/private-rooms/join", tag = "private rooms", security(("token" = [])), request_body = InviteRequest,
    responses(
        (status = 200, body = JoinedRoom),
        (status = 409, description = "the name is taken, or the link is older than what this node has", body = ErrorBody),
        (status = 422, description = "not a link, or a damaged one", body = ErrorBody),
    )
)]
async fn join(State(state): State<AppState>, Body(body): Body<InviteRequest>) -> Result<Json<JoinedRoom>, ApiError> {
    let invite: Invite = body
        .link
        .parse()
        .map_err(|error: proto::private::InvalidInvite| ApiError::invalid("invalid_invitation", error.to_string()))?;
    let name = body.name.as_deref().map(parse_room).transpose()?;
    Ok(Json(state.handle.join_private(invite, name).await?))
}

/// The link to a private room.
#[utoipa::path(
    get, path = "/api/v1/private-rooms/{room}/invite", tag = "private rooms", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name here")),
    responses((status = 200, body = Invitation), (status = 404, description = "no such private room", body = ErrorBody))
)]
async fn invite(State(state): State<AppState>, RoomPath(room): RoomPath) -> Result<Secret<Invitation>, ApiError> {
    Ok((NO_STORE, Json(state.handle.invitation(room).await?)))
}

/// Makes a new key for a private room that this node created, durably. Members are told of it by direct messages, but for those left
/// out, who then read nothing new.
#[utoipa::path(
    post, path = "/api/v1/private-rooms/{room}/rotate", tag = "private rooms", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name here")), request_body = RotateRequest,
    responses(
        (status = 200, body = Rotation),
        (status = 403, description = "somebody else created it", body = ErrorBody),
        (status = 404, description = "no such private room, or no such member", body = ErrorBody),
        (status = 409, description = "more than one member may be meant", body = ErrorBody),
    )
)]
async fn rotate(
    State(state): State<AppState>,
    RoomPath(room): RoomPath,
    Body(body): Body<RotateRequest>,
) -> Result<Secret<Rotation>, ApiError> {
    let rotation = match meant(&state, &room, &body).await? {
        Meant::AllBut(without) => state.handle.rotate_private(room, &without).await?,
        Meant::Only(only) => state.handle.rotate_private_only(room, &only).await?,
    };
    Ok((NO_STORE, Json(rotation)))
}

/// Who would be told of a new key, if it were made now. Nothing is changed.
#[utoipa::path(
    post, path = "/api/v1/private-rooms/{room}/told", tag = "private rooms", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name here")), request_body = RotateRequest,
    responses(
        (status = 200, body = Told),
        (status = 404, description = "no such private room, or no such member", body = ErrorBody),
        (status = 409, description = "more than one member may be meant", body = ErrorBody),
    )
)]
async fn told(
    State(state): State<AppState>,
    RoomPath(room): RoomPath,
    Body(body): Body<RotateRequest>,
) -> Result<Json<Told>, ApiError> {
    let told = match meant(&state, &room, &body).await? {
        Meant::AllBut(without) => {
            let mut members = state.handle.private_members(room).await?;
            members.retain(|member| !without.contains(member));
            members
        }
        Meant::Only(only) => only,
    };
    Ok(Json(Told { told: told.iter().map(PeerId::to_string).collect() }))
}

enum Meant {
    AllBut(Vec<PeerId>),
    Only(Vec<PeerId>),
}

async fn meant(state: &AppState, room: &RoomName, body: &RotateRequest) -> Result<Meant, ApiError> {
    match &body.only {
        Some(_) if !body.without.is_empty() => {
            Err(ApiError::invalid("invalid_body", "give either only or without, not both"))
        }
        Some(only) => Ok(Meant::Only(members(state, room, only).await?)),
        None if body.without.is_empty() => Ok(Meant::AllBut(Vec::new())),
        None => Ok(Meant::AllBut(members(state, room, &body.without).await?)),
    }
}

/// The members of a room that are meant by what the user gave.
async fn members(state: &AppState, room: &RoomName, texts: &[String]) -> Result<Vec<PeerId>, ApiError> {
    let members: Vec<String> =
        state.handle.private_members(room.clone()).await?.iter().map(PeerId::to_string).collect();
    let mut known = state.handle.people().await?;
    known.retain(|person| members.contains(&person.peer_id));
    // Who is away is known by the peer id alone.
    for member in &members {
        if !known.iter().any(|person| person.peer_id == *member) {
            known.push(Person {
                peer_id: member.clone(),
                contact: None,
                names: Vec::new(),
                known: false,
                blocked: false,
                connected: false,
                messages: 0,
            });
        }
    }
    let own = state.handle.peer_id().to_string();
    let name = state.handle.status().await?.name;
    let mut meant = Vec::new();
    for text in texts {
        let peer = people::find(text, &known, Own { peer_id: &own, name: &name }).map_err(|error| match error {
            people::NobodyMeant::Unknown(text) => unknown_member(room, &text, &members),
            error => error.into(),
        })?;
        if !members.contains(&peer.to_string()) {
            return Err(no_member(room, &peer.to_string()));
        }
        meant.push(peer);
    }
    Ok(meant)
}

/// Names of people who are away may not be known: nothing is said of who would be told.
fn unknown_member(room: &RoomName, text: &str, members: &[String]) -> ApiError {
    let message = match members {
        [] => format!("{text:?} is no member of '{room}' that this node has seen: it has seen nobody else there"),
        seen => format!(
            "{text:?} is not the name of a member of '{room}' that is known now; give the peer id of one of: {}",
            seen.join(", ")
        ),
    };
    ApiError::new(StatusCode::NOT_FOUND, "not_a_member", message)
}

fn no_member(room: &RoomName, who: &str) -> ApiError {
    let message = format!(
        "{who} is no member of '{room}' that this node has seen there, and would not be told of a new key anyway; give the peer id or \
         name of a member"
    );
    ApiError::new(StatusCode::NOT_FOUND, "not_a_member", message)
}
