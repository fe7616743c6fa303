//! `/pipelines/{pipeline}/test-gate`: is what is pushed to its apps tested before it is built?

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::ForPipeline;
use crate::views::test_run::{TestGateView, UpdateTestGate};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::test_gate;

/// GET /pipelines/{pipeline}/test-gate - whether pushes to its apps are tested first, and how long tests may take.
pub(crate) async fn show(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
) -> Result<Json<TestGateView>, ApiError> {
    Ok(Json(test_gate::show(&control, &pipeline).await?.into()))
}

/// PATCH /pipelines/{pipeline}/test-gate - for the next push on; what is not said stays.
pub(crate) async fn update(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    JsonBody(body): JsonBody<UpdateTestGate>,
) -> Result<Json<TestGateView>, ApiError> {
    Ok(Json(test_gate::update(&control, &pipeline, body.enabled, body.time_limit_s).await?.into()))
}
