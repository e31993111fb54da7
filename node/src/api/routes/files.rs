//! Calls about files and folders that this node shares.
//!
//! Hashing takes as long as reading does, so whoever asks for it is answered at once, and asks how far it is. What is shared and what is
//! fetched is one list: whatever is fetched is shared. Lists and single shares are also answered under the names that users of
//! tracker-based systems know, without `v1`.

use std::path::PathBuf;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, request::Parts},
};
use proto::blob::{BlobId, path::FileName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiError, AppState, Body, ErrorBody};
use crate::{
    files::Symlinks,
    handle::ShareRequest,
    model::{Hashing, Share, ShareFile, SharePeer, ShareState},
};

/// A file or a folder to be shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShareBody {
    /// Where it is on the node's machine; absolute.
    pub path: String,
    /// What to call it; as it is called there when left out.
    pub name: Option<String>,
    /// Copies it, so that it can be changed or deleted where it is.
    #[serde(default)]
    pub copy: bool,
    /// Shares what symbolic links in a folder lead to; else a folder with one is refused.
    #[serde(default)]
    pub follow_symlinks: bool,
}

/// Which shares.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    /// Only those that are so far.
    state: Option<ShareState>,
}

/// The routes, with their documentation.
pub(super) fn all() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(files, share))
        .routes(routes!(file, unshare))
        .routes(routes!(peers))
        .routes(routes!(content))
        .routes(routes!(verify))
        .routes(routes!(hashing, cancel_hashing))
        .routes(routes!(known_files))
        .routes(routes!(known_file))
        .routes(routes!(known_peers))
}

/// All that is shared and fetched, in the order in which it came.
#[utoipa::path(
    get, path = "/api/v1/files", tag = "files", security(("token" = [])), params(FilesQuery),
    responses((status = 200, body = [Share]), (status = 422, description = "no such state", body = ErrorBody))
)]
async fn files(
    State(state): State<AppState>,
    query: Result<Query<FilesQuery>, QueryRejection>,
) -> Result<Json<Vec<Share>>, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::invalid("invalid_query", rejection.body_text()))?;
    let mut shares = state.handle.shares().await?;
    shares.retain(|share| query.state.is_none_or(|wanted| share.state == wanted));
    Ok(Json(shares))
}

/// Begins to hash a file or a folder, to share it when that is done.
#[utoipa::path(
    post, path = "/api/v1/files", tag = "files", security(("token" = [])), request_body = ShareBody,
    responses(
        (status = 202, description = "ask for it by its id", body = Hashing),
        (status = 409, description = "too many things are being hashed", body = ErrorBody),
        (status = 422, description = "a path that is not absolute, or a name that not every system can have", body = ErrorBody),
    )
)]
async fn share(
    State(state): State<AppState>,
    Body(body): Body<ShareBody>,
) -> Result<(StatusCode, Json<Hashing>), ApiError> {
    let name = body.name.as_deref().map(str::parse::<FileName>).transpose();
    let request = ShareRequest {
        path: absolute(&body.path)?,
        name: name.map_err(|error| ApiError::invalid("invalid_name", error.to_string()))?,
        copy: body.copy,
        symlinks: if body.follow_symlinks { Symlinks::Follow } else { Symlinks::Refuse },
    };
    Ok((StatusCode::ACCEPTED, Json(state.handle.share(request).await?)))
}

/// One share.
#[utoipa::path(
    get, path = "/api/v1/files/{root}", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 200, body = Share), (status = 404, description = "not here", body = ErrorBody))
)]
async fn file(State(state): State<AppState>, RootPath(root): RootPath) -> Result<Json<Share>, ApiError> {
    Ok(Json(state.handle.share_of(root).await?))
}

/// Shares or fetches something no more. What is complete stays where it is; what is not is removed.
#[utoipa::path(
    delete, path = "/api/v1/files/{root}", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 204), (status = 404, description = "not here", body = ErrorBody))
)]
async fn unshare(State(state): State<AppState>, RootPath(root): RootPath) -> Result<StatusCode, ApiError> {
    state.handle.unshare(root).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Connected peers that take part in a share.
#[utoipa::path(
    get, path = "/api/v1/files/{root}/peers", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 200, body = [SharePeer]), (status = 404, description = "not here", body = ErrorBody))
)]
async fn peers(State(state): State<AppState>, RootPath(root): RootPath) -> Result<Json<Vec<SharePeer>>, ApiError> {
    Ok(Json(state.handle.share_peers(root).await?))
}

