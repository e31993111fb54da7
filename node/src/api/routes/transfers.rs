//! Calls about what is fetched, how fast bytes come and go, and what they take of the disk.

use axum::{Json, extract::State, http::StatusCode};
use libp2p::{Multiaddr, multiaddr::Protocol};
use proto::blob::link::{InvalidLink, Wanted};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiError, AppState, Body, ErrorBody,
    files::{RootPath, absolute},
};
use crate::{
    handle::{FetchRequest, Target},
    model::{Share, StoreUsage, TransferLimits},
    transport::{AddressError, DialAddress},
};

/// Something to be fetched. Either `into` or `at` says where to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransferRequest {
    /// A link to it, or its root.
    pub link: String,
    /// The directory to put it into, under its own name; absolute.
    pub into: Option<String>,
    /// Just where to put it; absolute.
    pub at: Option<String>,
    /// Which files of a folder: globs for their paths. All, when there are none.
    #[serde(default)]
    pub select: Vec<String>,
    /// Where peers are who may have it: multiaddrs that end in `/p2p/` and a peer id.
    #[serde(default)]
    pub peers: Vec<String>,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Freed {
    /// Bytes that the disk has again.
    pub freed_bytes: u64,
}

/// The routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(fetch))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(limits, limit))
        .routes(routes!(limit_one))
        .routes(routes!(usage))
        .routes(routes!(collect))
}

/// Begins to fetch a share, or goes on: then the files that are selected now are wanted beside those of before, and all, if none are.
/// What is here already is told as it is.
#[utoipa::path(
    post, path = "/api/v1/transfers", tag = "files", security(("token" = [])), request_body = TransferRequest,
    responses(
        (status = 202, description = "the share", body = Share),
        (status = 409, description = "too much is shared and fetched", body = ErrorBody),
        (status = 422, description = "a link, place, glob or address that will not do", body = ErrorBody),
    )
)]
async fn fetch(
    State(state): State<AppState>,
    Body(body): Body<TransferRequest>,
) -> Result<(StatusCode, Json<Share>), ApiError> {
    let wanted: Wanted =
        body.link.parse().map_err(|error: InvalidLink| ApiError::invalid("invalid_link", error.to_string()))?;
    let target = match (&body.into, &body.at) {
        (Some(into), None) => Target::Into(absolute(into)?),
        (None, Some(at)) => Target::At(absolute(at)?),
        _ => {
            return Err(ApiError::invalid(
                "invalid_path",
                "say where to: either 'into' a directory, or just 'at' a place",
            ));
        }
    };
    let peers = body.peers.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
    let request = FetchRequest { wanted, target, select: body.select, peers };
    Ok((StatusCode::ACCEPTED, Json(state.handle.fetch(request).await?)))
}

/// Has what is fetched stand still, durably.
#[utoipa::path(
    post, path = "/api/v1/files/{root}/pause", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses(
        (status = 200, body = Share),
        (status = 404, description = "not here", body = ErrorBody),
        (status = 409, description = "not being fetched", body = ErrorBody),
    )
)]
async fn pause(State(state): State<AppState>, RootPath(root): RootPath) -> Result<Json<Share>, ApiError> {
    Ok(Json(state.handle.pause_share(root).await?))
}

/// Has it go on.
#[utoipa::path(
    post, path = "/api/v1/files/{root}/resume", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses(
        (status = 200, body = Share),
        (status = 404, description = "not here", body = ErrorBody),
        (status = 409, description = "not being fetched", body = ErrorBody),
    )
)]
async fn resume(State(state): State<AppState>, RootPath(root): RootPath) -> Result<Json<Share>, ApiError> {
    Ok(Json(state.handle.resume_share(root).await?))
}

/// How fast bytes of all shares together may come and go.
#[utoipa::path(get, path = "/api/v1/limits", tag = "files", security(("token" = [])), responses((status = 200, body = TransferLimits)))]
async fn limits(State(state): State<AppState>) -> Result<Json<TransferLimits>, ApiError> {
    Ok(Json(state.handle.share_limits().await?))
}

/// Limits how fast bytes of all shares together come and go. What is left out is not limited.
#[utoipa::path(
    put, path = "/api/v1/limits", tag = "files", security(("token" = [])), request_body = TransferLimits,
    responses((status = 204))
)]
async fn limit(State(state): State<AppState>, Body(limits): Body<TransferLimits>) -> Result<StatusCode, ApiError> {
    state.handle.limit_shares(None, limits).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Limits how fast bytes of one share come and go. What is left out is not limited. What holds for all holds for it as well.
#[utoipa::path(
    put, path = "/api/v1/files/{root}/limits", tag = "files", security(("token" = [])), request_body = TransferLimits,
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 204), (status = 404, description = "not here", body = ErrorBody))
)]
async fn limit_one(
    State(state): State<AppState>,
    RootPath(root): RootPath,
    Body(limits): Body<TransferLimits>,
) -> Result<StatusCode, ApiError> {
    state.handle.limit_shares(Some(root), limits).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What shares take of the disk, besides the files that stand where the user has them.
#[utoipa::path(
    get, path = "/api/v1/store/usage", tag = "files", security(("token" = [])),
    responses((status = 200, body = StoreUsage), (status = 507, description = "the disk cannot be read", body = ErrorBody))
)]
async fn usage(State(state): State<AppState>) -> Result<Json<StoreUsage>, ApiError> {
    Ok(Json(state.handle.store_usage().await?))
}

/// Removes files of the node's own that nothing needs.
#[utoipa::path(
    post, path = "/api/v1/store/gc", tag = "files", security(("token" = [])),
    responses((status = 200, body = Freed), (status = 507, description = "the disk cannot be written", body = ErrorBody))
)]
async fn collect(State(state): State<AppState>) -> Result<Json<Freed>, ApiError> {
    Ok(Json(Freed { freed_bytes: state.handle.collect_garbage().await? }))
}

/// The address of a peer. Without its peer id nobody could be asked there.
fn address(text: &str) -> Result<Multiaddr, ApiError> {
    let invalid = |message: String| ApiError::invalid("invalid_address", message);
    let DialAddress(address) = text.parse().map_err(|error: AddressError| invalid(error.to_string()))?;
    match address.iter().last() {
        Some(Protocol::P2p(_)) => Ok(address),
        _ => Err(invalid(format!("'{text}' does not say who is there; addresses of peers end in /p2p/ and a peer id"))),
    }
}
