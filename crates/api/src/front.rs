//! Before any route: the path's form (CLI-3), and after it: the request's id (API-8).

use crate::audit::RequestId;
use crate::cors;
use crate::error::ApiError;
use crate::neighbour;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{HeaderName, HeaderValue, ORIGIN};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use control::Control;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tower_service::Service;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// A client's own id is repeated up to this length; more would only fill logs.
const CLIENT_ID_LIMIT_BYTES: usize = 200;

/// The routes behind the front.
#[derive(Clone)]
pub(crate) struct Front {
    routes: Router,
    control: Control,
    count: Arc<AtomicU32>,
}

impl Front {
    pub(crate) fn new(routes: Router, control: Control) -> Self {
        Self { routes, control, count: Arc::default() }
    }

    /// The moment and a running number: unlike every other request's, also after a restart.
    fn new_id(&self) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.control.now().0.to_be_bytes());
        bytes[12..].copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

/// Every request passes here first.
pub(crate) async fn pass(State(mut front): State<Front>, mut request: Request) -> Response {
    let id = request_id(request.headers(), front.new_id());
    let of_page = request.headers().contains_key(ORIGIN);
    let preflight = cors::preflight(request.method(), request.headers());
    let mut response = match (preflight, straight(request.uri())) {
        (Some(yes), _) => yes,
        (None, Some(uri)) => {
            let uri = neighbour::exec_manager(&uri, request.headers()).unwrap_or(uri);
            *request.uri_mut() = uri;
            request.extensions_mut().insert(RequestId(id.clone()));
            front.routes.call(request).await.into_response()
        }
        (None, None) => ApiError::no_such_path().into_response(),
    };
    if of_page {
        cors::open(&mut response);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The address without the slashes that a base URL with a slash at its end brings; `None` when a segment inside is empty.
fn straight(uri: &Uri) -> Option<Uri> {
    let path = uri.path().trim_start_matches('/');
    // Registries are asked for `/v2/`, and for uploads at a path that ends like that.
    let path = if path.starts_with("v2/") { path.strip_suffix('/').unwrap_or(path) } else { path };
    if path.split('/').any(str::is_empty) && !path.is_empty() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{path}{query}").parse().ok()
}

/// The client's id, if it sent a plain one, and then ours.
fn request_id(headers: &HeaderMap, own: Uuid) -> String {
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= CLIENT_ID_LIMIT_BYTES
            && id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    };
    let sent = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::trim).filter(plain);
    sent.map_or_else(|| own.to_string(), |sent| format!("{sent},{own}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_3_slashes() {
        let straight = |path: &str| straight(&path.parse().unwrap()).map(|uri| uri.to_string());
        for (path, want) in [
            ("/account", Some("/account")),
            ("//account", Some("/account")),
            ("///apps/x?a=b//c", Some("/apps/x?a=b//c")),
            ("/apps//webhooks/ID", None),
            ("/apps/x/collaborators/", None),
            ("/", Some("/")),
            ("/v2/", Some("/v2")),
            ("/v2/shop/web/blobs/uploads/?digest=x", Some("/v2/shop/web/blobs/uploads?digest=x")),
            ("/v2/shop//blobs", None),
        ] {
            assert_eq!(straight(path).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn api_8_a_clients_id_is_kept_and_ours_appended() {
        let id = |sent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(sent.as_bytes()).unwrap());
            request_id(&headers, Uuid::nil())
        };
        let own = Uuid::nil().to_string();
        assert_eq!(id("abc"), format!("abc,{own}"));
        assert_eq!(id(&"x".repeat(201)), own);
        assert_eq!(id("ä"), own);
        assert_eq!(request_id(&HeaderMap::new(), Uuid::nil()), own);
    }
}
