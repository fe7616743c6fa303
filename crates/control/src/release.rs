//! Releases: everything that changes what runs is one, and all are made here.

use crate::build_gate::{self, NotAdmitted};
use crate::event::{self, Change, Resource};
use crate::gate::Authorized;
use crate::output::OutputReader;
use crate::{Control, formation, journal, release_phase, verification};
use model::account::Account;
use model::app::App;
use model::config_var::{self, ConfigVars};
use model::id::{AccountId, AppId, ReleaseId, SlugId};
use model::permission::Right;
use model::procfile::ProcessTypes;
use model::release::{Release, ReleaseCause, ReleaseStatus, eligible_for_rollback};
use model::verification::Verification;
use std::time::Duration;
use store::{StoreError, Tx};

/// Why a release is not found or not made.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No such version or id.
    #[error("Couldn't find that release.")]
    NoSuchRelease,
    /// No such slug, or one of an app that the caller may not see.
    #[error("Couldn't find that slug.")]
    NoSuchSlug,
    /// A slug that was announced but not uploaded.
    #[error("That slug has no content yet: upload the archive to its blob address first")]
    EmptySlug,
    /// RLS-7.
    #[error("Cannot roll back to v{0}: it failed or has no code. `flowline releases` lists the ones that can")]
    NotEligible(i64),
    /// RLS-11.
    #[error("Cannot roll back to v{0}: its code was removed to make room on the server's disk. Push that commit again")]
    Expired(i64),
    /// RLS-11.
    #[error("That slug was removed to make room on the server's disk; build it again")]
    ExpiredSlug,
    /// No earlier release with code.
    #[error("There is no earlier release to roll back to.")]
    NothingBefore,
    /// RELPH-40.
    #[error("Release command not started yet. Please try again in a few seconds.")]
    NoOutput,
    /// The output's file cannot be read.
    #[error("The release's output cannot be read: {0}")]
    Output(#[source] std::io::Error),
    /// New code at a stage whose gates are shut.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A release with what it shows.
#[derive(Debug, Clone)]
pub struct ReleaseDetail {
    /// The release.
    pub release: Release,
    /// Who made it.
    pub by: Account,
    /// Does it run?
    pub current: bool,
    /// May the app go back to it?
    pub eligible_for_rollback: bool,
}

/// A release that was inserted; [`begin`] makes it take effect once it is committed.
pub(crate) struct Created {
    /// The release.
    pub(crate) release: Release,
    check: Option<Verification>,
}

/// Writes a release into the ledger, as part of a larger change.
pub(crate) async fn insert(
    control: &Control,
    tx: &mut Tx,
    app: AppId,
    by: AccountId,
    cause: &ReleaseCause,
    slug: Option<SlugId>,
    config: &ConfigVars,
) -> Result<Created, StoreError> {
    let process_types = match slug {
        Some(id) => store::slug::by_id(tx.db(), id).await?.map(|slug| slug.process_types).unwrap_or_default(),
        None => ProcessTypes::new(),
    };
    let has_command = process_types.keys().any(model::procfile::ProcessType::is_release);
    let now = control.now();
    let release = Release {
        id: control.world.new_id(),
        app,
        version: store::release::next_version(tx, app).await?,
        status: if has_command { ReleaseStatus::Pending } else { ReleaseStatus::Succeeded },
        description: cause.to_string(),
        slug,
        by,
        output_secret: has_command.then(|| control.world.secret::<32>()),
        created_at: now,
        updated_at: now,
    };
    store::release::insert(tx, &release, config).await?;
    store::release_step::made(tx, release.id, cause.word()).await?;
    let mut check = None;
    if let Some(app) = store::app::by_id(tx.db(), app).await? {
        let made = detail_in(tx, release.clone()).await?;
        event::note(control, tx, by, &Change::create(Resource::Release(&app, &made))).await?;
        if has_command {
            formation::declare_release(control, tx, &app, by, &process_types).await?;
        } else if slug.is_some() {
            formation::reshape(control, tx, &app, by, &process_types).await?;
            check = verification::due(control, tx, &app, &release).await?;
        }
    }
    Ok(Created { release, check })
}

/// After the commit: says so, and runs the release command or the new dynos.
pub(crate) async fn begin(control: &Control, by: &Account, created: Created) -> Result<(), StoreError> {
    let Created { release, check } = created;
    let (version, email) = (release.version, &by.email);
    journal::api(control, release.app, release.created_at, format!("{} by user {email}", release.description)).await;
    let said = match release.status {
        ReleaseStatus::Pending => format!("Running release v{version} commands by user {email}"),
        ReleaseStatus::Succeeded | ReleaseStatus::Failed | ReleaseStatus::Expired => {
            format!("Release v{version} created by user {email}")
        }
    };
    journal::api(control, release.app, release.created_at, said).await;
    tracing::info!(app.id = %release.app, release.version = version, cause = %release.description, "Release v{version} made");
    match release.status {
        ReleaseStatus::Pending => release_phase::spawn(control, release),
        ReleaseStatus::Succeeded | ReleaseStatus::Failed | ReleaseStatus::Expired => {
            // Without a command it was decided as it was made.
            control.counters.release(release.status, Duration::ZERO);
            control.supervisor.wake(release.app);
            verification::begin(control, check);
        }
    }
    Ok(())
}

/// The releases of an app, oldest first (RLS-9); or only the newest: from which version down, and how many.
///
/// # Errors
/// When the database fails.
pub async fn list(
    control: &Control,
    app: &Authorized<App>,
    newest: Option<(i64, usize)>,
) -> Result<Vec<ReleaseDetail>, ReleaseError> {
    let db = control.store.db();
    let releases = match newest {
        Some((at_most, enough)) => store::release::newest(db, app.id, at_most, enough).await?,
        None => store::release::list(db, app.id).await?,
    };
    let current = store::release::current(control.store.db(), app.id).await?.map(|release| release.id);
    let mut details = Vec::new();
    let mut known: Option<Account> = None;
    for release in releases {
        // Nearly always the same person: asked for once.
        let by = match known.take().filter(|account| account.id == release.by) {
            Some(account) => account,
            None => author(control, release.by).await?,
        };
        known = Some(by.clone());
        details.push(shown(release, by, current));
    }
    Ok(details)
}

/// One release by number (`12`, `v12`) or id (RLS-10).
///
/// # Errors
/// [`ReleaseError::NoSuchRelease`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<ReleaseDetail, ReleaseError> {
    let release = lookup(control, app.id, which).await?;
    detail(control, release).await
}

