//! `/test-runs` and `/pipelines/{pipeline}/test-runs`: ask for, list, show, cancel; nodes, cases, outputs.

use crate::answer::{Created, Ranged};
use crate::body::JsonBody;
use crate::door::Door;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{Caller, ForPipeline};
use crate::range::{Field, Key};
use crate::views::test_run::{CreateTestRun, TestCaseView, TestNodeView, TestRunView, UpdateTestRun};
use crate::{official, output};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::Control;
use control::test_run::{self, KeptCase, TestOutput, TestRunDetail};
use model::id::TestRunId;
use model::permission::Right;
use model::test_run::TestNode;
use tokio::time::Instant;

const FIELDS: &[Field<TestRunDetail>] = &[
    ("number", |detail| Key::Number(detail.run.number)),
    ("id", |detail| Key::Text(detail.run.id.to_string())),
    ("created_at", |detail| Key::Number(detail.run.created_at.0)),
];

/// POST /test-runs - 201 with the run; its nodes say where its output is.
pub(crate) async fn create(
    State(control): State<Control>,
    Caller(who): Caller,
    JsonBody(body): JsonBody<CreateTestRun>,
) -> Result<Created<TestRunView>, ApiError> {
    let (pipeline, wanted) = body.into_parts();
    let pipeline = control.pipeline(&who, &pipeline, Right::Deploy).await?;
    let detail = test_run::create(&control, &pipeline, wanted).await?;
    Ok(Created((&detail).into()))
}

/// GET /pipelines/{pipeline}/test-runs - by number.
pub(crate) async fn list(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    range: Ranged,
) -> Result<Response, ApiError> {
    range.answer(test_run::list(&control, &pipeline).await?, FIELDS, |detail| TestRunView::from(detail))
}

/// GET /pipelines/{pipeline}/test-runs/{number} - the run with this number; the official command line, which asks again at
/// once, is answered when the state has changed, or after 2 s.
pub(crate) async fn by_number(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Path((_, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<TestRunView>, ApiError> {
    let number = number.parse().map_err(|_| ApiError::not_found("test_run"))?;
    let mut detail = test_run::by_number(&control, &pipeline, number).await?;
    let (before, until) = (detail.run.state.word(), Instant::now() + official::PATIENCE);
    let waits = official::asks(&headers) && !detail.run.state.is_over();
    while waits && detail.run.state.word() == before && Instant::now() < until {
        tokio::time::sleep(official::LOOK).await;
        detail = test_run::by_number(&control, &pipeline, number).await?;
    }
    Ok(Json((&detail).into()))
}

/// GET /test-runs/{test_run} - for whoever sees its pipeline.
pub(crate) async fn show(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<TestRunView>, ApiError> {
    Ok(Json((&test_run::find(&control, &who, parse(&id)?, Right::View).await?).into()))
}

/// PATCH /test-runs/{test_run} - `cancelled` ends one that is under way; there is no other status to ask for.
pub(crate) async fn update(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<UpdateTestRun>,
) -> Result<Json<TestRunView>, ApiError> {
    Ok(Json((&test_run::cancel(&control, &who, parse(&id)?, &body.status, &body.message).await?).into()))
}

const NODES: &[Field<(TestRunDetail, TestNode)>] =
    &[("index", |(_, node)| Key::Number(node.index)), ("id", |(_, node)| Key::Text(node.id.to_string()))];

/// GET /test-runs/{test_run}/test-nodes - with the addresses of their outputs, which are live while they run.
pub(crate) async fn nodes(
    State(door): State<Door>,
    Caller(who): Caller,
    Path(id): Path<String>,
    (links, headers): (Links, HeaderMap),
    range: Ranged,
) -> Result<Response, ApiError> {
    let (control, links) = (&door.control, official::links(&headers, links, &door));
    let detail = test_run::find(control, &who, parse(&id)?, Right::View).await?;
    let nodes = test_run::nodes(control, &detail.run).await?;
    let nodes = nodes.into_iter().map(|node| (detail.clone(), node)).collect();
    range.answer(nodes, NODES, |(detail, node)| TestNodeView::new(&detail.run, node, &links))
}

const CASES: &[Field<KeptCase>] =
    &[("number", |kept| Key::Number(kept.case.number)), ("id", |kept| Key::Text(kept.id.to_string()))];

/// GET /test-runs/{test_run}/test-cases - what its tests told in TAP; kept for 30 days.
pub(crate) async fn cases(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(id): Path<String>,
    range: Ranged,
) -> Result<Response, ApiError> {
    let detail = test_run::find(&control, &who, parse(&id)?, Right::View).await?;
    let cases = test_run::cases(&control, &detail.run).await?;
    range.answer(cases, CASES, |kept| TestCaseView::new(detail.run.id, kept))
}

/// GET /streams/test-setup/{test_node}/{secret} - what was printed before the tests; the address is the credential (CI-6).
pub(crate) async fn setup_stream(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    stream(&control, &id, &secret, &headers, TestOutput::Setup).await
}

/// GET /streams/test-output/{test_node}/{secret} - what the tests print, to the end (CI-6).
pub(crate) async fn output_stream(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    stream(&control, &id, &secret, &headers, TestOutput::Tests).await
}

async fn stream(
    control: &Control,
    id: &str,
    secret: &str,
    headers: &HeaderMap,
    which: TestOutput,
) -> Result<Response, ApiError> {
    let node = id.parse().map_err(|_| ApiError::not_found("test_node"))?;
    output::follow(headers, test_run::output(control, node, secret, which).await?)
}

fn parse(id: &str) -> Result<TestRunId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found("test_run"))
}