/// The files of a share; none while it is not known what is in it.
#[utoipa::path(
    get, path = "/api/v1/files/{root}/files", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 200, body = [ShareFile]), (status = 404, description = "not here", body = ErrorBody))
)]
async fn content(State(state): State<AppState>, RootPath(root): RootPath) -> Result<Json<Vec<ShareFile>>, ApiError> {
    Ok(Json(state.handle.share_files(root).await?))
}

/// Begins to hash a share anew, to see whether it is what it was.
#[utoipa::path(
    post, path = "/api/v1/files/{root}/verify", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses(
        (status = 202, description = "ask for it by its id", body = Hashing),
        (status = 404, description = "not here", body = ErrorBody),
        (status = 409, description = "too many things are being hashed", body = ErrorBody),
        (status = 422, description = "not complete", body = ErrorBody),
    )
)]
async fn verify(
    State(state): State<AppState>,
    RootPath(root): RootPath,
) -> Result<(StatusCode, Json<Hashing>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(state.handle.verify_share(root).await?)))
}

/// How far a hashing is, or what came of it.
#[utoipa::path(
    get, path = "/api/v1/hashings/{id}", tag = "files", security(("token" = [])),
    params(("id" = u64, Path, description = "its number")),
    responses((status = 200, body = Hashing), (status = 404, description = "ended long ago, or never begun", body = ErrorBody))
)]
async fn hashing(State(state): State<AppState>, NumberPath(id): NumberPath) -> Result<Json<Hashing>, ApiError> {
    Ok(Json(state.handle.hashing(id).await?))
}

/// Ends a hashing that nobody waits for any more.
#[utoipa::path(
    delete, path = "/api/v1/hashings/{id}", tag = "files", security(("token" = [])),
    params(("id" = u64, Path, description = "its number")),
    responses((status = 204), (status = 404, description = "ended long ago, or never begun", body = ErrorBody))
)]
async fn cancel_hashing(State(state): State<AppState>, NumberPath(id): NumberPath) -> Result<StatusCode, ApiError> {
    state.handle.cancel_hashing(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same as `/api/v1/files`.
#[utoipa::path(
    get, path = "/api/files", tag = "files", security(("token" = [])), params(FilesQuery),
    responses((status = 200, body = [Share]), (status = 422, description = "no such state", body = ErrorBody))
)]
async fn known_files(
    state: State<AppState>,
    query: Result<Query<FilesQuery>, QueryRejection>,
) -> Result<Json<Vec<Share>>, ApiError> {
    files(state, query).await
}

/// The same as `/api/v1/files/{root}`.
#[utoipa::path(
    get, path = "/api/files/{root}", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 200, body = Share), (status = 404, description = "not here", body = ErrorBody))
)]
async fn known_file(state: State<AppState>, root: RootPath) -> Result<Json<Share>, ApiError> {
    file(state, root).await
}

/// The same as `/api/v1/files/{root}/peers`.
#[utoipa::path(
    get, path = "/api/files/{root}/peers", tag = "files", security(("token" = [])),
    params(("root" = String, Path, description = "its root, 64 hexadecimal digits")),
    responses((status = 200, body = [SharePeer]), (status = 404, description = "not here", body = ErrorBody))
)]
async fn known_peers(state: State<AppState>, root: RootPath) -> Result<Json<Vec<SharePeer>>, ApiError> {
    peers(state, root).await
}

/// A path that means the same whatever directory the node was started in.
pub(super) fn absolute(text: &str) -> Result<PathBuf, ApiError> {
    let path = PathBuf::from(text);
    if !path.is_absolute() {
        let message = format!("'{text}' is not an absolute path; give it from the root, as in /home/ada/photos");
        return Err(ApiError::invalid("invalid_path", message));
    }
    Ok(path)
}

/// The root in the path.
pub(super) struct RootPath(pub BlobId);

impl FromRequestParts<AppState> for RootPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(root) = path.map_err(|rejection| ApiError::invalid("invalid_root", rejection.body_text()))?;
        root.parse().map(Self).map_err(|error: proto::ids::ParseIdError| {
            ApiError::invalid("invalid_root", format!("a share is named by its root: {error}"))
        })
    }
}

/// The number of a hashing in the path.
struct NumberPath(u64);

impl FromRequestParts<AppState> for NumberPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let path = Path::<u64>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|rejection| ApiError::invalid("invalid_id", rejection.body_text()))?;
        Ok(Self(id))
    }
}
