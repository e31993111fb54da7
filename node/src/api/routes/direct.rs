//! Calls about direct messages. Wherever one takes a peer, it takes what [`people::find`] does.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use libp2p::PeerId;
use proto::{direct::letter::LetterId, ids::EventId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, Body, ErrorBody, page_limit};
use crate::{
    handle::DirectFilter,
    model::DirectMessage,
    people::{self, Own},
};

/// A direct message to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageRequest {
    /// To whom: a peer id, its beginning, a contact's name or a display name.
    pub to: String,
    /// The text.
    pub text: String,
}

/// What the user has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadRequest {
    /// Whose messages: a peer id, its beginning, a contact's name or a display name.
    pub peer: String,
    /// Only up to this message of theirs, by its id, in the order in which messages are listed; all that are here when left out.
    pub through: Option<String>,
}

/// Which direct messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DirectQuery {
    /// Only those from and to this peer: a peer id, its beginning, a contact's name or a display name.
    peer: Option<String>,
    /// Only those that came and were not read.
    #[serde(default)]
    unread: bool,
    /// Messages at most, 1 to 10,000; 100 when left out.
    limit: Option<usize>,
    /// Only messages that this node had before this one, by its id.
    before: Option<String>,
}

/// The routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(messages, write)).routes(routes!(read)).routes(routes!(rotate))
}

/// Direct messages, oldest first: the newest ones, or the newest before a message. Asking marks nothing as read.
#[utoipa::path(
    get, path = "/api/v1/direct", tag = "direct", security(("token" = [])), params(DirectQuery),
    responses(
        (status = 200, body = [DirectMessage]),
        (status = 404, description = "nobody known, or no such message", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant", body = ErrorBody),
    )
)]
async fn messages(
    State(state): State<AppState>,
    query: Result<Query<DirectQuery>, QueryRejection>,
) -> Result<Json<Vec<DirectMessage>>, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::invalid("invalid_query", rejection.body_text()))?;
    let limit = page_limit(query.limit)?;
    let before = message_id(query.before.as_deref())?;
    let peer = match query.peer {
        Some(text) => Some(meant(&state, &text).await?),
        None => None,
    };
    let filter = DirectFilter { peer, unread: query.unread, before, limit };
    Ok(Json(state.handle.messages(filter).await?))
}

/// Writes to somebody. Answered once the message would survive a power cut; it is delivered whenever that is possible.
#[utoipa::path(
    post, path = "/api/v1/direct", tag = "direct", security(("token" = [])), request_body = MessageRequest,
    responses(
        (status = 201, description = "the message", body = DirectMessage),
        (status = 404, description = "nobody known", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant, or too many messages wait", body = ErrorBody),
        (status = 422, description = "a message that cannot be sent", body = ErrorBody),
        (status = 503, description = "too much to do", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
async fn write(
    State(state): State<AppState>,
    Body(body): Body<MessageRequest>,
) -> Result<(StatusCode, Json<DirectMessage>), ApiError> {
    let to = meant(&state, &body.to).await?;
    Ok((StatusCode::CREATED, Json(state.handle.message(to, body.text).await?)))
}

/// Marks as read what is here of somebody, all or up to a message, durably. Its author is told, unless the node runs without read receipts.
#[utoipa::path(
    post, path = "/api/v1/direct/read", tag = "direct", security(("token" = [])), request_body = ReadRequest,
    responses(
        (status = 204),
        (status = 404, description = "nobody known, or no such message", body = ErrorBody),
        (status = 409, description = "more than one peer may be meant", body = ErrorBody),
    )
)]
async fn read(State(state): State<AppState>, Body(body): Body<ReadRequest>) -> Result<StatusCode, ApiError> {
    let from = meant(&state, &body.peer).await?;
    let through = message_id(body.through.as_deref())?;
    state.handle.mark_read(from, through).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new key for direct messages to this node. Keys of before open what was sealed for them until that has expired.
#[utoipa::path(
    post, path = "/api/v1/key/rotate", tag = "direct", security(("token" = [])),
    responses((status = 204), (status = 409, description = "too many were made lately", body = ErrorBody))
)]
async fn rotate(State(state): State<AppState>) -> Result<StatusCode, ApiError> {
    state.handle.rotate_key().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The message that a text names.
fn message_id(text: Option<&str>) -> Result<Option<LetterId>, ApiError> {
    let id = text.map(str::parse::<EventId>).transpose();
    let id = id.map_err(|error| ApiError::invalid("invalid_id", error.to_string()))?;
    Ok(id.map(|id| LetterId(id.0)))
}

/// The peer that a text means.
pub(super) async fn meant(state: &AppState, text: &str) -> Result<PeerId, ApiError> {
    let own = state.handle.peer_id();
    // Who is meant so is meant whether known or not, and a large room has many to be asked for.
    if let Some(peer) = people::in_full(text)?.filter(|peer| *peer != own) {
        return Ok(peer);
    }
    let known = state.handle.people().await?;
    let name = state.handle.status().await?.name;
    Ok(people::find(text, &known, Own { peer_id: &own.to_string(), name: &name })?)
}
