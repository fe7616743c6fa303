//! `/v2/{app}/{type}`: the registry that images are pushed to and pulled from, as the OCI distribution specification 1.1 has it.

use crate::audit;
use crate::auth;
use crate::blob;
use crate::door::Door;
use crate::error::ApiError;
use crate::platform::{self, ForApp};
use crate::registry_error::RegistryError;
use crate::routes::{Access, Route};
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, RawPathParams, Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use control::Control;
use control::gate::Authorized;
use control::image::{self, ImageError, Reference, StoredManifest};
use control::image_push;
use control::image_upload::{self, BLOB_LIMIT_BYTES, Place};
use control::objects::{ObjectError, Upload};
use control::second_factor;
use futures_util::TryStreamExt;
use model::app::App;
use model::id::ImageUploadId;
use model::image::Digest;
use model::image::manifest::MANIFEST_LIMIT_BYTES;
use model::procfile::ProcessType;
use serde::{Deserialize, Serialize};
use serde_json::json;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Wraps a handler, as the Platform API's are (`platform.rs`), but with what registries differ in: any `Accept`, errors of their own
/// form, Basic asked for where nobody came with a token. Nothing is taken of the rate limit, as with git: a push is as many requests as
/// it has layers, and its limits are bytes and uploads at the same time.
pub(crate) async fn wrap(
    State((door, route)): State<(Door, &'static Route)>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = enter(&door, route, request, next).await.unwrap_or_else(RegistryError::into_response);
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    answer
}

async fn enter(door: &Door, route: &'static Route, request: Request, next: Next) -> Result<Response, RegistryError> {
    let (mut parts, body) = request.into_parts();
    let token = auth::token(&parts.headers).ok_or_else(ApiError::unauthorized)?;
    let entry = door.control.authenticate(&token).await.map_err(ApiError::from)?;
    if !entry.authorization.scopes.allow(route.scope()) {
        return Err(platform::lacks_scope(&entry, route).into());
    }
    let Access::Repository(right) = route.access else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let params = RawPathParams::from_request_parts(&mut parts, &()).await.map_err(|_| ApiError::not_found("app"))?;
    let name = params.iter().find(|(name, _)| *name == "app").map(|(_, name)| name.to_owned()).unwrap_or_default();
    let app = door.control.app(&entry.account, &name, right).await.map_err(ApiError::from)?;
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    if !reads {
        second_factor::ask(&door.control, &app, &entry, None).await.map_err(ApiError::from)?;
    }
    parts.extensions.insert(platform::Caller(entry.account));
    parts.extensions.insert(ForApp(app));
    // What is pushed is known by its manifest: one record of a push, not one of each layer.
    let told = (!reads && route.path.contains("/manifests/")).then(|| audit::change(route, &parts)).flatten();
    let Some(change) = told else { return Ok(next.run(Request::from_parts(parts, body)).await) };
    audit::asked(door, &change).await?;
    let answer = next.run(Request::from_parts(parts, body)).await;
    let digest = answer.headers().get(CONTENT_DIGEST).and_then(|digest| digest.to_str().ok());
    let content = json!({ "before": null, "after": digest }).to_string();
    audit::answered(door, &change, answer.status(), content).await;
    Ok(answer)
}

/// The repository in the path.
pub(crate) struct Repository {
    app: Authorized<App>,
    process_type: ProcessType,
    /// As the client wrote it.
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Repository {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RegistryError> {
        let ForApp(app) = ForApp::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::no_such_path())?;
        let param = |wanted: &str| params.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
        let process_type: ProcessType = param("type").parse().map_err(ImageError::from)?;
        let path = format!("/v2/{}/{process_type}", param("app"));
        Ok(Self { app, process_type, path })
    }
}

impl Repository {
    fn upload(&self, id: ImageUploadId) -> Place<'_> {
        Place { app: &self.app, process_type: &self.process_type, id }
    }
}

type Answered = Result<Response, RegistryError>;

/// GET /v2/ - whether a token is good.
pub(crate) async fn base() -> Json<serde_json::Value> {
    Json(json!({}))
}

/// GET /v2/{app}/{type}/blobs/{digest} - its bytes; with HEAD, whether it is there.
pub(crate) async fn blob(
    State(control): State<Control>,
    method: Method,
    repository: Repository,
    Path((_, _, digest)): Path<(String, String, String)>,
) -> Answered {
    let digest: Digest = digest.parse().map_err(ImageError::from)?;
    let (size, mut answer) = if method == Method::HEAD {
        (image::blob_size(&control, &repository.app, &digest).await?, Response::new(Body::empty()))
    } else {
        let (size, bytes) = image::blob(&control, &repository.app, &digest).await?;
        (size, blob::outgoing(bytes))
    };
    put(&mut answer, CONTENT_TYPE, "application/octet-stream");
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    put(&mut answer, CONTENT_DIGEST, digest.as_str());
    Ok(answer)
}

