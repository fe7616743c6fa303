//! `/apps/{app}/router-metrics/status` and `/apps/{app}/router-metrics/latency`: requests by hour; a service beside the platform's
//! API (`api.metrics`), answered at the same place.

use crate::error::ApiError;
use crate::error_count::Wish;
use crate::platform::ForApp;
use axum::Json;
use axum::extract::{Query, State};
use control::traffic::TrafficByHour;
use control::{Control, traffic};
use model::latency::Latency;
use serde::Serialize;
use std::collections::BTreeMap;

/// Requests by hour and status.
#[derive(Debug, Serialize)]
pub(crate) struct StatusView {
    start_time: String,
    end_time: String,
    step: &'static str,
    /// One number for each hour, by status; only statuses that there were.
    data: BTreeMap<String, Vec<u64>>,
}

/// Times of requests by hour.
#[derive(Debug, Serialize)]
pub(crate) struct LatencyView {
    start_time: String,
    end_time: String,
    step: &'static str,
    /// The beginning of each hour that had requests: of the others nothing can be said.
    hours: Vec<String>,
    /// One number for each of `hours`, in milliseconds.
    data: BTreeMap<&'static str, Vec<u64>>,
    /// The same of all hours together; nothing without requests.
    total: BTreeMap<&'static str, u64>,
}

const STEP: &str = "1h";

/// GET /apps/{app}/router-metrics/status - its requests by hour and status: `?start_time=&end_time=`, of the last seven days.
pub(crate) async fn statuses(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Query(wish): Query<Wish>,
) -> Result<Json<StatusView>, ApiError> {
    let period = wish.period(control.now())?;
    let counted = traffic::of_app(&control, &app, period).await.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(StatusView {
        start_time: counted.from.rfc3339(),
        end_time: counted.to.rfc3339(),
        step: STEP,
        data: by_status(&counted),
    }))
}

fn by_status(counted: &TrafficByHour) -> BTreeMap<String, Vec<u64>> {
    let mut data: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (nth, traffic) in counted.hours.values().enumerate() {
        for (status, count) in traffic.statuses.iter() {
            let counts = data.entry(status.to_string()).or_insert_with(|| vec![0; counted.hours.len()]);
            if let Some(cell) = counts.get_mut(nth) {
                *cell = count;
            }
        }
    }
    data
}

/// GET /apps/{app}/router-metrics/latency - how long its requests took, by hour: `?start_time=&end_time=`, of the last seven days.
pub(crate) async fn latency(
    State(control): State<Control>,
    ForApp(app): ForApp,
    Query(wish): Query<Wish>,
) -> Result<Json<LatencyView>, ApiError> {
    let period = wish.period(control.now())?;
    let counted = traffic::of_app(&control, &app, period).await.map_err(|error| ApiError::internal(&error))?;
    let (mut hours, mut all) = (Vec::new(), Latency::default());
    let mut data: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    for (hour, traffic) in counted.hours.iter().filter(|(_, traffic)| traffic.latency.count() > 0) {
        hours.push(hour.rfc3339());
        figures(&traffic.latency).for_each(|(name, took_ms)| data.entry(name).or_default().push(took_ms));
        all.merge(&traffic.latency);
    }
    Ok(Json(LatencyView {
        start_time: counted.from.rfc3339(),
        end_time: counted.to.rfc3339(),
        step: STEP,
        hours,
        data,
        total: figures(&all).collect(),
    }))
}

/// What is told of times, in milliseconds; nothing of none.
fn figures(latency: &Latency) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    let percentiles = [("latency.ms.p50", 50), ("latency.ms.p95", 95), ("latency.ms.p99", 99)];
    let told = percentiles.into_iter().filter_map(|(name, percent)| Some((name, latency.percentile_ms(percent)?)));
    told.chain((latency.count() > 0).then_some(("latency.ms.max", latency.longest_ms)))
}