pub(crate) async fn detail(control: &Control, release: Release) -> Result<ReleaseDetail, ReleaseError> {
    let current = store::release::current(control.store.db(), release.app).await?.map(|release| release.id);
    let by = author(control, release.by).await?;
    Ok(shown(release, by, current))
}

/// The same, as a change sees it that is not yet committed.
async fn detail_in(tx: &mut Tx, release: Release) -> Result<ReleaseDetail, StoreError> {
    let current = store::release::current(tx.db(), release.app).await?.map(|release| release.id);
    let by = store::account::known(tx.db(), release.by).await?;
    Ok(shown(release, by, current))
}

/// Notes the event of a release that was decided, as part of the decision.
pub(crate) async fn tell_decided(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    before: &Release,
) -> Result<(), StoreError> {
    let Some(now) = store::release::by_own_id(tx.db(), before.id).await? else { return Ok(()) };
    let now = detail_in(tx, now).await?;
    let before =
        ReleaseDetail { current: false, eligible_for_rollback: false, release: before.clone(), by: now.by.clone() };
    let change = Change::update(Resource::Release(app, &before), Resource::Release(app, &now));
    event::note(control, tx, before.release.by, &change).await
}

/// The config that a release runs with (RLS-6).
///
/// # Errors
/// [`ReleaseError::NoSuchRelease`].
pub async fn config_vars(control: &Control, app: &Authorized<App>, which: &str) -> Result<ConfigVars, ReleaseError> {
    let release = lookup(control, app.id, which).await?;
    let vars = store::release::config(&control.store, release.id).await?;
    Ok(config_var::shown(vars, &store::config_var::write_only(control.store.db(), app.id).await?))
}

/// A new release of a slug that the caller may use, with the app's present config (RLS-5).
///
/// # Errors
/// [`ReleaseError::NoSuchSlug`], [`ReleaseError::EmptySlug`].
pub async fn create_from_slug(
    control: &Control,
    app: &Authorized<App>,
    slug: SlugId,
    description: Option<String>,
    reason: Option<&str>,
) -> Result<ReleaseDetail, ReleaseError> {
    let slug = store::slug::by_id(control.store.db(), slug).await?.ok_or(ReleaseError::NoSuchSlug)?;
    // Its own, also one that was promoted to it, or one of another app that the caller sees.
    if !store::slug::released_by(control.store.db(), slug.id, app.id).await? {
        let of = control.app(app.by(), &slug.app.to_string(), Right::View).await;
        of.map_err(|_| ReleaseError::NoSuchSlug)?;
        build_gate::admit_slug(control, app, &slug, reason).await?;
    }
    if !slug.has_content() {
        return Err(ReleaseError::EmptySlug);
    }
    let cause = match description {
        Some(words) => ReleaseCause::Custom(words),
        None => ReleaseCause::Deploy { commit: slug.commit.clone() },
    };
    let mut tx = control.store.begin().await?;
    if store::slug::by_id(tx.db(), slug.id).await?.is_none_or(|slug| slug.expired_at.is_some()) {
        return Err(ReleaseError::ExpiredSlug);
    }
    let config = store::config_var::all_in(&mut tx, app.id).await?;
    let created = insert(control, &mut tx, app.id, app.by().id, &cause, Some(slug.id), &config).await?;
    tx.commit().await?;
    finish(control, app.by(), created).await
}

