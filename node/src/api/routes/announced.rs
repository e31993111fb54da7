//! Calls about shares that are announced in rooms.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use proto::blob::BlobId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, Body, ErrorBody, RoomPath};
use crate::model::{AnnouncedShare, Message};

/// A share to be announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnounceRequest {
    /// Its root, 64 hexadecimal digits; the node shares it.
    pub root: String,
}

/// What is to be told of those that were announced.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnnouncedQuery {
    /// Also asks the network how many nodes have each, which takes a while.
    #[serde(default)]
    seeders: bool,
}

/// The routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(announced, announce))
}

/// Shares that were announced in a room lately, oldest first. Any message with a link to a share announces it.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/files", tag = "files", security(("token" = [])),
    params(("room" = String, Path, description = "the room's name"), AnnouncedQuery),
    responses((status = 200, body = [AnnouncedShare]))
)]
async fn announced(
    State(state): State<AppState>,
    RoomPath(room): RoomPath,
    query: Result<Query<AnnouncedQuery>, QueryRejection>,
) -> Result<Json<Vec<AnnouncedShare>>, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::invalid("invalid_query", rejection.body_text()))?;
    Ok(Json(state.handle.announced_shares(room, query.seeders).await?))
}

/// Announces a share in a room: says its name and its link.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/files", tag = "files", security(("token" = [])), request_body = AnnounceRequest,
    params(("room" = String, Path, description = "the room's name")),
    responses(
        (status = 201, body = Message),
        (status = 404, description = "not in that room, or nothing that this node shares", body = ErrorBody),
        (status = 422, description = "not a root, or it is not known yet what is in it", body = ErrorBody),
    )
)]
async fn announce(
    State(state): State<AppState>,
    RoomPath(room): RoomPath,
    Body(body): Body<AnnounceRequest>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let root: BlobId =
        body.root.parse().map_err(|_| ApiError::invalid("invalid_root", "a root has 64 hexadecimal digits"))?;
    Ok((StatusCode::CREATED, Json(state.handle.announce_share(room, root).await?)))
}
