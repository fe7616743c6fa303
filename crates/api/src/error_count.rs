//! `/apps/{app}/router-metrics/errors` and `/apps/{app}/formation/{type}/metrics/errors`: errors by hour; a service beside the
//! platform's API (`api.metrics`), answered at the same place.

use crate::error::ApiError;
use crate::platform::ForApp;
use axum::Json;
use axum::extract::{Path, Query, State};
use control::gate::Authorized;
use control::{Control, error_count};
use model::app::App;
use model::error_count::{ErrorPlace, HOUR};
use model::procfile::BadProcessType;
use model::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What may follow the path.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    /// `2026-01-02T03:04:05Z`; left out: a day ago.
    start_time: Option<String>,
    /// The same; left out: now.
    end_time: Option<String>,
    /// Nothing but `1h`.
    step: Option<String>,
}

impl Wish {
    /// From when to when.
    pub(crate) fn period(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
        let moment = |name: &str, text: &Option<String>| {
            let how = "must be a time such as 2026-01-02T03:04:05Z";
            let read = |text| Timestamp::parse(text).ok_or_else(|| ApiError::invalid_params(format!("{name} {how}")));
            text.as_deref().map(read).transpose()
        };
        let to = moment("end_time", &self.end_time)?.unwrap_or(now);
        let from = moment("start_time", &self.start_time)?.unwrap_or_else(|| to.minus(DAY));
        if from > to {
            return Err(ApiError::invalid_params("start_time must lie before end_time"));
        }
        if self.step.as_deref().is_some_and(|step| step != "1h") {
            return Err(ApiError::invalid_params("step must be 1h: all is counted by the hour"));
        }
        Ok((from, to))
    }
}

/// Errors by hour.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorCountView {
    start_time: String,
    end_time: String,
    step: String,
    /// One number for each hour, by code; only codes that were met.
    data: BTreeMap<String, Vec<u64>>,
}

/// GET /apps/{app}/router-metrics/errors - what its requests met, by hour: `?start_time=&end_time=`, of the last seven days.
pub(crate) async fn of_router(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Query(wish): Query<Wish>,
) -> Result<Json<ErrorCountView>, ApiError> {
    answer(&control, &app, &ErrorPlace::Router, &wish).await
}

/// GET /apps/{app}/formation/{type}/metrics/errors - what its dynos of this type met, by hour: `?start_time=&end_time=`, of the
/// last seven days.
pub(crate) async fn of_dynos(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Path((_, process_type)): Path<(String, String)>,
    Query(wish): Query<Wish>,
) -> Result<Json<ErrorCountView>, ApiError> {
    let bad = |error: BadProcessType| ApiError::bad_request(format!("invalid process_type provided: {error}"));
    answer(&control, &app, &ErrorPlace::Dynos(process_type.parse().map_err(bad)?), &wish).await
}

async fn answer(
    control: &Control,
    app: &Authorized<App>,
    place: &ErrorPlace,
    wish: &Wish,
) -> Result<Json<ErrorCountView>, ApiError> {
    let counts = error_count::of_app(control, app, place, wish.period(control.now())?).await;
    let counts = counts.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(ErrorCountView {
        start_time: counts.from.rfc3339(),
        end_time: counts.to.rfc3339(),
        step: format!("{}h", HOUR.as_secs() / 3600),
        data: counts.by_code.into_iter().map(|(code, counts)| (code.to_string(), counts)).collect(),
    }))
}
