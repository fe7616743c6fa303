//! `/apps/{app}/deployments`, `/pipelines/{pipeline}/deployments` and their figures, as JSON and as CSV. docs/metrics.md defines every word of them.

use crate::error::ApiError;
use crate::platform::{ForApp, ForPipeline};
use crate::views::deployment::{DeploymentView, ReportView, csv};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use control::Control;
use control::deployment::{self, Asked};
use model::time::{DAY, Timestamp};
use serde::Deserialize;
use std::time::Duration;

/// What may follow the path.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    /// `2026-01-02T00:00:00Z` or `2026-01-02`.
    from: Option<String>,
    /// The same.
    to: Option<String>,
    /// `day` or `week`.
    every: Option<String>,
    /// Seconds.
    hotfix_within_s: Option<String>,
    /// `json` or `csv`.
    format: Option<String>,
}

impl Wish {
    fn asked(&self) -> Result<Asked, ApiError> {
        let bad = |what: &str, how: &str| ApiError::invalid_params(format!("{what} must be {how}"));
        let moment = |name: &str, text: &Option<String>| {
            let read =
                |text: &String| Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
            let how = "a day such as 2026-01-02 or a time such as 2026-01-02T03:04:05Z";
            text.as_ref().map(|text| read(text).ok_or_else(|| bad(name, how))).transpose()
        };
        let every = match self.every.as_deref() {
            None => None,
            Some("day") => Some(DAY),
            Some("week") => Some(7 * DAY),
            Some(_) => return Err(bad("every", "day or week")),
        };
        let seconds = |text: &String| text.parse().map_err(|_| bad("hotfix_within_s", "a number of seconds"));
        let hotfix_within = self.hotfix_within_s.as_ref().map(seconds).transpose()?.map(Duration::from_secs);
        Ok(Asked { from: moment("from", &self.from)?, to: moment("to", &self.to)?, every, hotfix_within })
    }

    fn is_csv(&self) -> Result<bool, ApiError> {
        match self.format.as_deref() {
            None | Some("json") => Ok(false),
            Some("csv") => Ok(true),
            Some(_) => Err(ApiError::invalid_params("format must be json or csv")),
        }
    }
}

/// GET /apps/{app}/deployments - what went live in `?from=&to=`, with the wait and the work of each step.
pub(crate) async fn list(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Query(wish): Query<Wish>,
) -> Result<Json<Vec<DeploymentView>>, ApiError> {
    let report = deployment::of_app(&control, &app, wish.asked()?).await?;
    Ok(Json(report.deployments.iter().map(DeploymentView::from).collect()))
}

/// GET /apps/{app}/deployments/metrics - lead time, frequency, change failure rate and time to restore of `?from=&to=`, also
/// `&every=day` or `week`; as CSV with `&format=csv`.
pub(crate) async fn metrics(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Query(wish): Query<Wish>,
) -> Result<Response, ApiError> {
    answer(&deployment::of_app(&control, &app, wish.asked()?).await?, wish.is_csv()?)
}

/// GET /pipelines/{pipeline}/deployments - what went live in its production, of the apps that one sees.
pub(crate) async fn list_of_pipeline(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Query(wish): Query<Wish>,
) -> Result<Json<Vec<DeploymentView>>, ApiError> {
    let report = deployment::seen_of_pipeline(&control, &pipeline, wish.asked()?).await?;
    Ok(Json(report.deployments.iter().map(DeploymentView::from).collect()))
}

/// GET /pipelines/{pipeline}/deployments/metrics - the same figures of its apps in production, together.
pub(crate) async fn metrics_of_pipeline(
    State(control): State<Control>,
    ForPipeline(pipeline): ForPipeline,
    Query(wish): Query<Wish>,
) -> Result<Response, ApiError> {
    answer(&deployment::of_pipeline(&control, &pipeline, wish.asked()?).await?, wish.is_csv()?)
}

fn answer(report: &deployment::Report, as_csv: bool) -> Result<Response, ApiError> {
    if as_csv {
        return Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], csv(report)).into_response());
    }
    Ok(Json(ReportView::from(report)).into_response())
}