#[derive(Deserialize)]
pub(crate) struct Begin {
    mount: Option<String>,
    from: Option<String>,
    digest: Option<String>,
}

/// POST /v2/{app}/{type}/blobs/uploads/ - 202 with where to send a blob; 201 where `mount` names one of another app that the caller sees, or
/// the whole blob came with it.
pub(crate) async fn begin(
    State(control): State<Control>,
    repository: Repository,
    Query(query): Query<Begin>,
    body: Body,
) -> Answered {
    if let (Some(digest), Some(from)) = (&query.mount, &query.from) {
        let digest: Digest = digest.parse().map_err(ImageError::from)?;
        let app = from.split('/').next().unwrap_or_default();
        if image::mount(&control, &repository.app, app, &digest).await? {
            return Ok(stored(&repository, &digest));
        }
    }
    let digest: Option<Digest> = query.digest.map(|digest| digest.parse()).transpose().map_err(ImageError::from)?;
    let id = image_upload::begin(&control, &repository.app, &repository.process_type).await?;
    let Some(digest) = digest else { return Ok(goes_on(StatusCode::ACCEPTED, &repository, id, 0)) };
    let whole = incoming(body)?;
    image_upload::finish(&control, repository.upload(id), None, &digest, whole).await?;
    Ok(stored(&repository, &digest))
}

/// GET /v2/{app}/{type}/blobs/uploads/{upload} - 204; `Range` says how much of it has come.
pub(crate) async fn progress(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, upload)): Path<(String, String, String)>,
) -> Answered {
    let id = parse(&upload)?;
    let size = image_upload::size(&control, repository.upload(id))?;
    Ok(goes_on(StatusCode::NO_CONTENT, &repository, id, size))
}

/// PATCH /v2/{app}/{type}/blobs/uploads/{upload} - 202; the next bytes of it.
pub(crate) async fn append(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, upload)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let id = parse(&upload)?;
    let part = incoming(body)?;
    let size = image_upload::append(&control, repository.upload(id), begins(&headers)?, part).await?;
    Ok(goes_on(StatusCode::ACCEPTED, &repository, id, size))
}

#[derive(Deserialize)]
pub(crate) struct Finish {
    digest: Option<String>,
}

/// PUT /v2/{app}/{type}/blobs/uploads/{upload}?digest=… - 201; the last bytes of it, and what all of them must be.
pub(crate) async fn finish(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, upload)): Path<(String, String, String)>,
    Query(query): Query<Finish>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let digest: Digest = query.digest.unwrap_or_default().parse().map_err(ImageError::from)?;
    let (place, rest) = (repository.upload(parse(&upload)?), incoming(body)?);
    image_upload::finish(&control, place, begins(&headers)?, &digest, rest).await?;
    Ok(stored(&repository, &digest))
}

/// DELETE /v2/{app}/{type}/blobs/uploads/{upload} - 204; it is not wanted any more.
pub(crate) async fn cancel(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, upload)): Path<(String, String, String)>,
) -> Answered {
    image_upload::cancel(&control, repository.upload(parse(&upload)?))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// GET /v2/{app}/{type}/manifests/{reference} - by tag or digest. A client that takes no index gets the manifest for this machine.
pub(crate) async fn manifest(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, reference)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answered {
    let reference: Reference = reference.parse()?;
    let accepts: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let indexes = image::takes_indexes(&accepts.join(","));
    let found = image::manifest(&control, &repository.app, &repository.process_type, &reference, indexes).await?;
    let mut answer = Response::new(Body::from(found.content));
    put(&mut answer, CONTENT_TYPE, found.media_type.word());
    put(&mut answer, CONTENT_DIGEST, found.digest.as_str());
    Ok(answer)
}

/// PUT /v2/{app}/{type}/manifests/{reference} - 201; the image is pushed. `PATCH /apps/{app}/formation` releases it.
pub(crate) async fn put_manifest(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, reference)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let reference: Reference = reference.parse()?;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let bytes = whole(body).await?;
    let Repository { app, process_type, path } = &repository;
    let made: StoredManifest = image_push::put(&control, app, process_type, &reference, &kind, &bytes).await?;
    let mut answer = StatusCode::CREATED.into_response();
    put(&mut answer, LOCATION, &format!("{path}/manifests/{}", made.digest));
    put(&mut answer, CONTENT_DIGEST, made.digest.as_str());
    Ok(answer)
}

