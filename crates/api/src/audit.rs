//! Every change goes through here: written down before it is made, and how it ended after; `/audit-events` shows it.

use crate::answer::Ranged;
use crate::body;
use crate::door::Door;
use crate::error::ApiError;
use crate::mask::{MASK, masked};
use crate::platform::{Caller, ForApp};
use crate::range::{Field, Key};
use crate::routes::{ROUTES, Route};
use crate::serve::Peer;
use crate::views::audit::{AuditView, ChainView};
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use control::Control;
use control::audit::{self, AuditError};
use http_body_util::BodyExt;
use model::audit::{AuditRecord, Change};
use model::id::AppId;
use model::id::LogDrainId;
use serde_json::{Value, json};
use tower_service::Service;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a proxy says of where a request came from, up to this length.
const FORWARDED_LIMIT_BYTES: usize = 200;

/// Marks a request of the server to itself: it costs nothing of the caller's rate limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside;

/// The id of a request, from the front on.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Runs a change: what is asked for is on disk before it begins.
pub(crate) async fn run(door: &Door, route: &'static Route, request: Request, next: Next) -> Response {
    let (parts, sent) = match body::unpacked(request).await {
        Ok(unpacked) => unpacked,
        Err(refused) => return refused.into_response(),
    };
    let Some(change) = change(route, &parts) else { return ApiError::unauthorized().into_response() };
    let hides = route.path.contains("/config-vars");
    let before = before(door, route, &parts, hides).await;
    let asked = json!({ "sent": read(&sent, hides) }).to_string();
    if let Err(error) = audit::ask(&door.control, &change, asked).await {
        if !route.relieves() {
            return ApiError::from(error).into_response();
        }
        tracing::error!(actor = change.actor, path = change.path, %error, "What was asked for could not be written to the audit log");
    }
    let response = next.run(Request::from_parts(parts, Body::from(sent))).await;
    let (status, response, after) = after(response, hides).await;
    let content = json!({ "before": before, "after": after }).to_string();
    if let Err(error) = audit::answer(&door.control, &change, status, content).await {
        // It was made, and that it was asked for is on disk.
        tracing::error!(request_id = change.request_id, %error, "How a change ended could not be written to the audit log");
    }
    response
}

/// Writes down that somebody pushes, code or an image, of which only the path tells.
pub(crate) async fn asked(door: &Door, change: &Change) -> Result<(), ApiError> {
    Ok(audit::ask(&door.control, change, "{}".to_owned()).await?)
}

/// Writes down how it ended; of code, builds and releases tell the rest.
pub(crate) async fn answered(door: &Door, change: &Change, status: StatusCode, content: String) {
    if let Err(error) = audit::answer(&door.control, change, status.as_u16(), content).await {
        tracing::error!(request_id = change.request_id, %error, "How a change ended could not be written to the audit log");
    }
}

pub(crate) fn change(route: &Route, parts: &Parts) -> Option<Change> {
    let Caller(who) = parts.extensions.get()?;
    let app = parts.extensions.get::<ForApp>().map(|app| app.0.id);
    let action = format!("{} {}", route.method, route.path);
    let path = path(route, parts.uri.path());
    let request_id = request_id(parts);
    Some(Change { app, ..Change::by(who, address(parts), request_id, action, path) })
}

/// As it was asked for; a drain's own address or token, which are secrets, is left out.
fn path(route: &Route, asked: &str) -> String {
    match asked.rsplit_once('/') {
        Some((place, last)) if route.path.ends_with("/{drain}") && last.parse::<LogDrainId>().is_err() => {
            format!("{place}/{MASK}")
        }
        Some(_) | None => asked.to_owned(),
    }
}

pub(crate) fn request_id(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// Where a request came from, handed on to one that the server makes in its place.
pub(crate) fn hand_on(from: &Parts, to: &mut Request) {
    if let Some(id) = from.extensions.get::<RequestId>() {
        to.extensions_mut().insert(id.clone());
    }
    if let Some(peer) = from.extensions.get::<Peer>() {
        to.extensions_mut().insert(*peer);
    }
    if let Some(said) = from.headers.get(FORWARDED_FOR) {
        to.headers_mut().insert(FORWARDED_FOR, said.clone());
    }
}

/// The other end of the connection; behind a proxy also what the proxy says.
pub(crate) fn address(parts: &Parts) -> String {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_string()).unwrap_or_default();
    match forwarded(&parts.headers) {
        Some(said) => format!("{said} by way of {peer}"),
        None => peer,
    }
}

fn forwarded(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get(FORWARDED_FOR)?.to_str().ok()?;
    (!said.is_empty() && said.len() <= FORWARDED_LIMIT_BYTES).then_some(said)
}

/// What is there before it is changed: the answer to a GET of the same path, as the caller sees it.
async fn before(door: &Door, route: &Route, parts: &Parts, hides: bool) -> Value {
    let shown = ROUTES.iter().any(|other| other.method == Method::GET && other.path == route.path);
    if !shown || route.method == Method::POST {
        return Value::Null;
    }
    let Some(mut routes) = door.routes.get().cloned() else { return Value::Null };
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request.headers_mut().remove(axum::http::header::IF_NONE_MATCH);
    request.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
    request.extensions_mut().insert(Inside);
    match routes.call(request).await {
        Ok(response) if response.status().is_success() => {
            let bytes = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
            read(&bytes.unwrap_or_default(), hides)
        }
        Ok(_) => Value::Null,
        Err(never) => match never {},
    }
}

/// The answer's status, the answer again, and what it says, if it is JSON.
async fn after(response: Response, hides: bool) -> (u16, Response, Value) {
    let status = response.status().as_u16();
    let json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !json {
        return (status, response, Value::Null);
    }
    let (parts, body) = response.into_parts();
    // Answers of JSON are in memory as a whole already, so there is no error to report.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = read(&bytes, hides);
    (status, Response::from_parts(parts, Body::from(bytes)), said)
}

fn read(bytes: &Bytes, hides: bool) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => masked(value, hides),
        Err(_) => json!({ "unreadable_bytes": bytes.len() }),
    }
}

const FIELDS: &[Field<AuditRecord>] = &[("number", |record| Key::Number(record.number))];

/// GET /audit-events - of the whole server, for operators; `Range: number ..; order=desc, max=50` is the newest.
pub(crate) async fn list(State(control): State<Control>, range: Ranged) -> Result<Response, ApiError> {
    show(&control, None, range).await
}

/// GET /apps/{app}/audit-events - of one app, for who manages it.
pub(crate) async fn of_app(
    State(control): State<Control>,
    ForApp(app): ForApp,
    range: Ranged,
) -> Result<Response, ApiError> {
    show(&control, Some(app.id), range).await
}

async fn show(control: &Control, app: Option<AppId>, range: Ranged) -> Result<Response, ApiError> {
    let down = range.0.descending;
    let bound = range.0.from.as_ref().and_then(|bound| bound.value.parse().ok());
    let from = bound.unwrap_or(if down { i64::MAX } else { 0 });
    // One more than is shown says that there are more, another is the one that the range begins after.
    let records = audit::page(control, app, from, down, range.0.max + 2).await?;
    range.answer(records, FIELDS, |record| AuditView::from(record))
}

/// GET /audit-events/chain - is the log as it was written?
pub(crate) async fn chain(State(control): State<Control>) -> Result<Json<ChainView>, ApiError> {
    Ok(Json(audit::verify(&control).await?.into()))
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match &error {
            AuditError::Store(_) => Self::internal(&error),
        }
    }
}
