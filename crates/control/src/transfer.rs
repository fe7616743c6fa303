//! Handing apps over: to another account, which has to accept (APP-5), to a team, and from a team to one of its people.

use crate::app::{AppDetail, AppError};
use crate::gate::{Authorized, GateError};
use crate::{Control, account, app, journal};
use model::account::Account;
use model::app::App;
use model::collaborator::{AppTransfer, NoSuchState, TransferState};
use model::permission::{Permissions, Right};
use model::team::Team;
use store::{StoreError, Tx};

/// Why an app is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// None of that id.
    #[error("Couldn't find that app transfer.")]
    NoSuchTransfer,
    /// Nobody has this e-mail or name.
    #[error("Couldn't find that user. Give the e-mail of an account, or the name of a team that you are in")]
    NoSuchRecipient,
    /// To oneself.
    #[error("{0} owns this app already")]
    Already(String),
    /// One at a time.
    #[error("This app is offered to somebody already; cancel that transfer first")]
    Pending,
    /// Answered before.
    #[error("This transfer was answered already")]
    Answered,
    /// Only the recipient answers.
    #[error("Only {0} can answer this transfer")]
    NotRecipient(String),
    /// An unknown state.
    #[error(transparent)]
    State(#[from] NoSuchState),
    /// A team's app goes another way.
    #[error("This app belongs to a team; name its new owner with `flowline apps:transfer`")]
    OfTeam,
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The app cannot be changed.
    #[error(transparent)]
    App(#[from] AppError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An offer with who and what it is about.
#[derive(Debug, Clone)]
pub struct TransferDetail {
    /// The offer.
    pub transfer: AppTransfer,
    /// The app.
    pub app: App,
    /// Who offered it.
    pub owner: Account,
    /// Who may take it.
    pub recipient: Account,
}

/// Offers a personal app to somebody.
///
/// # Errors
/// Nobody of that e-mail, oneself, an offer that is open, a team's app.
pub async fn offer(control: &Control, app: &Authorized<App>, to: &str) -> Result<TransferDetail, TransferError> {
    if app.team.is_some() {
        return Err(TransferError::OfTeam);
    }
    let recipient = account::find(control, to).await.map_err(|_| TransferError::NoSuchRecipient)?;
    if recipient.id == app.owner {
        return Err(TransferError::Already(recipient.email));
    }
    let now = control.now();
    let transfer = AppTransfer {
        id: control.world.new_id(),
        app: app.id,
        owner: app.owner,
        recipient: recipient.id,
        state: TransferState::Pending,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    match store::transfer::insert(&mut tx, &transfer).await {
        Err(error) if error.is_duplicate() => return Err(TransferError::Pending),
        other => other?,
    }
    tx.commit().await?;
    detail(control, transfer).await?.ok_or(TransferError::NoSuchTransfer)
}

async fn detail(control: &Control, transfer: AppTransfer) -> Result<Option<TransferDetail>, StoreError> {
    let db = control.store.db();
    let app = store::app::by_id(db, transfer.app).await?;
    let owner = store::account::by_id(db, transfer.owner).await?;
    let recipient = store::account::by_id(db, transfer.recipient).await?;
    let all = app.zip(owner).zip(recipient);
    Ok(all.map(|((app, owner), recipient)| TransferDetail { transfer, app, owner, recipient }))
}

/// Those that an account made or may answer.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<TransferDetail>, TransferError> {
    let mut all = Vec::new();
    for transfer in store::transfer::of_account(control.store.db(), who.id).await? {
        all.extend(detail(control, transfer).await?);
    }
    Ok(all)
}

/// One of them by id, or the open one by its app's name.
///
/// # Errors
/// [`TransferError::NoSuchTransfer`].
pub async fn find(control: &Control, who: &Account, which: &str) -> Result<TransferDetail, TransferError> {
    let is = |one: &TransferDetail| {
        one.transfer.id.to_string() == which
            || one.transfer.state == TransferState::Pending && one.app.name.as_str() == which
    };
    list(control, who).await?.into_iter().find(is).ok_or(TransferError::NoSuchTransfer)
}

/// Accepts or declines an offer.
///
/// # Errors
/// [`TransferError::NotRecipient`], [`TransferError::Answered`].
pub async fn answer(
    control: &Control,
    who: &Account,
    which: &str,
    state: &str,
) -> Result<TransferDetail, TransferError> {
    let state = state.parse()?;
    let mut found = find(control, who, which).await?;
    if found.transfer.state != TransferState::Pending {
        return Err(TransferError::Answered);
    }
    if state == TransferState::Pending {
        return Ok(found);
    }
    if found.recipient.id != who.id {
        return Err(TransferError::NotRecipient(found.recipient.email));
    }
    (found.transfer.state, found.transfer.updated_at) = (state, control.now());
    let mut tx = control.store.begin().await?;
    store::transfer::update(&mut tx, &found.transfer).await?;
    if state == TransferState::Accepted {
        found.app.owner = who.id;
        found.app.updated_at = control.now();
        if let Some(own) = store::collaborator::find(tx.db(), found.app.id, who.id).await? {
            store::collaborator::delete(&mut tx, own.id).await?;
        }
        app::update_in(control, &mut tx, who.id, &found.app).await?;
    }
    tx.commit().await?;
    if state == TransferState::Accepted {
        say(control, &found.app, &found.recipient.email, who).await;
    }
    Ok(found)
}

/// Takes an open offer back; who made it may, and who may answer it.
///
/// # Errors
/// [`TransferError::NoSuchTransfer`], [`TransferError::Answered`].
pub async fn cancel(control: &Control, who: &Account, which: &str) -> Result<TransferDetail, TransferError> {
    let found = find(control, who, which).await?;
    if found.transfer.state != TransferState::Pending {
        return Err(TransferError::Answered);
    }
    let mut tx = control.store.begin().await?;
    store::transfer::delete(&mut tx, found.transfer.id).await?;
    tx.commit().await?;
    Ok(found)
}

/// Hands an app over at once: to a team that one is in and may make apps for, or from a team to an account of its people.
///
/// # Errors
/// [`TransferError::NoSuchRecipient`], a team that one may only look at.
pub async fn hand_over(control: &Control, app: &Authorized<App>, to: &str) -> Result<AppDetail, TransferError> {
    let who = app.by();
    let to = if to.contains('@') {
        let account = account::find(control, to).await.map_err(|_| TransferError::NoSuchRecipient)?;
        let team = app.team.ok_or(TransferError::NoSuchRecipient)?;
        let known = store::team::role(control.store.db(), team, account.id).await?.is_some()
            || store::collaborator::find(control.store.db(), app.id, account.id).await?.is_some();
        if !known {
            return Err(TransferError::NoSuchRecipient);
        }
        Recipient::User(account)
    } else {
        let team = control.team(who, to, Right::Run).await.map_err(|error| match error {
            GateError::NoSuchTeam => TransferError::NoSuchRecipient,
            error => error.into(),
        })?;
        if app.team == Some(team.id) {
            return Err(TransferError::Already(team.name.to_string()));
        }
        Recipient::Team(Team::clone(&team))
    };
    let mut tx = control.store.begin().await?;
    let next = move_in(control, &mut tx, who, app, &to).await?;
    tx.commit().await?;
    say(control, &next, to.name(), who).await;
    Ok(app::detail(control, next).await?)
}

/// Whose an app or a pipeline becomes.
pub(crate) enum Recipient {
    /// An account's.
    User(Account),
    /// A team's.
    Team(Team),
}

impl Recipient {
    /// As people call them.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User(account) => &account.email,
            Self::Team(team) => team.name.as_str(),
        }
    }

    /// Is the app theirs already?
    pub(crate) fn has(&self, app: &App) -> bool {
        match self {
            Self::User(account) => app.team.is_none() && app.owner == account.id,
            Self::Team(team) => app.team == Some(team.id),
        }
    }
}

