//! The WebSocket of everything that happens: each [`NodeEvent`] as one text frame of JSON.
//!
//! A client that reads too slowly first loses the oldest reports and is told how many
//! ([`NodeEvent::Lagged`]); one that takes no frame for [`SEND_TIMEOUT`] is dropped. What a client sends is ignored.

use std::time::Duration;

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::sync::{broadcast, watch};

use super::{ApiError, AppState, guard, wait_for};
use crate::model::NodeEvent;

/// How long a frame may wait for a client that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a frame from a client, which has nothing to say.
const MAX_INBOUND_BYTES: usize = 4 * 1_024;

/// Everything that happens from now on, as JSON text frames.
#[utoipa::path(
    get, path = guard::EVENTS, tag = "events", security(("token" = [])),
    params(("token" = Option<String>, Query, description = "the token, for clients that can send no header")),
    responses(
        (status = 101, description = "a WebSocket; each text frame is a NodeEvent"),
        (status = 503, description = "too many WebSockets", body = super::error::ErrorBody),
    )
)]
pub(super) async fn events(State(state): State<AppState>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let Ok(permit) = state.web_sockets.clone().try_acquire_owned() else {
        let message = "too many WebSockets are open; close one";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_web_sockets", message).into_response();
    };
    let protocol = guard::bearer_protocol(&headers).map(str::to_owned);
    // Subscribed before the answer, so that whoever sees the answer misses nothing after it.
    let reports = state.handle.subscribe();
    upgrade.max_message_size(MAX_INBOUND_BYTES).protocols(protocol).on_upgrade(async move |mut socket| {
        let _permit = permit;
        let reason = forward(&mut socket, reports, state.stopping).await;
        tracing::debug!("a WebSocket ended: {reason}");
    })
}

/// Forwards reports until one side ends it; returns why.
async fn forward(
    socket: &mut WebSocket,
    mut reports: broadcast::Receiver<NodeEvent>,
    stopping: watch::Receiver<bool>,
) -> &'static str {
    loop {
        let event = tokio::select! {
            report = reports.recv() => match report {
                Ok(event) => event,
                Err(broadcast::error::RecvError::Lagged(missed)) => NodeEvent::Lagged { missed },
                Err(broadcast::error::RecvError::Closed) => return "the node stopped",
            },
            frame = socket.recv() => match frame {
                Some(Ok(Message::Close(_))) | None => return "the client closed it",
                Some(Err(_)) => return "the client broke it",
                Some(Ok(_)) => continue,
            },
            () = wait_for(stopping.clone()) => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "the node is stopping".into() };
                // The client may be gone already.
                let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
                return "the node is stopping";
            }
        };
        let Ok(text) = serde_json::to_string(&event) else { continue };
        match tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "the client is gone",
            Err(_) => return "the client does not read",
        }
    }
}
