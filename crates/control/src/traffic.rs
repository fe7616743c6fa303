//! Requests of apps by hour: counted in memory as the router's lines pass, written from time to time. What was counted since the
//! last writing is lost when the server is killed; the lines themselves are in the log.

use crate::Control;
use crate::error_count::kept_since;
use crate::gate::Authorized;
use model::app::App;
use model::error_count::{hour, hours};
use model::id::AppId;
use model::time::Timestamp;
use model::traffic::{Request, Traffic};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use store::StoreError;

/// Hours of apps that wait to be written, about a kibibyte each; requests beyond it are in the log only.
const HOURS_LIMIT: usize = 4_000;

type Hours = BTreeMap<(AppId, Timestamp), Traffic>;

/// What was counted and is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    hours: Mutex<Hours>,
    /// Held from taking what was counted until it is written: who reads meanwhile would find it nowhere.
    writing: tokio::sync::Mutex<()>,
}

impl Tally {
    /// Counts a request.
    fn note(&self, app: AppId, at: Timestamp, request: Request) {
        self.on_hour((app, hour(at)), |traffic| traffic.note(request));
    }

    fn on_hour(&self, key: (AppId, Timestamp), change: impl FnOnce(&mut Traffic)) {
        let mut hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(traffic) = hours.get_mut(&key) {
            change(traffic);
        } else if hours.len() < HOURS_LIMIT {
            change(hours.entry(key).or_default());
        }
    }

    fn take(&self) -> Hours {
        std::mem::take(&mut *self.hours.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is not written of an app.
    fn of_app(&self, app: AppId, (first, last): (Timestamp, Timestamp)) -> Vec<(Timestamp, Traffic)> {
        let hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        hours.range((app, first)..=(app, last)).map(|((_, hour), traffic)| (*hour, traffic.clone())).collect()
    }
}

/// The router tells of a request.
pub(crate) fn note(control: &Control, app: AppId, at: Timestamp, text: &str) {
    if let Some(request) = Request::of_line(text) {
        control.counters.traffic.note(app, at, request);
        control.counters.autoscaler.note(app, at, request);
    }
}

/// Writes what is counted by now; what cannot be written waits for the next time.
pub(crate) async fn write_or_warn(control: &Control) {
    if let Err(error) = write(control).await {
        tracing::warn!(%error, "How many requests apps had since the last minute is not written");
    }
}

async fn write(control: &Control) -> Result<(), StoreError> {
    let tally = &control.counters.traffic;
    let _writing = tally.writing.lock().await;
    let counted = tally.take();
    if counted.is_empty() {
        return Ok(());
    }
    let written = write_all(control, &counted).await;
    if written.is_err() {
        counted.into_iter().for_each(|(key, more)| tally.on_hour(key, |traffic| traffic.merge(&more)));
    }
    written
}

async fn write_all(control: &Control, counted: &Hours) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    for ((app, hour), traffic) in counted {
        store::traffic::add(&mut tx, *app, *hour, traffic).await?;
    }
    store::traffic::forget_before(&mut tx, kept_since(control.now())).await?;
    tx.commit().await
}

/// Requests of some hours.
#[derive(Debug, PartialEq, Eq)]
pub struct TrafficByHour {
    /// The beginning of the first hour.
    pub from: Timestamp,
    /// The end of what was asked for.
    pub to: Timestamp,
    /// Each hour, also those without requests.
    pub hours: BTreeMap<Timestamp, Traffic>,
}

/// The requests of an app from `from` to `to`; at most as far back as they are kept, and not beyond now.
///
/// # Errors
/// When the database fails.
pub async fn of_app(
    control: &Control,
    app: &Authorized<App>,
    (from, to): (Timestamp, Timestamp),
) -> Result<TrafficByHour, StoreError> {
    write_or_warn(control).await;
    let now = control.now();
    let (from, to) = (hour(from.max(kept_since(now))), to.min(now));
    let mut by_hour: BTreeMap<Timestamp, Traffic> = hours(from, to).map(|hour| (hour, Traffic::default())).collect();
    let tally = &control.counters.traffic;
    let writing = tally.writing.lock().await;
    let mut parts = store::traffic::of_app(control.store.db(), app.id, (from, to)).await?;
    // A disk that is full takes nothing, but what could not be written counts.
    if from <= to {
        parts.extend(tally.of_app(app.id, (from, to)));
    }
    drop(writing);
    for (hour, traffic) in parts {
        by_hour.entry(hour).or_default().merge(&traffic);
    }
    Ok(TrafficByHour { from, to, hours: by_hour })
}
