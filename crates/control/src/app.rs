//! Apps: create, list, change, destroy.

use crate::event::{self, Change, Resource};
use crate::gate::{Authorized, GateError};
use crate::{Control, collaborator, journal, promotion_target, release, telemetry_drain};
use model::account::Account;
use model::app::{App, AppName, BadAppName};
use model::config_var::ConfigVars;
use model::id::{AccountId, AppId, TeamId};
use model::permission::{Permissions, Right};
use model::release::ReleaseCause;
use model::stack::{NoSuchStack, Stack};
use model::team::Team;
use model::time::Timestamp;
use store::{Connection, StoreError, Tx};

/// Apps of one account (APP-4).
pub const APP_LIMIT: u64 = 1000;

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct NewApp {
    /// Its name; a random one when missing.
    pub name: Option<String>,
    /// The region, only echoed (CLI-11).
    pub region: Option<String>,
    /// The stack by name.
    pub stack: Option<String>,
    /// The team that it is to belong to; whoever asks was let through the gate for it.
    pub team: Option<TeamId>,
    /// May the team's members only look until they are added (TEAM-4)?
    pub locked: bool,
}

/// What a client changes.
#[derive(Debug, Clone, Default)]
pub struct AppChange {
    /// Another name.
    pub name: Option<String>,
    /// Maintenance on or off.
    pub maintenance: Option<bool>,
    /// Another stack for the next build.
    pub build_stack: Option<String>,
}

/// What an app shows beside its own columns.
#[derive(Debug, Clone)]
pub struct AppDetail {
    /// The app.
    pub app: App,
    /// Its owner; of a team's app, who made it.
    pub owner: Account,
    /// The team that it belongs to.
    pub team: Option<Team>,
    /// Where it answers.
    pub web_url: String,
    /// When its newest release was made.
    pub released_at: Option<Timestamp>,
    /// The size of the slug that runs.
    pub slug_size_bytes: Option<u64>,
    /// Are its certificates to be made for it (ROUTE-5)?
    pub acm: bool,
}

