//! The node's HTTP API: everything the command line does, for any program on this machine that has the token.
//!
//! REST under `/api/v1`, a WebSocket of everything that happens, an OpenAPI document made from the handlers themselves,
//! `/healthz` and `/metrics`. [`guard`] says who may call; [`error`] how failures look.

pub mod error;
mod events;
pub mod guard;
mod metrics;
pub mod routes;
pub mod token;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, middleware};
pub use error::ApiError;
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use utoipa::openapi::{
    OpenApi,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::{handle::Handle, model::NodeEvent};
use token::Token;

/// Bytes of a request's body: the longest text of a message when each of its bytes is escaped as `\u00xx`, and its frame.
pub const MAX_BODY_BYTES: usize = 6 * proto::chat::MAX_TEXT_BYTES + 1_024;

/// WebSockets open at once. Each costs a task and a place among the subscribers; a person's programs need a handful.
pub const MAX_WEB_SOCKETS: usize = 64;

/// How long open requests may finish when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct AppState {
    handle: Handle,
    registry: Arc<Registry>,
    token: Token,
    requests: Arc<Semaphore>,
    web_sockets: Arc<Semaphore>,
    /// Turned to `true` when a client asks the node to stop.
    stop_requested: watch::Sender<bool>,
    /// Turned to `true` when the server stops.
    stopping: watch::Receiver<bool>,
    document: Arc<str>,
}

/// A running API server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop_requested: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

/// Serves the API of a node on a listening socket. What the node counts in the registry is part of `/metrics`.
///
/// # Errors
/// When the socket has no address.
pub fn serve(handle: Handle, registry: Registry, listener: TcpListener, token: Token) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let (stop_requested, requested) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let router = router(handle, registry, token, stop_requested, stopping.clone());
    let stopped = wait_for(stopping);
    let task = tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
    Ok(Server { address, stop_requested: requested, stop, task })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients on this machine.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// Returns when a client has asked the node to stop.
    pub fn stop_requested(&self) -> impl Future<Output = ()> + Send + 'static {
        wait_for(self.stop_requested.clone())
    }

    /// Takes no more requests, and gives those under way a moment to finish.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let aborted = self.task.abort_handle();
        if tokio::time::timeout(STOP_TIMEOUT, self.task).await.is_err() {
            aborted.abort();
        }
    }
}

/// Returns when the value is `true`; never when its sender goes without saying so.
async fn wait_for(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|set| *set).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn router(
    handle: Handle,
    registry: Registry,
    token: Token,
    stop_requested: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
) -> Router {
    let (router, document) = routes::all().split_for_parts();
    let state = AppState {
        handle,
        registry: Arc::new(registry),
        token,
        requests: Arc::new(Semaphore::new(guard::MAX_REQUESTS)),
        web_sockets: Arc::new(Semaphore::new(MAX_WEB_SOCKETS)),
        stop_requested,
        stopping,
        document: complete(document).to_json().unwrap_or_default().into(),
    };
    router
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Adds to the document what the handlers do not say: its title, how to authenticate, and the reports of the WebSocket.
fn complete(mut document: OpenApi) -> OpenApi {
    use utoipa::{PartialSchema, ToSchema};
    document.info.title = "Starling node".into();
    document.info.version = env!("CARGO_PKG_VERSION").into();
    document.info.description = Some("Everything the command line does, for programs that hold the token.".into());
    let mut schemas = vec![(NodeEvent::name().into_owned(), NodeEvent::schema())];
    NodeEvent::schemas(&mut schemas);
    let components = document.components.get_or_insert_default();
    components.schemas.extend(schemas);
    components
        .add_security_scheme("token", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    document
}

#[cfg(test)]
pub(crate) mod tests;
