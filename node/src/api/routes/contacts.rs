//! Calls about the people whom this node knows. Wherever one takes a peer, it takes what [`people::find`] does.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use libp2p::PeerId;
use proto::{direct::safety::SafetyNumber as Compared, ids::Author};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, Body, ErrorBody, direct::meant};
use crate::{
    handle::CallError,
    model::{Person, SafetyNumber},
    people,
};

/// What to call a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NameRequest {
    /// 1 to 64 bytes without invisible characters, no other contact's name, and nothing like a peer id.
    pub name: String,
}

/// The routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(everybody))
        .routes(routes!(contacts))
        .routes(routes!(name, remove))
        .routes(routes!(block, unblock))
        .routes(routes!(dismiss))
        .routes(routes!(safety_number))
}

/// Everybody this node knows: contacts, those who wrote or were written to, and those who are here now or were lately. Contacts first, by name.
#[utoipa::path(get, path = "/api/v1/people", tag = "contacts", security(("token" = [])), responses((status = 200, body = [Person])))]
async fn everybody(State(state): State<AppState>) -> Result<Json<Vec<Person>>, ApiError> {
    Ok(Json(state.handle.people().await?))
}

/// Those whom the user has named or blocked, by name.
#[utoipa::path(get, path = "/api/v1/contacts", tag = "contacts", security(("token" = [])), responses((status = 200, body = [Person])))]
async fn contacts(State(state): State<AppState>) -> Result<Json<Vec<Person>>, ApiError> {
    let mut people = state.handle.people().await?;
    people.retain(|person| person.contact.is_some() || person.blocked);
    Ok(Json(people))
}

/// Makes somebody a contact, or gives a contact another name, durably.
#[utoipa::path(
    put, path = "/api/v1/contacts/{peer}", tag = "contacts", security(("token" = [])), request_body = NameRequest,
    params(("peer" = String, Path, description = "a peer id, its beginning, a contact's name or a display name")),
    responses(
        (status = 204),
        (status = 404, description = "nobody known", body = ErrorBody),
        (status = 409, description = "another contact has that name, or more than one peer may be meant", body = ErrorBody),
        (status = 422, description = "a name that cannot be used", body = ErrorBody),
    )
)]
async fn name(
    State(state): State<AppState>,
    Meant(peer): Meant,
    Body(body): Body<NameRequest>,
) -> Result<StatusCode, ApiError> {
    let known = state.handle.people().await?;
    if let Some(other) = people::contact(&body.name, &known).filter(|other| other.peer_id != peer.to_string()) {
        let message = format!("{:?} is the name of {} already; choose another", body.name.trim(), other.peer_id);
        return Err(ApiError::new(StatusCode::CONFLICT, "name_taken", message));
    }
    state.handle.name_contact(peer, Some(body.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a contact's name away, durably. Its messages stay, and so it does when it is blocked.
#[utoipa::path(
    delete, path = "/api/v1/contacts/{peer}", tag = "contacts", security(("token" = [])),
    params(("peer" = String, Path, description = "a peer id, its beginning, a contact's name or a display name")),
    responses(
        (status = 204),
        (status = 404, description = "nobody known, or no contact", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant", body = ErrorBody),
    )
)]
async fn remove(State(state): State<AppState>, Meant(peer): Meant) -> Result<StatusCode, ApiError> {
    let id = peer.to_string();
    if !state.handle.people().await?.iter().any(|person| person.peer_id == id && person.contact.is_some()) {
        let message = format!("{id} is no contact; see who is with: node contact list");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_a_contact", message));
    }
    state.handle.name_contact(peer, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes no direct messages from somebody any more, durably. Doing it twice is fine.
#[utoipa::path(
    put, path = "/api/v1/contacts/{peer}/blocked", tag = "contacts", security(("token" = [])),
    params(("peer" = String, Path, description = "a peer id, its beginning, a contact's name or a display name")),
    responses(
        (status = 204),
        (status = 404, description = "nobody known", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant, or too many are blocked", body = ErrorBody),
    )
)]
async fn block(State(state): State<AppState>, Meant(peer): Meant) -> Result<StatusCode, ApiError> {
    state.handle.block(peer, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes what somebody sends again, durably. Doing it twice is fine.
#[utoipa::path(
    delete, path = "/api/v1/contacts/{peer}/blocked", tag = "contacts", security(("token" = [])),
    params(("peer" = String, Path, description = "a peer id, its beginning, a contact's name or a display name")),
    responses(
        (status = 204),
        (status = 404, description = "nobody known", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant", body = ErrorBody),
    )
)]
async fn unblock(State(state): State<AppState>, Meant(peer): Meant) -> Result<StatusCode, ApiError> {
    state.handle.block(peer, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Throws a stranger's messages away, durably, and makes room for others'. It may write again.
#[utoipa::path(
    delete, path = "/api/v1/people/{peer}", tag = "contacts", security(("token" = [])),
    params(("peer" = String, Path, description = "a peer id, its beginning or a display name")),
    responses(
        (status = 204),
        (status = 404, description = "nobody known", body = ErrorBody),
        (status = 409, description = "no stranger, or more than one peer may be meant", body = ErrorBody),
    )
)]
async fn dismiss(State(state): State<AppState>, Meant(peer): Meant) -> Result<StatusCode, ApiError> {
    state.handle.dismiss(peer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What this user and somebody else compare, to know that nobody stands between them. Both sides see the same.
#[utoipa::path(
    get, path = "/api/v1/contacts/{peer}/safety-number", tag = "contacts", security(("token" = [])),
    params(("peer" = String, Path, description = "a peer id, its beginning, a contact's name or a display name")),
    responses(
        (status = 200, body = SafetyNumber),
        (status = 404, description = "nobody known", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant", body = ErrorBody),
    )
)]
async fn safety_number(State(state): State<AppState>, Meant(peer): Meant) -> Result<Json<SafetyNumber>, ApiError> {
    let author = |peer: PeerId| Author::from_peer_id(&peer).ok_or(CallError::NotAnAuthor(peer));
    let number = Compared::between(&author(state.handle.peer_id())?, &author(peer)?);
    let groups = number.groups().to_vec();
    Ok(Json(SafetyNumber { peer_id: peer.to_string(), digits: number.digits(), groups }))
}

/// The peer that the path means.
struct Meant(PeerId);

impl FromRequestParts<AppState> for Meant {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|rejection| ApiError::invalid("invalid_peer", rejection.body_text()))?;
        meant(state, &text).await.map(Self)
    }
}