/// Why an app is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// APP-1.
    #[error(transparent)]
    BadName(#[from] BadAppName),
    /// APP-1.
    #[error("Name {0} is already taken")]
    NameTaken(AppName),
    /// An unknown stack.
    #[error(transparent)]
    NoSuchStack(#[from] NoSuchStack),
    /// APP-4.
    #[error("You have {APP_LIMIT} apps, which is the limit; destroy one first")]
    TooMany,
    /// Somebody destroyed it meanwhile.
    #[error("Couldn't find that app.")]
    Gone,
    /// Another permission is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Its repository cannot be made.
    #[error("The app's repository could not be made: {0}")]
    Git(#[from] git::GitError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an app with its repository and its first two releases (RLS-1).
///
/// # Errors
/// A name that is bad or taken, an unknown stack, too many apps.
pub async fn create(control: &Control, who: &Account, new: NewApp) -> Result<AppDetail, AppError> {
    let stack = new.stack.as_deref().map_or_else(|| Ok(Stack::default()), Stack::asked)?;
    if store::app::count_of_owner(control.store.db(), who.id).await? >= APP_LIMIT {
        return Err(AppError::TooMany);
    }
    let wanted = new.name.map(|name| name.parse::<AppName>()).transpose()?;
    let now = control.now();
    let app = App {
        id: control.world.new_id(),
        name: wanted.unwrap_or_else(|| AppName::generate(&*control.world)),
        owner: who.id,
        team: new.team,
        locked: new.locked,
        region: new.region.unwrap_or_else(|| "us".to_owned()),
        stack,
        maintenance: false,
        buildpack: None,
        created_at: now,
        updated_at: now,
    };
    // The repository first: an app whose repository is missing could not be pushed to, an orphaned folder harms nobody.
    control.git.init(app.id).await?;
    if let Err(error) = insert(control, &app).await {
        control.git.remove(app.id).await?;
        return Err(if error.is_duplicate() { AppError::NameTaken(app.name) } else { error.into() });
    }
    journal::api(control, app.id, now, format!("Initial release by user {}", who.email)).await;
    journal::api(control, app.id, now, format!("Release v1 created by user {}", who.email)).await;
    control.supervisor.adopt(control, app.id);
    control.supervisor.seen(app.id).await;
    Ok(detail(control, app).await?)
}

async fn insert(control: &Control, app: &App) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    store::app::insert(&mut tx, app).await?;
    if app.team.is_some() {
        // Who makes a team's app runs it, whatever their role.
        let own = collaborator::new(control, app.id, app.owner, Permissions::all());
        store::collaborator::insert(&mut tx, &own).await?;
    }
    let made = detail_in(control, &mut tx, app.clone()).await?;
    event::note(control, &mut tx, app.owner, &Change::create(Resource::App(&made))).await?;
    for cause in [ReleaseCause::Initial, ReleaseCause::EnableLogplex] {
        release::insert(control, &mut tx, app.id, app.owner, &cause, None, &ConfigVars::new()).await?;
    }
    tx.commit().await
}

/// The apps that an account may see, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<AppDetail>, AppError> {
    let mut details = Vec::new();
    for app in store::app::visible(control.store.db(), who.id).await? {
        details.push(detail(control, app).await?);
    }
    Ok(details)
}

/// One app with what it shows.
///
/// # Errors
/// When the database fails.
pub async fn find(control: &Control, app: &Authorized<App>) -> Result<AppDetail, AppError> {
    Ok(detail(control, App::clone(app)).await?)
}

/// Renames it, turns maintenance on or off, or sets the stack of the next build.
///
/// # Errors
/// A name that is bad or taken, an unknown stack, an app that is gone.
pub async fn update(control: &Control, app: &Authorized<App>, change: AppChange) -> Result<AppDetail, AppError> {
    let mut next = App::clone(app);
    if change.name.is_some() && !app.allows(Right::Manage) {
        return Err(GateError::lacks(app, Right::Manage).into());
    }
    if let Some(name) = change.name {
        next.name = name.parse()?;
    }
    if let Some(stack) = change.build_stack {
        next.stack = Stack::asked(&stack)?;
    }
    next.maintenance = change.maintenance.unwrap_or(next.maintenance);
    if next != **app {
        next.updated_at = control.now();
        store_change(control, app.by().id, &next).await?;
        let said = match (next.maintenance, app.maintenance) {
            (true, false) => Some("Maintenance mode enabled"),
            (false, true) => Some("Maintenance mode disabled"),
            (true, true) | (false, false) => None,
        };
        if let Some(said) = said {
            journal::api(control, app.id, next.updated_at, format!("{said} by user {}", app.by().email)).await;
        }
        if next.name != app.name {
            telemetry_drain::renamed(control, &next).await;
        }
        control.supervisor.seen(app.id).await;
    }
    Ok(detail(control, next).await?)
}

/// Stores a changed app, with its event.
pub(crate) async fn store_change(control: &Control, by: AccountId, next: &App) -> Result<(), AppError> {
    let mut tx = control.store.begin().await?;
    match update_in(control, &mut tx, by, next).await {
        Ok(true) => Ok(tx.commit().await?),
        Ok(false) => Err(AppError::Gone),
        Err(error) if error.is_duplicate() => Err(AppError::NameTaken(next.name.clone())),
        Err(error) => Err(error.into()),
    }
}

/// The same as part of a larger change. `false`: it is gone.
pub(crate) async fn update_in(control: &Control, tx: &mut Tx, by: AccountId, next: &App) -> Result<bool, StoreError> {
    let Some(before) = store::app::by_id(tx.db(), next.id).await? else { return Ok(false) };
    let before = detail_in(control, tx, before).await?;
    if !store::app::update(tx, next).await? {
        return Ok(false);
    }
    let now = detail_in(control, tx, next.clone()).await?;
    let change = Change::update(Resource::App(&before), Resource::App(&now));
    event::note(control, tx, by, &change).await?;
    Ok(true)
}

/// Destroys it: ledger, config, repository, slugs, logs; its dynos stop.
///
/// # Errors
/// When it is gone already.
pub async fn destroy(control: &Control, app: &Authorized<App>) -> Result<AppDetail, AppError> {
    let shown = detail(control, App::clone(app)).await?;
    let mut tx = control.store.begin().await?;
    // What was promoted from it runs on elsewhere.
    store::slug::rehome(&mut tx, app.id).await?;
    let slugs = store::slug::of_app(tx.db(), app.id).await?;
    let mut objects = Vec::new();
    for id in &slugs {
        objects.extend(store::slug::by_id(tx.db(), *id).await?.and_then(|slug| slug.checksum));
    }
    event::note(control, &mut tx, app.by().id, &Change::destroy(Resource::App(&shown))).await?;
    promotion_target::app_gone(control, &mut tx, app).await?;
    match store::app::delete(&mut tx, app.id).await {
        Ok(true) => tx.commit().await?,
        Ok(false) => return Err(AppError::Gone),
        Err(error) => return Err(error.into()),
    }
    control.promotions.changed();
    control.supervisor.seen(app.id).await;
    crate::sweep::after_destroy(control, app.id, slugs, objects).await;
    Ok(shown)
}

pub(crate) async fn detail(control: &Control, app: App) -> Result<AppDetail, StoreError> {
    let mut reader = control.store.reader().await?;
    shown(control, &mut reader, app).await
}

/// The same, as a change sees it that is not yet committed.
pub(crate) async fn detail_in(control: &Control, tx: &mut Tx, app: App) -> Result<AppDetail, StoreError> {
    shown(control, tx.db(), app).await
}

async fn shown(control: &Control, db: &mut Connection, app: App) -> Result<AppDetail, StoreError> {
    let owner = store::account::known(&mut *db, app.owner).await?;
    let team = match app.team {
        Some(team) => store::team::by_id(&mut *db, team).await?,
        None => None,
    };
    let current = store::release::current(&mut *db, app.id).await?;
    let slug = match current.as_ref().and_then(|release| release.slug) {
        Some(id) => store::slug::by_id(&mut *db, id).await?,
        None => None,
    };
    Ok(AppDetail {
        web_url: control.settings.web_url(&app.name),
        released_at: store::release::latest(&mut *db, app.id).await?.map(|release| release.created_at),
        slug_size_bytes: slug.map(|slug| slug.size_bytes),
        acm: store::acm::enabled(&mut *db, app.id).await?,
        owner,
        team,
        app,
    })
}

/// The app by id, for work that goes on after the request that began it.
pub(crate) async fn by_id(control: &Control, id: AppId) -> Result<Option<App>, StoreError> {
    store::app::by_id(control.store.db(), id).await
}