/// Hands an app over as part of a larger change; the app as it is then.
pub(crate) async fn move_in(
    control: &Control,
    tx: &mut Tx,
    who: &Account,
    app: &App,
    to: &Recipient,
) -> Result<App, StoreError> {
    let mut next = App { updated_at: control.now(), ..app.clone() };
    match to {
        Recipient::User(account) => (next.owner, next.team, next.locked) = (account.id, None, false),
        Recipient::Team(team) => next.team = Some(team.id),
    }
    if let Some(own) = store::collaborator::find(tx.db(), app.id, next.owner).await? {
        store::collaborator::delete(tx, own.id).await?;
    }
    if next.team.is_some() {
        // Who brings an app to a team goes on running it.
        let own = crate::collaborator::new(control, app.id, next.owner, Permissions::all());
        store::collaborator::insert(tx, &own).await?;
    }
    app::update_in(control, tx, who.id, &next).await?;
    Ok(next)
}

/// Lets a team's members only look until they are added, or not any more (TEAM-4).
///
/// # Errors
/// When the app is gone or the database fails. A personal app has no members and stays as it is.
pub async fn lock(control: &Control, app: &Authorized<App>, locked: bool) -> Result<AppDetail, TransferError> {
    let mut next = App::clone(app);
    if next.team.is_some() && next.locked != locked {
        (next.locked, next.updated_at) = (locked, control.now());
        app::store_change(control, app.by().id, &next).await?;
        let said = format!("{} app by user {}", if locked { "Lock" } else { "Unlock" }, app.by().email);
        journal::api(control, app.id, next.updated_at, said).await;
    }
    Ok(app::detail(control, next).await?)
}

pub(crate) async fn say(control: &Control, app: &App, to: &str, by: &Account) {
    journal::api(control, app.id, control.now(), format!("Transfer app to {to} by user {}", by.email)).await;
}
