//! The formation: read, scale, and keep in step with the process types of the slug that runs.

use crate::event::{self, Change as Changed, Resource};
use crate::gate::Authorized;
use crate::{Control, journal, slumber};
use model::app::App;
use model::dyno::{DynoSize, NoSuchSize};
use model::formation::{Formation, FormationError, Quantity, first_quantity};
use model::id::{AccountId, AppId, FormationId};
use model::procfile::{ProcessType, ProcessTypes};
use store::{StoreError, Tx};

/// One wished change: a process type, and what becomes of it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The process type, or the id of its entry.
    pub which: String,
    /// `2`, `+1`, `-1`.
    pub quantity: Option<String>,
    /// `standard-1x`.
    pub size: Option<String>,
}

/// An entry with the command that it runs.
#[derive(Debug, Clone)]
pub struct FormationDetail {
    /// The entry.
    pub entry: Formation,
    /// Its command.
    pub command: String,
}

/// Why a formation is not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// The type or the quantity.
    #[error(transparent)]
    Formation(#[from] FormationError),
    /// The size.
    #[error(transparent)]
    Size(#[from] NoSuchSize),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All entries, by process type.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<FormationDetail>, ScaleError> {
    let commands = commands(control, app.id).await?;
    let entries = store::formation::list(control.store.db(), app.id).await?;
    Ok(entries.into_iter().map(|entry| detail(entry, &commands)).collect())
}

/// One entry by process type or id.
///
/// # Errors
/// [`FormationError::NoSuchType`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<FormationDetail, ScaleError> {
    let found = list(control, app).await?.into_iter().find(|detail| is(&detail.entry, which));
    found.ok_or_else(|| FormationError::NoSuchType(which.to_owned()).into())
}

/// Applies all changes or none (DYNO-10). No release is made (DYNO-13).
///
/// # Errors
/// The first unknown type, bad quantity or unknown size.
pub async fn patch(
    control: &Control,
    app: &Authorized<App>,
    changes: &[Change],
) -> Result<Vec<FormationDetail>, ScaleError> {
    let now = control.now();
    let mut tx = control.store.begin().await?;
    let mut entries = store::formation::list(tx.db(), app.id).await?;
    let before = entries.clone();
    let mut said = Vec::new();
    for change in changes {
        let entry = entries.iter_mut().find(|entry| is(entry, &change.which));
        let entry = entry.ok_or_else(|| FormationError::NoSuchType(change.which.clone()))?;
        if let Some(quantity) = &change.quantity {
            entry.quantity = Quantity::parse(quantity)?.of(&entry.process_type, entry.quantity)?;
        }
        if let Some(size) = &change.size {
            entry.size = size.parse()?;
        }
        entry.updated_at = now;
        store::formation::put(&mut tx, entry).await?;
        said.push(format!("{}@{}:{}", entry.process_type, entry.quantity, entry.size));
    }
    let commands = commands_in(&mut tx, app.id).await?;
    for (before, now) in before.into_iter().zip(&entries).filter(|(before, now)| before != *now) {
        let (before, now) = (detail(before, &commands), detail(now.clone(), &commands));
        let change = Changed::update(Resource::Formation(app, &before), Resource::Formation(app, &now));
        event::note(control, &mut tx, app.by().id, &change).await?;
    }
    tx.commit().await?;
    if !said.is_empty() {
        journal::api(control, app.id, now, format!("Scaled to {} by user {}", said.join(" "), app.by().email)).await;
        slumber::wanted(control, app.id);
        control.supervisor.seen(app.id).await;
    }
    Ok(entries.into_iter().map(|entry| detail(entry, &commands)).collect())
}

/// Makes the formation list exactly the types of the slug (DYNO-6); a first `web` gets one dyno (DYNO-12).
pub(crate) async fn reshape(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    by: AccountId,
    process_types: &ProcessTypes,
) -> Result<(), StoreError> {
    let now = control.now();
    let had_web = store::app::had_web(tx.db(), app.id).await?;
    let present = store::formation::list(tx.db(), app.id).await?;
    for gone in present.iter().filter(|entry| !process_types.contains_key(&entry.process_type)) {
        store::formation::delete(tx, gone.id).await?;
        let gone = detail(gone.clone(), process_types);
        event::note(control, tx, by, &Changed::destroy(Resource::Formation(app, &gone))).await?;
    }
    for process_type in process_types.keys() {
        if present.iter().any(|entry| entry.process_type == *process_type) {
            continue;
        }
        let entry = Formation {
            id: control.world.new_id(),
            app: app.id,
            process_type: process_type.clone(),
            quantity: first_quantity(process_type, had_web),
            size: DynoSize::Standard1X,
            created_at: now,
            updated_at: now,
        };
        store::formation::put(tx, &entry).await?;
        if process_type.is_web() {
            store::app::set_had_web(tx, app.id).await?;
        }
        let entry = detail(entry, process_types);
        event::note(control, tx, by, &Changed::create(Resource::Formation(app, &entry))).await?;
    }
    Ok(())
}

/// The entry of the release command is there from its first run on, also when that fails: clients know by it that there is one
/// (RELPH-2, RELPH-4, RELPH-43).
pub(crate) async fn declare_release(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    by: AccountId,
    process_types: &ProcessTypes,
) -> Result<(), StoreError> {
    let present = store::formation::list(tx.db(), app.id).await?;
    if present.iter().any(|entry| entry.process_type.is_release()) {
        return Ok(());
    }
    let now = control.now();
    let entry = Formation {
        id: control.world.new_id(),
        app: app.id,
        process_type: ProcessType::release(),
        quantity: 0,
        size: DynoSize::Standard1X,
        created_at: now,
        updated_at: now,
    };
    store::formation::put(tx, &entry).await?;
    let entry = detail(entry, process_types);
    event::note(control, tx, by, &Changed::create(Resource::Formation(app, &entry))).await
}

fn is(entry: &Formation, which: &str) -> bool {
    entry.process_type.as_str() == which || which.parse::<FormationId>().is_ok_and(|id| id == entry.id)
}

pub(crate) fn detail(entry: Formation, commands: &ProcessTypes) -> FormationDetail {
    let command = commands.get(&entry.process_type).cloned().unwrap_or_default();
    FormationDetail { entry, command }
}

pub(crate) async fn commands_in(tx: &mut Tx, app: AppId) -> Result<ProcessTypes, StoreError> {
    let Some(slug) = store::release::current(tx.db(), app).await?.and_then(|release| release.slug) else {
        return Ok(ProcessTypes::new());
    };
    Ok(store::slug::by_id(tx.db(), slug).await?.map(|slug| slug.process_types).unwrap_or_default())
}

async fn commands(control: &Control, app: AppId) -> Result<ProcessTypes, StoreError> {
    let db = control.store.db();
    let Some(slug) = store::release::current(db, app).await?.and_then(|release| release.slug) else {
        return Ok(ProcessTypes::new());
    };
    Ok(store::slug::by_id(db, slug).await?.map(|slug| slug.process_types).unwrap_or_default())
}