/// DELETE /v2/{app}/{type}/manifests/{reference} - 202; a tag, or a manifest with all of its tags. What is released runs on.
pub(crate) async fn delete_manifest(
    State(control): State<Control>,
    repository: Repository,
    Path((_, _, reference)): Path<(String, String, String)>,
) -> Answered {
    let Repository { app, process_type, .. } = &repository;
    image::delete_manifest(&control, app, process_type, &reference.parse()?).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(Deserialize)]
pub(crate) struct Page {
    n: Option<usize>,
    last: Option<String>,
}

#[derive(Serialize)]
struct Tags {
    name: String,
    tags: Vec<String>,
}

/// GET /v2/{app}/{type}/tags/list - in alphabetical order; `n` and `last` page through them.
pub(crate) async fn tags(State(control): State<Control>, repository: Repository, Query(page): Query<Page>) -> Answered {
    let all = image::tags(&control, &repository.app, &repository.process_type).await?;
    let after = all.into_iter().filter(|tag| page.last.as_ref().is_none_or(|last| tag > last));
    let tags = after.take(page.n.unwrap_or(usize::MAX)).collect();
    let name = repository.path.trim_start_matches("/v2/").to_owned();
    Ok(Json(Tags { name, tags }).into_response())
}

/// Where a blob is now.
fn stored(repository: &Repository, digest: &Digest) -> Response {
    let mut answer = StatusCode::CREATED.into_response();
    put(&mut answer, LOCATION, &format!("{}/blobs/{digest}", repository.path));
    put(&mut answer, CONTENT_DIGEST, digest.as_str());
    answer
}

/// Where the next bytes of an upload go, and how many have come.
fn goes_on(status: StatusCode, repository: &Repository, id: ImageUploadId, size: u64) -> Response {
    let mut answer = status.into_response();
    put(&mut answer, LOCATION, &format!("{}/blobs/uploads/{id}", repository.path));
    put(&mut answer, RANGE, &format!("0-{}", size.saturating_sub(1)));
    put(&mut answer, UPLOAD_UUID, &id.to_string());
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    answer
}

fn put(answer: &mut Response, name: HeaderName, value: &str) {
    // Digests, ids and names of apps: all of them plain.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

fn parse(upload: &str) -> Result<ImageUploadId, RegistryError> {
    Ok(upload.parse().map_err(|_| image_upload::UploadError::NoSuchUpload)?)
}

fn incoming(body: Body) -> Result<Upload, RegistryError> {
    Ok(blob::incoming(body, BLOB_LIMIT_BYTES)?)
}

/// Where a part begins, where the client says so: `Content-Range: 0-99`.
fn begins(headers: &HeaderMap) -> Result<Option<u64>, RegistryError> {
    let Some(range) = headers.get(CONTENT_RANGE) else { return Ok(None) };
    let range = range.to_str().unwrap_or_default();
    let range = range.strip_prefix("bytes").map_or(range, |rest| rest.trim_start_matches([' ', '=']));
    let begin = range.split_once('-').and_then(|(begin, _)| begin.trim().parse().ok());
    begin.map(Some).ok_or_else(|| RegistryError::range("Content-Range must look like 0-99"))
}

async fn whole(body: Body) -> Result<Vec<u8>, RegistryError> {
    let limit = MANIFEST_LIMIT_BYTES as u64;
    let mut stream = blob::incoming(body, limit).map_err(|_| ImageError::LargeManifest)?.body;
    let mut all = Vec::new();
    while let Some(chunk) = stream.try_next().await.map_err(|why| ImageError::Object(ObjectError::BrokeOff(why)))? {
        if all.len() + chunk.len() > MANIFEST_LIMIT_BYTES {
            return Err(ImageError::LargeManifest.into());
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_begins() {
        let of = |range: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, HeaderValue::from_static(range));
            begins(&headers).ok().flatten()
        };
        assert_eq!([of("0-99"), of("100-199"), of("bytes 7-9/*"), of("bytes=8-9")], [0, 100, 7, 8].map(Some));
        assert_eq!([of("x"), of("-5"), of("")], [None; 3]);
        assert!(matches!(begins(&HeaderMap::new()), Ok(None)));
    }
}