/// A new release with the code and the config of an earlier one (RLS-6). `None`: the one before the current.
///
/// # Errors
/// No such release, or one that cannot be gone back to (RLS-7).
pub async fn rollback(
    control: &Control,
    app: &Authorized<App>,
    to: Option<&str>,
) -> Result<ReleaseDetail, ReleaseError> {
    let target = match to {
        Some(which) => lookup(control, app.id, which).await?,
        None => before_current(control, app.id).await?,
    };
    let mut tx = control.store.begin().await?;
    // As it is now that nobody else can change it: its code may have just been removed.
    let target = store::release::by_id(tx.db(), app.id, target.id).await?.ok_or(ReleaseError::NoSuchRelease)?;
    if target.status == ReleaseStatus::Expired {
        return Err(ReleaseError::Expired(target.version));
    }
    if !eligible_for_rollback(&target) {
        return Err(ReleaseError::NotEligible(target.version));
    }
    let cause = ReleaseCause::Rollback { to: target.version };
    let created = go_back(control, &mut tx, app.by().id, &target, &cause).await?;
    tx.commit().await?;
    finish(control, app.by(), created).await
}

/// A release with the code and the config of `target`, as part of a larger change.
pub(crate) async fn go_back(
    control: &Control,
    tx: &mut Tx,
    by: AccountId,
    target: &Release,
    cause: &ReleaseCause,
) -> Result<Created, StoreError> {
    let config = store::release::config_in(tx, target.id).await?;
    store::config_var::replace(tx, target.app, &config).await?;
    insert(control, tx, target.app, by, cause, target.slug, &config).await
}

/// What the release command printed, for whoever holds the address (RELPH-40).
///
/// # Errors
/// A wrong address, or a command that has not begun.
pub async fn output(control: &Control, id: ReleaseId, secret: &str) -> Result<OutputReader, ReleaseError> {
    let release = store::release::by_own_id(control.store.db(), id).await?.ok_or(ReleaseError::NoSuchRelease)?;
    if !release.output_secret.is_some_and(|known| crate::same_secret(&known, secret)) {
        return Err(ReleaseError::NoSuchRelease);
    }
    let reader = control.outputs.read(&output_key(id)).map_err(ReleaseError::Output)?;
    reader.ok_or(ReleaseError::NoOutput)
}

/// The key of a release's output.
pub(crate) fn output_key(id: ReleaseId) -> String {
    format!("release-{id}")
}

async fn finish(control: &Control, by: &Account, created: Created) -> Result<ReleaseDetail, ReleaseError> {
    let release = created.release.clone();
    begin(control, by, created).await?;
    detail(control, release).await
}

async fn before_current(control: &Control, app: AppId) -> Result<Release, ReleaseError> {
    let releases = store::release::list(control.store.db(), app).await?;
    releases.into_iter().rev().filter(eligible_for_rollback).nth(1).ok_or(ReleaseError::NothingBefore)
}

async fn lookup(control: &Control, app: AppId, which: &str) -> Result<Release, ReleaseError> {
    let db = control.store.db();
    let found = if let Ok(id) = which.parse::<ReleaseId>() {
        store::release::by_id(db, app, id).await?
    } else if let Ok(version) = which.strip_prefix('v').unwrap_or(which).parse::<i64>() {
        store::release::by_version(db, app, version).await?
    } else {
        None
    };
    found.ok_or(ReleaseError::NoSuchRelease)
}

async fn author(control: &Control, id: AccountId) -> Result<Account, ReleaseError> {
    store::account::by_id(control.store.db(), id).await?.ok_or(ReleaseError::NoSuchRelease)
}

fn shown(release: Release, by: Account, current: Option<ReleaseId>) -> ReleaseDetail {
    ReleaseDetail {
        current: current == Some(release.id),
        eligible_for_rollback: eligible_for_rollback(&release),
        release,
        by,
    }
}
