//! What stands before every handler: who may call, from where, how many at once and for how long.
//!
//! | a request | answer |
//! |---|---|
//! | whose `Host` is a name other than `localhost` (a web page that made its own name point here) | 403 `foreign_host` |
//! | whose `Origin` is not this API's own (another web page) | 403 `foreign_origin` |
//! | without the token, except for `/healthz` and the OpenAPI document | 401 `unauthorized` |
//! | beyond [`MAX_REQUESTS`] at once | 503 `overloaded` |
//! | that takes longer than [`REQUEST_TIMEOUT`] | 504 `timeout` |

use std::{net::IpAddr, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{ApiError, AppState, token::Token};

/// Requests carried out at once. Each may hold a page of history in memory; a person's programs need a handful.
pub const MAX_REQUESTS: usize = 64;

/// A call is answered within milliseconds, unless the disk is very slow.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Paths that tell nothing about the node and need no token.
const PUBLIC: [&str; 2] = ["/healthz", "/api/v1/openapi.json"];

/// The path of the WebSocket, on which browsers cannot send the token in a header.
pub(super) const EVENTS: &str = "/api/v1/events";

/// The prefix of the WebSocket subprotocol that carries the token.
const BEARER_PROTOCOL: &str = "bearer.";

/// The middleware.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if let Err(error) = check(&state.token, &request) {
        return error.into_response();
    }
    let Ok(_permit) = state.requests.try_acquire() else {
        let message = "too many requests at once; try again";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).into_response();
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "the node took too long to answer; try again")
            .into_response(),
    }
}

fn check(token: &Token, request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    let host = text(headers, header::HOST);
    if !host.is_some_and(is_local_host) {
        let message = "call the API by an IP address or as localhost";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_host", message));
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = text(headers, header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if origin.is_none() || origin != host {
            let message = "web pages of other sites may not call the API";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_origin", message));
        }
    }
    let path = request.uri().path();
    if PUBLIC.contains(&path) || offered(request).is_some_and(|offered| token.matches(offered)) {
        return Ok(());
    }
    let message = "send the token in the file api-token of the data directory, as: Authorization: Bearer <token>";
    Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message))
}

/// The token that a request carries.
fn offered(request: &Request) -> Option<&str> {
    let headers = request.headers();
    if let Some(authorization) = text(headers, header::AUTHORIZATION) {
        let (scheme, token) = authorization.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    if request.uri().path() != EVENTS {
        return None;
    }
    let query = request.uri().query().unwrap_or_default();
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("token="));
    in_query.or_else(|| bearer_protocol(headers)?.strip_prefix(BEARER_PROTOCOL))
}

/// The WebSocket subprotocol that carries the token, which a server has to name in its answer.
pub(super) fn bearer_protocol(headers: &HeaderMap) -> Option<&str> {
    let offered = text(headers, header::SEC_WEBSOCKET_PROTOCOL)?;
    offered.split(',').map(str::trim).find(|protocol| protocol.starts_with(BEARER_PROTOCOL))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a `Host` header names this machine in a way that no stranger's DNS can.
fn is_local_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let unbracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || unbracketed.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(path: &str, headers: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().uri(path);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn hosts_that_dns_can_point_here_are_foreign() {
        for host in ["127.0.0.1:7380", "localhost:7380", "LOCALHOST", "[::1]:7380", "192.0.2.1"] {
            assert!(is_local_host(host), "{host}");
        }
        for host in ["", "evil.example:7380", "localhost.evil.example", "127.0.0.1.evil.example:80", ":7380"] {
            assert!(!is_local_host(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_taken_from_the_header_and_for_the_web_socket_from_two_more_places() {
        let bearer = request("/api/v1/status", &[("authorization", "bearer abc")]);
        assert_eq!(offered(&bearer), Some("abc"));
        assert_eq!(offered(&request("/api/v1/events?a=b&token=abc", &[])), Some("abc"));
        let protocols = [("sec-websocket-protocol", "chat, bearer.abc")];
        assert_eq!(offered(&request("/api/v1/events", &protocols)), Some("abc"));
        assert_eq!(offered(&request("/api/v1/status?token=abc", &[])), None);
        assert_eq!(offered(&request("/api/v1/status", &protocols)), None);
        assert_eq!(offered(&request("/api/v1/status", &[("authorization", "abc")])), None);
    }
}
