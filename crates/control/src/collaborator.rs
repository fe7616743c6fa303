//! Collaborators: who else may do what with an app (TEAM-1, PERM-1).

use crate::event::{self, Change, Resource};
use crate::gate::{Authorized, GateError};
use crate::{Control, account, journal};
use model::account::Account;
use model::app::App;
use model::collaborator::Collaborator;
use model::id::{AccountId, AppId, CollaboratorId};
use model::permission::{NoSuchPermission, Permissions, Right};
use model::team::Role;
use model::time::Timestamp;
use store::{Connection, StoreError};

/// People of one app.
pub const COLLABORATOR_LIMIT: usize = 500;

/// One person with access to an app, as they are shown.
#[derive(Debug, Clone)]
pub struct Access {
    /// The id of the entry; the owner's is the account's own.
    pub id: CollaboratorId,
    /// Who.
    pub account: Account,
    /// What they may do.
    pub permissions: Permissions,
    /// `owner`, `admin`, `member`, `viewer` or `collaborator`.
    pub role: &'static str,
    /// Since when.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why nobody is added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum CollaboratorError {
    /// Nobody has this e-mail or id (CLI-21: clients read this sentence).
    #[error("Couldn't find that user. An operator makes accounts: `flowline accounts:create EMAIL`")]
    NoSuchUser,
    /// Not a collaborator of this app.
    #[error("Couldn't find that collaborator.")]
    NoSuchCollaborator,
    /// CLI-39.
    #[error("{0} is already a collaborator on app")]
    Already(String),
    /// The owner has everything.
    #[error("{0} owns this app; transfer it instead (`flowline apps:transfer`)")]
    Owner(String),
    /// An unknown word.
    #[error(transparent)]
    Permission(#[from] NoSuchPermission),
    /// None at all.
    #[error("Give one of view, deploy, operate and manage at least; to take all away, remove the collaborator")]
    NoPermission,
    /// Only team apps have them one by one.
    #[error(
        "{0} is a personal app: its collaborators may do everything but manage it. Transfer it to a team for permissions"
    )]
    Personal(String),
    /// Too many.
    #[error("An app has at most {COLLABORATOR_LIMIT} collaborators; make a team, and transfer the app to it")]
    TooMany,
    /// Another permission is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) fn new(control: &Control, app: AppId, account: AccountId, permissions: Permissions) -> Collaborator {
    let now = control.now();
    Collaborator { id: control.world.new_id(), app, account, permissions, created_at: now, updated_at: now }
}

/// Everybody with access to the app: its owner first, then who was added.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<Access>, CollaboratorError> {
    let mut all = Vec::new();
    let db = control.store.db();
    if app.team.is_none()
        && let Some(owner) = store::account::by_id(db, app.owner).await?
    {
        let (id, since) = (owner.id.0.into(), app.created_at);
        let permissions = Permissions::all();
        all.push(Access { id, account: owner, permissions, role: "owner", created_at: since, updated_at: since });
    }
    for one in store::collaborator::of_app(db, app.id).await? {
        let mut reader = control.store.reader().await?;
        all.extend(show(&mut reader, app, one).await?);
    }
    Ok(all)
}

/// Was this account added to the app, or is it its owner?
///
/// # Errors
/// When the database fails.
pub async fn joined(control: &Control, app: &App, who: &Account) -> Result<bool, StoreError> {
    let own = app.team.is_none() && app.owner == who.id;
    Ok(own || store::collaborator::find(control.store.db(), app.id, who.id).await?.is_some())
}

async fn show(db: &mut Connection, app: &App, one: Collaborator) -> Result<Option<Access>, StoreError> {
    let Some(account) = store::account::by_id(&mut *db, one.account).await? else { return Ok(None) };
    let role = match app.team {
        Some(team) => store::team::role(&mut *db, team, one.account).await?,
        None => None,
    };
    Ok(Some(Access {
        id: one.id,
        account,
        permissions: one.permissions,
        role: role.map_or("collaborator", Role::word),
        created_at: one.created_at,
        updated_at: one.updated_at,
    }))
}

/// One of them by entry, account or e-mail (CLI-23).
///
/// # Errors
/// [`CollaboratorError::NoSuchCollaborator`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<Access, CollaboratorError> {
    let which = which.to_ascii_lowercase();
    let is =
        |one: &Access| one.account.email == which || one.id.to_string() == which || one.account.id.to_string() == which;
    let found = list(control, app).await?.into_iter().find(is);
    found.ok_or(CollaboratorError::NoSuchCollaborator)
}

