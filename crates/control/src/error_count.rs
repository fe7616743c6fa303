//! Errors of apps by hour: counted in memory as their lines pass, written from time to time. What was counted since the last
//! writing is lost when the server is killed; the lines themselves are in the log.

use crate::Control;
use crate::gate::Authorized;
use model::app::App;
use model::error_count::{ErrorBucket, ErrorCode, ErrorPlace, KEPT, hour, hours};
use model::id::AppId;
use model::log::LogLine;
use model::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use store::StoreError;

/// Buckets that wait to be written; errors beyond it are in the log only.
const BUCKETS_LIMIT: usize = 10_000;

/// What was counted and is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<BTreeMap<ErrorBucket, u64>>,
    /// Held from taking the counts until they are written: who reads meanwhile would find them nowhere.
    writing: tokio::sync::Mutex<()>,
}

impl Tally {
    /// Counts a line, if it tells of an error.
    pub(crate) fn note(&self, app: AppId, line: &LogLine) {
        if let Some(bucket) = ErrorBucket::of_line(app, line) {
            self.add(bucket, 1);
        }
    }

    fn add(&self, bucket: ErrorBucket, count: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < BUCKETS_LIMIT || counts.contains_key(&bucket) {
            *counts.entry(bucket).or_default() += count;
        }
    }

    fn take(&self) -> BTreeMap<ErrorBucket, u64> {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what is counted by now; what cannot be written waits for the next time.
pub(crate) async fn write_or_warn(control: &Control) {
    if let Err(error) = write(control).await {
        tracing::warn!(%error, "How many errors apps met since the last minute is not written");
    }
}

async fn write(control: &Control) -> Result<(), StoreError> {
    let _writing = control.counters.errors.writing.lock().await;
    let counts = control.counters.errors.take();
    if counts.is_empty() {
        return Ok(());
    }
    let written = write_all(control, &counts).await;
    if written.is_err() {
        counts.into_iter().for_each(|(bucket, count)| control.counters.errors.add(bucket, count));
    }
    written
}

async fn write_all(control: &Control, counts: &BTreeMap<ErrorBucket, u64>) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    for (bucket, count) in counts {
        store::error_count::add(&mut tx, bucket, *count).await?;
    }
    store::error_count::forget_before(&mut tx, kept_since(control.now())).await?;
    tx.commit().await
}

/// The oldest hour that is kept, of errors and of requests.
pub(crate) fn kept_since(now: Timestamp) -> Timestamp {
    hour(now.minus(KEPT))
}

/// Errors of some hours.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorCounts {
    /// The beginning of the first hour.
    pub from: Timestamp,
    /// The end of what was asked for.
    pub to: Timestamp,
    /// One number for each hour, by code; only codes that were met.
    pub by_code: BTreeMap<ErrorCode, Vec<u64>>,
}

/// The errors of an app at one place, from `from` to `to`; at most as far back as counts are kept, and not beyond now.
///
/// # Errors
/// When the database fails.
pub async fn of_app(
    control: &Control,
    app: &Authorized<App>,
    place: &ErrorPlace,
    (from, to): (Timestamp, Timestamp),
) -> Result<ErrorCounts, StoreError> {
    // A disk that is full takes nothing, but what it has can be read.
    write_or_warn(control).await;
    let now = control.now();
    let (from, to) = (hour(from.max(kept_since(now))), to.min(now));
    let hours: Vec<Timestamp> = hours(from, to).collect();
    let mut by_code: BTreeMap<ErrorCode, Vec<u64>> = BTreeMap::new();
    for (code, hour, count) in store::error_count::of_place(control.store.db(), app.id, place, (from, to)).await? {
        let counts = by_code.entry(code).or_insert_with(|| vec![0; hours.len()]);
        if let Some(cell) = hours.binary_search(&hour).ok().and_then(|nth| counts.get_mut(nth)) {
            *cell = count;
        }
    }
    Ok(ErrorCounts { from, to, by_code })
}
