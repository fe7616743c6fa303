//! `/apps/{app}/verifications` and `/apps/{app}/verify`: checks of releases on the running server. Extensions.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::output;
use crate::platform::{ForApp, ForPipeline};
use crate::range::{Field, Key};
use crate::views::verification::{ArtifactView, SettingView, TermsView, UpdateTerms, VerificationView};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use control::Control;
use control::verification::{self, VerificationDetail};
use control::verify_terms;
use model::id::VerificationId;
use model::test_report::ReportKind;

const FIELDS: &[Field<VerificationDetail>] = &[
    ("number", |detail| Key::Number(detail.verification.number)),
    ("id", |detail| Key::Text(detail.verification.id.to_string())),
];

/// GET /apps/{app}/verifications - by number, ascending.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    range: Ranged,
) -> Result<Response, ApiError> {
    let details = verification::list(&control, &app).await?;
    range.answer(details, FIELDS, |detail| VerificationView::new(&app, detail, &links))
}

/// POST /apps/{app}/verifications - checks the current release once more; 409 while one is checked.
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
) -> Result<Created<VerificationView>, ApiError> {
    let detail = verification::run(&control, &app).await?;
    Ok(Created(VerificationView::new(&app, &detail, &links)))
}

/// GET /apps/{app}/verifications/{verification} - by number or id.
pub(crate) async fn show(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    links: Links,
) -> Result<Json<VerificationView>, ApiError> {
    let detail = verification::find(&control, &app, &which).await?;
    Ok(Json(VerificationView::new(&app, &detail, &links)))
}

/// POST /apps/{app}/verifications/{verification}/actions/stop - it comes out cancelled; 409 when it is over.
pub(crate) async fn stop(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    links: Links,
) -> Result<Json<VerificationView>, ApiError> {
    let detail = verification::stop(&control, &app, &which).await?;
    Ok(Json(VerificationView::new(&app, &detail, &links)))
}

/// GET /apps/{app}/verifications/{verification}/artifacts - JUnit, TAP, screenshots and whatever else it left to be kept.
pub(crate) async fn artifacts(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    links: Links,
) -> Result<Json<Vec<ArtifactView>>, ApiError> {
    let (check, artifacts) = verification::artifacts(&control, &app, &which).await?;
    Ok(Json(artifacts.iter().map(|artifact| ArtifactView::new(&check, artifact, &links)).collect()))
}

/// GET /blobs/verifications/{verification}/{artifact}/{secret} - the file itself, to be saved.
pub(crate) async fn artifact(
    State(control): State<Control>,
    Path((id, number, secret)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("artifact");
    let (id, number) = (id.parse().map_err(|_| missing())?, number.parse().map_err(|_| missing())?);
    let (artifact, contents) = verification::artifact(&control, (id, &secret), number).await?;
    let kind = match artifact.kind {
        ReportKind::Junit(_) | ReportKind::Tap(_) => "text/plain; charset=utf-8",
        ReportKind::Screenshot | ReportKind::Other => "application/octet-stream",
    };
    // What an app's tests wrote is never shown as a page of this server.
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, contents).into_response())
}

/// GET /apps/{app}/verify - stage, policy and time limit of its next check.
pub(crate) async fn terms(State(control): State<Control>, ForApp(app): ForApp) -> Result<Json<TermsView>, ApiError> {
    Ok(Json(verify_terms::of_app(&control, &app).await?.into()))
}

/// PATCH /apps/{app}/verify - `policy` (alarm, hold, rollback) and `timeout` in seconds; null for what holds without.
pub(crate) async fn update_terms(
    State(control): State<Control>,
    ForApp(app): ForApp,
    JsonBody(body): JsonBody<UpdateTerms>,
) -> Result<Json<TermsView>, ApiError> {
    Ok(Json(verify_terms::set_of_app(&control, &app, body.into()).await?.into()))
}

/// GET /pipelines/{pipeline}/stage/{stage}/verify - what holds for apps of this stage that say nothing themselves.
pub(crate) async fn of_stage(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
) -> Result<Json<SettingView>, ApiError> {
    Ok(Json((&verify_terms::of_stage(&control, &pipeline, &stage).await?).into()))
}

/// PATCH /pipelines/{pipeline}/stage/{stage}/verify - `policy` and `timeout` of its apps; null for nothing.
pub(crate) async fn update_of_stage(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, stage)): Path<(String, String)>,
    JsonBody(body): JsonBody<UpdateTerms>,
) -> Result<Json<SettingView>, ApiError> {
    Ok(Json((&verify_terms::set_of_stage(&control, &pipeline, &stage, body.into()).await?).into()))
}

/// GET /streams/verifications/{verification}/{secret} - what its command prints, to the end.
pub(crate) async fn stream(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: VerificationId = id.parse().map_err(|_| ApiError::not_found("verification"))?;
    let reader = verification::output(&control, id, &secret).await?;
    output::follow(&headers, reader)
}
