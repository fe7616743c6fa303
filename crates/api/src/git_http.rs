//! git smart HTTP at `/{app}.git`: who pushes or fetches, then streams both ways.

use crate::audit;
use crate::auth;
use crate::door::Door;
use crate::error::{ApiError, tame};
use crate::gzip;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use control::account::Entry;
use control::gate::Authorized;
use control::push::{self, Service, Ticket};
use control::second_factor;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use model::app::App;
use model::audit::Change;
use model::authorization::Scope;
use model::permission::Right;
use serde::Deserialize;
use std::io;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{ReaderStream, StreamReader};

/// Reading code is more than seeing that an app is there, so fetch and push ask for the same right.
const RIGHT: Right = Right::Deploy;

/// Chunks of git's answer that wait for the client.
const CHUNKS_WAITING: usize = 4;

/// A refusal that git shows to its user: text, not JSON.
pub(crate) struct Refused(ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let ask = self.0.status == StatusCode::UNAUTHORIZED;
        let mut response = (self.0.status, format!("{}\n", tame(&self.0.message))).into_response();
        if ask {
            // Without this git never asks its credential helper.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Flowline\""));
        }
        response
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct RefsQuery {
    service: Option<String>,
}

/// GET /{app}.git/info/refs?service=… - the branches, before a fetch or a push.
pub(crate) async fn refs(
    State(door): State<Door>,
    Path(repository): Path<String>,
    Query(query): Query<RefsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let (app, by) = enter(&door, &repository, &headers).await?;
    let word = query.service.unwrap_or_default();
    let Ok(service) = word.parse() else {
        let message = "Only git's smart HTTP protocol is served, for fetch and push; use git 2.39 or newer.";
        return Err(ApiError::forbidden(message).into());
    };
    if service == Service::ReceivePack {
        // Here and not only later: this refusal git shows to its user, with its words.
        push::admits(&door.control).map_err(ApiError::from)?;
        second_factor::ask(&door.control, &app, &by, None).await.map_err(ApiError::from)?;
    }
    let output = push::repositories(&door.control).advertise(app.id, service, protocol(&headers)).await;
    let output = output.map_err(|error| unavailable(&error))?;
    Ok(answer(Body::from_stream(ReaderStream::new(output)), &format!("application/x-{word}-advertisement")))
}

/// POST /{app}.git/git-upload-pack - a fetch.
pub(crate) async fn fetch(
    State(door): State<Door>,
    Path(repository): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let (app, _) = enter(&door, &repository, &headers).await?;
    exchange(&door, &app, "git-upload-pack", None, &headers, body).await
}

/// POST /{app}.git/git-receive-pack - a push; the build runs inside, its lines come back as they are printed.
pub(crate) async fn receive(
    State(door): State<Door>,
    Path(repository): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let (app, by) = enter(&door, &repository, &parts.headers).await?;
    second_factor::ask(&door.control, &app, &by, None).await.map_err(ApiError::from)?;
    let (path, action) = (parts.uri.path().to_owned(), "POST /{app}.git/git-receive-pack".to_owned());
    let change = Change::by(app.by(), audit::address(&parts), audit::request_id(&parts), action, path);
    let change = Change { app: Some(app.id), ..change };
    audit::asked(&door, &change).await?;
    let headers = parts.headers;
    let ticket = push::begin(&door.control, &app, change).map_err(ApiError::from)?;
    exchange(&door, &app, "git-receive-pack", Some(ticket), &headers, body).await
}

/// 401 and 404 happen here only.
async fn enter(door: &Door, repository: &str, headers: &HeaderMap) -> Result<(Authorized<App>, Entry), ApiError> {
    let name = repository.strip_suffix(".git").ok_or_else(ApiError::no_such_path)?;
    let token = auth::token(headers).ok_or_else(ApiError::unauthorized)?;
    let entry = door.control.authenticate(&token).await?;
    // Who pushes or reads code gets at config vars too: builds see them.
    if !entry.authorization.scopes.allow(Scope::WriteProtected) {
        let message = "This token may not be used for git; make one with the scope write-protected or global.";
        return Err(ApiError::forbidden(message));
    }
    Ok((door.control.app(&entry.account, name, RIGHT).await?, entry))
}

async fn exchange(
    door: &Door,
    app: &Authorized<App>,
    word: &str,
    ticket: Option<Ticket>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    // A browser can be made to post a form with the credentials that it keeps, but never with this type.
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind != Some(&format!("application/x-{word}-request")) {
        return Err(unsupported("This address is for git; clone or push to it.").into());
    }
    let body = StreamReader::new(plain(headers, body)?);
    let Ok(service) = word.parse() else { return Err(ApiError::no_such_path().into()) };
    let token = ticket.as_ref().map(Ticket::token);
    let output = push::repositories(&door.control).rpc(app.id, service, protocol(headers), token, body).await;
    let mut output = output.map_err(|error| unavailable(&error))?;
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    // A task of its own: a client that leaves must not take its push along, so the ticket stays until git has ended.
    tokio::spawn(async move {
        let mut client = Some(sender);
        while let Some(chunk) = output.chunk().await {
            if let Some(sender) = &client
                && sender.send(chunk).await.is_err()
            {
                client = None;
                if ticket.is_none() {
                    break;
                }
            }
        }
        drop(ticket);
    });
    Ok(answer(Body::from_stream(ReceiverStream::new(receiver)), &format!("application/x-{word}-result")))
}

/// The body as git meant it.
fn plain(headers: &HeaderMap, body: Body) -> Result<BoxStream<'static, io::Result<Bytes>>, ApiError> {
    let sent = body.into_data_stream().map_err(io::Error::other);
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(sent.boxed()),
        Some(b"gzip" | b"x-gzip") => Ok(gzip::unpack(sent).boxed()),
        Some(_) => Err(unsupported("Send the request body plain or with Content-Encoding: gzip.")),
    }
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get("git-protocol").and_then(|value| value.to_str().ok())
}

fn answer(body: Body, kind: &str) -> Response {
    let mut response = Response::new(body);
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn unsupported(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}

/// git itself cannot be started, or too many of it run: both pass.
fn unavailable(error: &dyn std::error::Error) -> ApiError {
    tracing::warn!(%error, "git could not serve a request");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", error)
}
