//! What the API answers when it cannot do what was asked: `{"error":{"code":"…","message":"…"}}`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use proto::{direct::outbox::NotWritten, private::rooms::Refused};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    handle::{CallError, ShareError},
    people::NobodyMeant,
    store::StoreError,
};

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// A word for programs, such as `not_in_room`.
    pub code: String,
    /// A line for people, with what to do.
    pub message: String,
}

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// An error with a status, a word for programs and a line for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A request that cannot be understood or carried out as it is.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: ErrorDetail { code: self.code.into(), message: self.message } };
        let mut response = (self.status, Json(body)).into_response();
        let extra = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let (status, code) = match &error {
            CallError::Overloaded | CallError::Store(StoreError::Overloaded) => {
                (StatusCode::SERVICE_UNAVAILABLE, "overloaded")
            }
            CallError::Stopped | CallError::Store(StoreError::Closed) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            CallError::NotInRoom(_) => (StatusCode::NOT_FOUND, "not_in_room"),
            CallError::CannotLeaveLobby => (StatusCode::CONFLICT, "cannot_leave_lobby"),
            CallError::TooManyRooms(_) => (StatusCode::CONFLICT, "too_many_rooms"),
            CallError::NoSuchMessage(_) => (StatusCode::NOT_FOUND, "no_such_message"),
            CallError::NoSuchDirectMessage(_) => (StatusCode::NOT_FOUND, "no_such_message"),
            CallError::NotAnAuthor(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_peer"),
            CallError::NotWritten(NotWritten::TooMuchWaiting) => (StatusCode::CONFLICT, "too_much_waiting"),
            CallError::NotWritten(NotWritten::NotStored) => (StatusCode::INTERNAL_SERVER_ERROR, "store_failed"),
            CallError::NotWritten(NotWritten::Invalid(_) | NotWritten::ToOneself) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_message")
            }
            CallError::ContactName => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_name"),
            CallError::TooManyKeys => (StatusCode::CONFLICT, "too_many_keys"),
            CallError::NoStranger => (StatusCode::CONFLICT, "no_stranger"),
            CallError::TooManyPeople => (StatusCode::CONFLICT, "too_many_people"),
            CallError::PrivateRoom(refused) => private_room(refused),
            CallError::InvalidChat(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_text"),
            CallError::Share(error) => share(error),
            CallError::Store(StoreError::DiskFull { .. }) => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
            CallError::Store(StoreError::Failed(_) | StoreError::Rejected(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "store_failed")
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<NobodyMeant> for ApiError {
    fn from(error: NobodyMeant) -> Self {
        let (status, code) = match &error {
            NobodyMeant::Empty | NobodyMeant::NotAnAuthor(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_peer"),
            NobodyMeant::Oneself => (StatusCode::UNPROCESSABLE_ENTITY, "oneself"),
            NobodyMeant::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_peer"),
            NobodyMeant::Ambiguous { .. } => (StatusCode::CONFLICT, "ambiguous_peer"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn share(error: &ShareError) -> (StatusCode, &'static str) {
    match error {
        ShareError::Unknown(_) => (StatusCode::NOT_FOUND, "no_such_share"),
        ShareError::NoSuchHashing(_) => (StatusCode::NOT_FOUND, "no_such_hashing"),
        ShareError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_share"),
        ShareError::Here(_) => (StatusCode::CONFLICT, "here_already"),
        ShareError::NotFetched(_) => (StatusCode::CONFLICT, "not_fetched"),
        ShareError::TooMany(_) => (StatusCode::CONFLICT, "too_many_shares"),
        ShareError::Disk(_) => (StatusCode::INSUFFICIENT_STORAGE, "disk_failed"),
    }
}

fn private_room(refused: &Refused) -> (StatusCode, &'static str) {
    match refused {
        Refused::NameTaken(_) => (StatusCode::CONFLICT, "name_taken"),
        Refused::KnownAs(_) => (StatusCode::CONFLICT, "known_already"),
        Refused::Unknown(_) => (StatusCode::NOT_FOUND, "no_such_room"),
        Refused::NotInRoom(_) => (StatusCode::NOT_FOUND, "not_in_room"),
        Refused::NotOwner(_) => (StatusCode::FORBIDDEN, "not_owner"),
        Refused::TooMany => (StatusCode::CONFLICT, "too_many_rooms"),
        Refused::TooOften(_) => (StatusCode::CONFLICT, "too_many_keys"),
        Refused::Forged => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_invitation"),
        Refused::Outdated(_) => (StatusCode::CONFLICT, "outdated_invitation"),
        Refused::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Refused::NotStored => (StatusCode::INTERNAL_SERVER_ERROR, "store_failed"),
    }
}
