//! Monitors as people handle them: what scales the web dynos of an app.

use crate::gate::Authorized;
use crate::{Control, journal};
use model::app::App;
use model::formation::FormationError;
use model::id::MonitorId;
use model::monitor::{BadMonitor, Monitor, Wish};
use model::procfile::{BadProcessType, ProcessType};
use store::StoreError;

/// Why a monitor is not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// What it should be.
    #[error(transparent)]
    Bad(#[from] BadMonitor),
    /// No name of a process type.
    #[error(transparent)]
    BadProcessType(#[from] BadProcessType),
    /// The app has no such dynos.
    #[error(transparent)]
    Formation(#[from] FormationError),
    /// None with this id.
    #[error("Couldn't find that monitor.")]
    NoSuchMonitor,
    /// One is enough.
    #[error("{0} has a monitor already; change that one")]
    Taken(ProcessType),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Those of one process type: one at most.
///
/// # Errors
/// [`MonitorError::BadProcessType`].
pub async fn list(control: &Control, app: &Authorized<App>, process_type: &str) -> Result<Vec<Monitor>, MonitorError> {
    let process_type: ProcessType = process_type.parse()?;
    let mut monitors = store::monitor::of_app(control.store.db(), app.id).await?;
    monitors.retain(|monitor| monitor.process_type == process_type);
    Ok(monitors)
}

/// One of them.
///
/// # Errors
/// [`MonitorError::NoSuchMonitor`].
pub async fn find(
    control: &Control,
    app: &Authorized<App>,
    process_type: &str,
    id: &str,
) -> Result<Monitor, MonitorError> {
    let id: MonitorId = id.parse().map_err(|_| MonitorError::NoSuchMonitor)?;
    let found = list(control, app, process_type).await?.into_iter().find(|monitor| monitor.id == id);
    found.ok_or(MonitorError::NoSuchMonitor)
}

/// Makes one.
///
/// # Errors
/// [`BadMonitor`], [`MonitorError::Taken`], [`FormationError::NoSuchType`] when there are no such dynos.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    process_type: &str,
    wish: &Wish,
) -> Result<Monitor, MonitorError> {
    let process_type: ProcessType = process_type.parse()?;
    let now = control.now();
    let monitor = Monitor::new(control.world.new_id(), app.id, process_type.clone(), now)?.with(wish, now)?;
    let mut tx = control.store.begin().await?;
    let formation = store::formation::list(tx.db(), app.id).await?;
    if !formation.iter().any(|entry| entry.process_type == process_type) {
        return Err(FormationError::NoSuchType(process_type.to_string()).into());
    }
    match store::monitor::insert(&mut tx, &monitor).await {
        Err(error) if error.is_duplicate() => return Err(MonitorError::Taken(process_type)),
        inserted => inserted?,
    }
    tx.commit().await?;
    say(control, app, &monitor).await;
    Ok(monitor)
}

/// Changes one.
///
/// # Errors
/// [`BadMonitor`], [`MonitorError::NoSuchMonitor`].
pub async fn update(
    control: &Control,
    app: &Authorized<App>,
    process_type: &str,
    id: &str,
    wish: &Wish,
) -> Result<Monitor, MonitorError> {
    let id = find(control, app, process_type, id).await?.id;
    let mut tx = control.store.begin().await?;
    let before = store::monitor::by_id(tx.db(), id).await?.ok_or(MonitorError::NoSuchMonitor)?;
    let monitor = before.with(wish, control.now())?;
    store::monitor::update(&mut tx, &monitor).await?;
    tx.commit().await?;
    say(control, app, &monitor).await;
    Ok(monitor)
}

async fn say(control: &Control, app: &Authorized<App>, monitor: &Monitor) {
    let Monitor { process_type, min_quantity, max_quantity, p95_ms, .. } = monitor;
    let what = if monitor.is_active {
        format!("Scales {process_type} by itself from {min_quantity} to {max_quantity} for a p95 below {p95_ms} ms")
    } else {
        format!("Scales {process_type} by itself no more")
    };
    journal::api(control, app.id, control.now(), format!("{what}, set by user {}", app.by().email)).await;
    control.counters.autoscaler.wake();
}