/// Adds somebody. Members of the app's team may add themselves to one that is not locked (TEAM-4); everybody else needs `manage`.
///
/// # Errors
/// Nobody of that e-mail, somebody who has access already, an unknown permission.
pub async fn add(
    control: &Control,
    app: &Authorized<App>,
    user: &str,
    permissions: Option<Vec<String>>,
) -> Result<Access, CollaboratorError> {
    let account = match account::find(control, if user == "self" { &app.by().email } else { user }).await {
        Ok(account) => account,
        Err(account::AccountError::Store(error)) => return Err(error.into()),
        Err(_) => return Err(CollaboratorError::NoSuchUser),
    };
    let permissions = wanted(app, permissions)?;
    let no_more = Permissions::working().and(permissions) == Permissions::working();
    let joins = account.id == app.by().id && app.team.is_some() && !app.locked && app.allows(Right::Run) && no_more;
    if !app.allows(Right::Manage) && !joins {
        return Err(GateError::lacks(app, Right::Manage).into());
    }
    if app.team.is_none() && account.id == app.owner {
        return Err(CollaboratorError::Already(account.email));
    }
    let one = new(control, app.id, account.id, permissions);
    let mut tx = control.store.begin().await?;
    if store::collaborator::of_app(tx.db(), app.id).await?.len() >= COLLABORATOR_LIMIT {
        return Err(CollaboratorError::TooMany);
    }
    match store::collaborator::insert(&mut tx, &one).await {
        Err(error) if error.is_duplicate() => return Err(CollaboratorError::Already(account.email)),
        other => other?,
    }
    let made = show(tx.db(), app, one).await?.ok_or(CollaboratorError::NoSuchUser)?;
    event::note(control, &mut tx, app.by().id, &Change::create(Resource::Collaborator(app, &made))).await?;
    tx.commit().await?;
    say(control, app, &format!("Add {} as collaborator", account.email)).await;
    Ok(made)
}

/// What somebody gets: what was asked for, on a team's app; on a personal one everything but to manage it (TEAM-1).
fn wanted(app: &App, permissions: Option<Vec<String>>) -> Result<Permissions, CollaboratorError> {
    let Some(words) = permissions.filter(|words| !words.is_empty()) else { return Ok(Permissions::working()) };
    if app.team.is_none() {
        return Err(CollaboratorError::Personal(app.name.to_string()));
    }
    Ok(words.iter().map(|word| word.parse()).collect::<Result<_, NoSuchPermission>>()?)
}

/// Changes what somebody may do.
///
/// # Errors
/// Nobody of that e-mail, the owner, an unknown permission or none.
pub async fn update(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
    permissions: Vec<String>,
) -> Result<Access, CollaboratorError> {
    let found = find(control, app, which).await?;
    if found.role == "owner" {
        return Err(CollaboratorError::Owner(found.account.email));
    }
    if permissions.is_empty() {
        return Err(CollaboratorError::NoPermission);
    }
    let permissions = wanted(app, Some(permissions))?;
    let next = Collaborator {
        id: found.id,
        created_at: found.created_at,
        ..new(control, app.id, found.account.id, permissions)
    };
    let mut tx = control.store.begin().await?;
    store::collaborator::update(&mut tx, &next).await?;
    let now = show(tx.db(), app, next).await?.ok_or(CollaboratorError::NoSuchCollaborator)?;
    let change = Change::update(Resource::Collaborator(app, &found), Resource::Collaborator(app, &now));
    event::note(control, &mut tx, app.by().id, &change).await?;
    tx.commit().await?;
    say(control, app, &format!("Update permissions of {} to {permissions}", found.account.email)).await;
    Ok(now)
}

/// Removes somebody: oneself always, others with `manage`.
///
/// # Errors
/// Nobody of that e-mail, the owner.
pub async fn remove(control: &Control, app: &Authorized<App>, which: &str) -> Result<Access, CollaboratorError> {
    let found = find(control, app, which).await?;
    if found.account.id != app.by().id && !app.allows(Right::Manage) {
        return Err(GateError::lacks(app, Right::Manage).into());
    }
    if found.role == "owner" {
        return Err(CollaboratorError::Owner(found.account.email));
    }
    let mut tx = control.store.begin().await?;
    store::collaborator::delete(&mut tx, found.id).await?;
    event::note(control, &mut tx, app.by().id, &Change::destroy(Resource::Collaborator(app, &found))).await?;
    tx.commit().await?;
    say(control, app, &format!("Remove {} as collaborator", found.account.email)).await;
    Ok(found)
}

async fn say(control: &Control, app: &Authorized<App>, what: &str) {
    journal::api(control, app.id, control.now(), format!("{what} by user {}", app.by().email)).await;
}
