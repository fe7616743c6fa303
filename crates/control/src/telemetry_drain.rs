//! Telemetry drains: list, look at, add, change, remove. No release is made and nothing restarts.

use crate::gate::{Authorized, GateError};
use crate::{Control, journal};
use logs::Telemetry;
use model::account::Account;
use model::app::App;
use model::id::TelemetryDrainId;
use model::permission::Right;
use model::sample::PERIOD;
use model::telemetry_drain::{BadTelemetryDrain, Exporter, Signals, TELEMETRY_DRAINS_LIMIT, TelemetryDrain};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::StoreError;

/// What a client asks for; what is missing stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// `traces`, `metrics`, `logs`.
    pub signals: Option<Vec<String>>,
    /// `otlphttp` or `otlp`.
    pub kind: Option<String>,
    /// Where it goes.
    pub endpoint: Option<String>,
    /// What every request says; all of them.
    pub headers: Option<BTreeMap<String, String>>,
}

/// Why a drain is not found, added or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryDrainError {
    /// LOG-31.
    #[error(transparent)]
    Bad(#[from] BadTelemetryDrain),
    /// LOG-31.
    #[error("This app has {TELEMETRY_DRAINS_LIMIT} telemetry drains, which is the limit; remove one first")]
    TooMany,
    /// None that this account may see.
    #[error("Couldn't find that telemetry drain.")]
    NoSuchDrain,
    /// The app.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Those of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<TelemetryDrain>, TelemetryDrainError> {
    Ok(store::telemetry_drain::of_app(&control.store, app.id).await?)
}

/// One by its id, with its app, for those who may operate that: its headers are the receiver's keys.
///
/// # Errors
/// [`TelemetryDrainError::NoSuchDrain`], [`GateError`] for those who may only look at the app.
pub async fn find(
    control: &Control,
    who: &Account,
    id: &str,
) -> Result<(Authorized<App>, TelemetryDrain), TelemetryDrainError> {
    let id: TelemetryDrainId = id.parse().map_err(|_| TelemetryDrainError::NoSuchDrain)?;
    let drain = store::telemetry_drain::by_id(&control.store, id).await?.ok_or(TelemetryDrainError::NoSuchDrain)?;
    match control.app(who, &drain.app.to_string(), Right::Operate).await {
        Ok(app) => Ok((app, drain)),
        // Of an app that they do not see they learn nothing.
        Err(GateError::NoSuchApp) => Err(TelemetryDrainError::NoSuchDrain),
        Err(error) => Err(error.into()),
    }
}

/// Adds one: everything from now on goes there, too. Whether anybody answers there is not tried (CLI-36).
///
/// # Errors
/// What cannot be a drain, too many.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    wish: Wish,
) -> Result<TelemetryDrain, TelemetryDrainError> {
    let now = control.now();
    let kind = wish.kind.ok_or(BadTelemetryDrain::Kind)?.parse()?;
    let endpoint = wish.endpoint.ok_or(BadTelemetryDrain::Endpoint)?;
    let drain = TelemetryDrain {
        id: control.world.new_id(),
        app: app.id,
        signals: Signals::read(&wish.signals.unwrap_or_default())?,
        exporter: Exporter::read(kind, &endpoint, wish.headers.unwrap_or_default())?,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    if usize::try_from(store::telemetry_drain::count(&mut tx, app.id).await?).unwrap_or_default()
        >= TELEMETRY_DRAINS_LIMIT
    {
        return Err(TelemetryDrainError::TooMany);
    }
    store::telemetry_drain::insert(&mut tx, &drain).await?;
    tx.commit().await?;
    say(control, app, "Add", &drain).await;
    begin(control, drain.clone(), app.name.to_string()).await;
    Ok(drain)
}

/// Changes one; what waits for it is dropped.
///
/// # Errors
/// What cannot be a drain, one that is gone.
pub async fn update(
    control: &Control,
    app: &Authorized<App>,
    mut drain: TelemetryDrain,
    wish: Wish,
) -> Result<TelemetryDrain, TelemetryDrainError> {
    if let Some(words) = wish.signals {
        drain.signals = Signals::read(&words)?;
    }
    let before = drain.exporter;
    let kind = wish.kind.map_or(Ok(before.kind), |word| word.parse())?;
    let endpoint = wish.endpoint.unwrap_or_else(|| before.endpoint.as_str().to_owned());
    drain.exporter = Exporter::read(kind, &endpoint, wish.headers.unwrap_or(before.headers))?;
    drain.updated_at = control.now();
    let mut tx = control.store.begin().await?;
    if !store::telemetry_drain::update(&mut tx, &drain).await? {
        return Err(TelemetryDrainError::NoSuchDrain);
    }
    tx.commit().await?;
    say(control, app, "Update", &drain).await;
    begin(control, drain.clone(), app.name.to_string()).await;
    Ok(drain)
}

/// Removes one; what waits for it is dropped.
///
/// # Errors
/// One that is gone.
pub async fn delete(
    control: &Control,
    app: &Authorized<App>,
    drain: &TelemetryDrain,
) -> Result<(), TelemetryDrainError> {
    let mut tx = control.store.begin().await?;
    if !store::telemetry_drain::delete(&mut tx, drain.id).await? {
        return Err(TelemetryDrainError::NoSuchDrain);
    }
    tx.commit().await?;
    control.logs.unexport(drain.id);
    say(control, app, "Remove", drain).await;
    Ok(())
}

async fn say(control: &Control, app: &Authorized<App>, what: &str, drain: &TelemetryDrain) {
    let to = drain.exporter.endpoint.shown();
    let said = format!("{what} telemetry drain to {to} by user {}", app.by().email);
    journal::api(control, app.id, control.now(), said).await;
}

/// The drains of all apps, when the server starts: before anything is said.
pub(crate) async fn resume(control: &Control) -> Result<(), StoreError> {
    for drain in store::telemetry_drain::list(&control.store).await? {
        let app = store::app::by_id(control.store.db(), drain.app).await?;
        begin(control, drain, app.map(|app| app.name.to_string()).unwrap_or_default()).await;
    }
    Ok(())
}

/// The app has another name: its receivers are told that one from now on. That it has it is no longer in question, whatever
/// comes of this.
pub(crate) async fn renamed(control: &Control, app: &App) {
    match store::telemetry_drain::of_app(&control.store, app.id).await {
        Ok(drains) => {
            for drain in drains {
                begin(control, drain, app.name.to_string()).await;
            }
        }
        Err(error) => {
            let name = &app.name;
            tracing::warn!(app.id = %app.id, %error, "Until the server is restarted, {name} has its old name in telemetry");
        }
    }
}

async fn begin(control: &Control, drain: TelemetryDrain, service: String) {
    let (trust, world) = (Arc::clone(&control.drain_trust), Arc::clone(&control.world));
    control.logs.export(drain, Telemetry { service, every: PERIOD, trust, world }).await;
}
