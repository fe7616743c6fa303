//! Verify: a release that is live is checked on the running server, by the `verify` command of its code.
//!
//! The check of a release is noted in the transaction that makes it current, so that a server which is killed then still knows of
//! it. What follows from its end commits with its end.

use crate::event::{self, Change, Resource};
use crate::gate::Authorized;
use crate::output::OutputReader;
use crate::verify_terms::terms_in;
use crate::{Control, journal, verify_run};
use model::account::Account;
use model::app::App;
use model::id::{AccountId, AppId, ReleaseId, SlugId, VerificationId};
use model::pipeline::NoSuchStage;
use model::release::Release;
use model::verification::{self, Artifact, BadLimit, Held, NoSuchPolicy, Verdict, Verification, VerificationState};
use store::{Connection, StoreError, Tx};

/// Why a check is not found, begun or read.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// No such number or id.
    #[error("Couldn't find that verification. `flowline verify` lists them")]
    NoSuchVerification,
    /// No such file.
    #[error("Couldn't find that artifact. `flowline verify:artifacts` lists them")]
    NoSuchArtifact,
    /// Nothing to check.
    #[error("{0} has no release with code yet. Push something first: git push flowline main")]
    NoCode(String),
    /// No command.
    #[error(
        "The code of v{0} declares no verify: add a line `verify: <command>` to its Procfile, or \
         `environments.<stage>.scripts.verify` to its app.json, and push"
    )]
    NotDeclared(i64),
    /// One at a time.
    #[error("v{0} is being verified already; `flowline verify:output` shows how far it is")]
    Busy(i64),
    /// It cannot be stopped any more.
    #[error("Verification {0} is over: it is {1}")]
    Over(i64, &'static str),
    /// Its output has not begun.
    #[error("Verify command not started yet. Please try again in a few seconds.")]
    NoOutput,
    /// No such stage.
    #[error(transparent)]
    BadStage(#[from] NoSuchStage),
    /// No such policy.
    #[error(transparent)]
    BadPolicy(#[from] NoSuchPolicy),
    /// A time limit out of range.
    #[error(transparent)]
    BadLimit(#[from] BadLimit),
    /// A file.
    #[error("What the check left cannot be read: {0}")]
    File(#[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A check with what it shows.
#[derive(Debug, Clone)]
pub struct VerificationDetail {
    /// The check.
    pub verification: Verification,
    /// Who made the release, or asked for the check.
    pub by: Account,
    /// The version that went back because of it.
    pub rolled_back_by: Option<i64>,
}

/// A release becomes current: whatever is checked is not any more, and it is to be checked itself when its code says how. Part of
/// the change that makes it current; [`begin`] follows the commit.
pub(crate) async fn due(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    release: &Release,
) -> Result<Option<Verification>, StoreError> {
    if let Some(open) = store::verification::open_of_app(tx.db(), app.id).await? {
        let why = format!("v{} took over", release.version);
        store::verification::finish(tx, open.id, (Verdict::Cancelled, &why), None, control.now()).await?;
        tell_ended(control, tx, app, &open).await?;
    }
    let Some(slug) = release.slug else { return Ok(None) };
    insert(control, tx, app, release, slug, release.by).await
}

/// Notes a check; `None` when the code has none.
async fn insert(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    release: &Release,
    slug: SlugId,
    by: AccountId,
) -> Result<Option<Verification>, StoreError> {
    let terms = terms_in(tx.db(), app.id).await?;
    let of_stage = store::verify_setting::environment(tx.db(), slug, terms.stage.word()).await?;
    let types = store::slug::by_id(tx.db(), slug).await?.map(|slug| slug.process_types).unwrap_or_default();
    let Some(command) = verification::command(&types, of_stage.verify.as_deref()) else { return Ok(None) };
    let now = control.now();
    let new = Verification {
        id: control.world.new_id(),
        app: app.id,
        number: store::verification::next_number(tx, app.id).await?,
        release: release.id,
        version: release.version,
        by,
        stage: terms.stage,
        policy: terms.policy,
        command,
        limit: terms.limit,
        secret: control.world.secret::<32>(),
        state: VerificationState::Pending,
        rolled_back_by: None,
        created_at: now,
        updated_at: now,
    };
    store::verification::insert(tx, &new).await?;
    let made = detail_in(tx, new.clone()).await?;
    event::note(control, tx, by, &Change::create(Resource::Verification(app, &made))).await?;
    Ok(Some(new))
}

/// After the commit: what is not checked any more ends, and the new check waits for its release to be live.
pub(crate) fn begin(control: &Control, check: Option<Verification>) {
    control.phases.tell();
    if let Some(check) = check {
        verify_run::spawn(control, check);
    }
}

/// Notes the event of a check's end, as part of it.
pub(crate) async fn tell_ended(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    before: &Verification,
) -> Result<(), StoreError> {
    let Some(now) = store::verification::by_id(tx.db(), before.id).await? else { return Ok(()) };
    let (before, now) = (detail_in(tx, before.clone()).await?, detail_in(tx, now).await?);
    let change = Change::update(Resource::Verification(app, &before), Resource::Verification(app, &now));
    event::note(control, tx, now.verification.by, &change).await
}

/// Checks the current release once more (`verify:run`).
///
/// # Errors
/// No code, no command, or a check that is not over.
pub async fn run(control: &Control, app: &Authorized<App>) -> Result<VerificationDetail, VerificationError> {
    let mut tx = control.store.begin().await?;
    if let Some(open) = store::verification::open_of_app(tx.db(), app.id).await? {
        return Err(VerificationError::Busy(open.version));
    }
    let no_code = || VerificationError::NoCode(app.name.to_string());
    let release = store::release::current(tx.db(), app.id).await?.ok_or_else(no_code)?;
    let slug = release.slug.ok_or_else(no_code)?;
    let made = insert(control, &mut tx, app, &release, slug, app.by().id).await?;
    let made = made.ok_or(VerificationError::NotDeclared(release.version))?;
    let detail = detail_in(&mut tx, made.clone()).await?;
    tx.commit().await?;
    let said = format!("Verify of v{} asked for by user {}", release.version, app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    begin(control, Some(made));
    Ok(detail)
}

/// Stops a check; it comes out cancelled.
///
/// # Errors
/// No such check, or one that is over.
pub async fn stop(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<VerificationDetail, VerificationError> {
    let check = lookup(control, app, which).await?;
    let why = format!("it was stopped by {}", app.by().email);
    let mut tx = control.store.begin().await?;
    if !store::verification::finish(&mut tx, check.id, (Verdict::Cancelled, &why), None, control.now()).await? {
        return Err(VerificationError::Over(check.number, check.state.word()));
    }
    tell_ended(control, &mut tx, app, &check).await?;
    tx.commit().await?;
    control.phases.tell();
    find(control, app, which).await
}

/// May this release of the app be promoted? What a stage that holds or rolls back asks for is a green light.
///
/// # Errors
/// [`Held`] says what is missing; the outer error is the database's.
pub async fn may_leave(control: &Control, app: AppId, release: ReleaseId) -> Result<Result<(), Held>, StoreError> {
    let mut db = control.store.reader().await?;
    let terms = terms_in(&mut db, app).await?;
    let latest = store::verification::latest_of_release(&mut *db, release).await?;
    let version = store::release::by_own_id(&mut *db, release).await?.map_or(0, |release| release.version);
    Ok(verification::may_leave(terms.policy, version, latest.as_ref()))
}

/// The checks of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<VerificationDetail>, VerificationError> {
    let mut db = control.store.reader().await?;
    let mut details = Vec::new();
    for check in store::verification::list(&mut *db, app.id).await? {
        details.push(detail(&mut db, check).await?);
    }
    Ok(details)
}

/// One check by number or id.
///
/// # Errors
/// [`VerificationError::NoSuchVerification`].
pub async fn find(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<VerificationDetail, VerificationError> {
    let check = lookup(control, app, which).await?;
    Ok(detail(&mut *control.store.reader().await?, check).await?)
}

/// A check and the files that it left.
///
/// # Errors
/// [`VerificationError::NoSuchVerification`].
pub async fn artifacts(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<(Verification, Vec<Artifact>), VerificationError> {
    let check = lookup(control, app, which).await?;
    let artifacts = store::verification_artifact::list(control.store.db(), check.id).await?;
    Ok((check, artifacts))
}

/// One of them with its contents, for whoever holds the address.
///
/// # Errors
/// A wrong address, or a file that cannot be read.
pub async fn artifact(
    control: &Control,
    (id, secret): (VerificationId, &str),
    number: u32,
) -> Result<(Artifact, Vec<u8>), VerificationError> {
    let check = signed(control, id, secret).await?;
    let all = store::verification_artifact::list(control.store.db(), check.id).await?;
    let artifact = all.into_iter().find(|artifact| artifact.number == number);
    let artifact = artifact.ok_or(VerificationError::NoSuchArtifact)?;
    let path = crate::verification_artifact::folder(control, check.id).join(number.to_string());
    match tokio::fs::read(path).await {
        Ok(contents) => Ok((artifact, contents)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(VerificationError::NoSuchArtifact),
        Err(error) => Err(VerificationError::File(error)),
    }
}

/// What a check printed, for whoever holds the address.
///
/// # Errors
/// A wrong address, or a check that has not begun.
pub async fn output(control: &Control, id: VerificationId, secret: &str) -> Result<OutputReader, VerificationError> {
    let check = signed(control, id, secret).await?;
    let reader = control.outputs.read(&output_key(check.id)).map_err(VerificationError::File)?;
    reader.ok_or(VerificationError::NoOutput)
}

async fn signed(control: &Control, id: VerificationId, secret: &str) -> Result<Verification, VerificationError> {
    let check = store::verification::by_id(control.store.db(), id).await?;
    check.filter(|check| crate::same_secret(&check.secret, secret)).ok_or(VerificationError::NoSuchVerification)
}

/// The key of a check's output.
pub(crate) fn output_key(id: VerificationId) -> String {
    format!("verify-{id}")
}

async fn lookup(control: &Control, app: &App, which: &str) -> Result<Verification, VerificationError> {
    let db = control.store.db();
    let found = if let Ok(id) = which.parse::<VerificationId>() {
        store::verification::by_id(db, id).await?.filter(|check| check.app == app.id)
    } else if let Ok(number) = which.parse::<i64>() {
        store::verification::by_number(db, app.id, number).await?
    } else {
        None
    };
    found.ok_or(VerificationError::NoSuchVerification)
}

async fn detail(db: &mut Connection, verification: Verification) -> Result<VerificationDetail, StoreError> {
    let by = store::account::known(&mut *db, verification.by).await?;
    let rolled_back_by = match verification.rolled_back_by {
        Some(release) => store::release::by_own_id(&mut *db, release).await?.map(|release| release.version),
        None => None,
    };
    Ok(VerificationDetail { verification, by, rolled_back_by })
}

async fn detail_in(tx: &mut Tx, verification: Verification) -> Result<VerificationDetail, StoreError> {
    detail(tx.db(), verification).await
}
