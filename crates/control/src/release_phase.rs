//! The release phase: the `release` command as a one-off dyno, before the release becomes current (RELPH-20 to RELPH-29).

use crate::gate::Authorized;
use crate::output::OutputWriter;
use crate::phase::{self, Over, Terms};
use crate::release::{ReleaseDetail, ReleaseError};
use crate::{Control, formation, journal, life, outcome, progress, promotion_target, release, sandbox, verification};
use model::app::App;
use model::dyno::{Dyno, DynoRole};
use model::id::ReleaseId;
use model::procfile::ProcessType;
use model::release::{BadPhaseLimit, PhaseSetting, Release, ReleaseStatus};
use std::time::Duration;
use store::StoreError;

/// Whoever waits for a release's decision looks this often beside the changes that they are told of.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Why an app's setting is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PhaseError {
    /// Too late.
    #[error("v{version} is not pending: it {status} already. `flowline rollback` goes back to the release before it")]
    Decided {
        /// Its number.
        version: i64,
        /// How it was decided.
        status: &'static str,
    },
    /// No such release.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A time limit out of range.
    #[error(transparent)]
    BadLimit(#[from] BadPhaseLimit),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is changed of an app's setting.
#[derive(Debug, Clone, Copy, Default)]
pub struct PhaseChange {
    /// The time limit in seconds; `Some(None)`: the usual one.
    pub limit_s: Option<Option<u64>>,
    /// May two run at once?
    pub at_once: Option<bool>,
}

/// How an app's release commands run.
///
/// # Errors
/// When the database fails.
pub async fn setting(control: &Control, app: &Authorized<App>) -> Result<PhaseSetting, PhaseError> {
    Ok(store::release_phase::of_app(control.store.db(), app.id).await?)
}

/// Changes it. The limit holds for commands that begin from now on.
///
/// # Errors
/// [`PhaseError::BadLimit`].
pub async fn set(control: &Control, app: &Authorized<App>, change: PhaseChange) -> Result<PhaseSetting, PhaseError> {
    let mut tx = control.store.begin().await?;
    let mut setting = store::release_phase::of_app(tx.db(), app.id).await?;
    if let Some(limit_s) = change.limit_s {
        setting.limit = limit_s.map(PhaseSetting::read_limit).transpose()?;
    }
    setting.at_once = change.at_once.unwrap_or(setting.at_once);
    store::release_phase::put(&mut tx, app.id, &setting).await?;
    tx.commit().await?;
    let order = if setting.at_once { "several at once" } else { "one after the other" };
    let said = format!("Release commands run for {} seconds at most, {order}", setting.limit().as_secs());
    journal::api(control, app.id, control.now(), format!("{said}, set by user {}", app.by().email)).await;
    control.phases.tell();
    Ok(setting)
}

/// Runs the command in the background, when it is its turn, and decides the release when it ends. Also for a release whose command had
/// not started when the server before this one ended.
pub(crate) fn spawn(control: &Control, release: Release) {
    // Made before anybody knows of it, so that a reader never misses its first line.
    let writer = control.outputs.resume(&release::output_key(release.id));
    let control = control.clone();
    tokio::spawn(async move {
        let mut writer = match writer {
            Ok(writer) => writer,
            Err(error) => {
                return fail_unstarted(&control, &release, &format!("its output cannot be kept: {error}")).await;
            }
        };
        let begun = match turn(&control, &release, &mut writer).await {
            Ok(true) => prepare(&control, &release).await,
            Ok(false) => return writer.line(" !     The release command did not run: the release was aborted"),
            Err(error) => Err(error),
        };
        let (dyno, terms) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                drop(writer);
                return fail_unstarted(&control, &release, &error.to_string()).await;
            }
        };
        match sandbox::start(&control, &dyno).await {
            Ok(running) => {
                phase::started(&control, &dyno, &running).await;
                see_through(&control, &release, &dyno, running, (&mut writer, terms)).await;
            }
            Err(error) => {
                writer.line(&format!(" !     The release command could not be started: {error}"));
                finish(&control, &release, &dyno, Over::LOST).await;
            }
        }
    });
}

/// From its start, or this server's, to the decision.
async fn see_through(
    control: &Control,
    release: &Release,
    dyno: &Dyno,
    running: runtime::Dyno,
    (writer, terms): (&mut OutputWriter, Terms),
) {
    // Before its end can be taken from the keeper: a command that has run is not run again.
    progress::begun(control, release.id).await;
    let aborted = aborted(control, release.id);
    let (over, lines) = phase::follow(control, dyno, running, writer, terms, aborted).await;
    finish(control, release, dyno, over).await;
    lines.finish(control).await;
}

/// Waits until somebody else decided the release; why nobody waits for its command any more.
async fn aborted(control: &Control, id: ReleaseId) -> String {
    let ask = async || {
        Ok(match store::release::by_own_id(control.store.db(), id).await? {
            Some(release) if release.status == ReleaseStatus::Pending => None,
            Some(_) => Some("the release was aborted".to_owned()),
            None => Some("its app is gone".to_owned()),
        })
    };
    phase::unwanted(control, &format!("the command of release {id}"), ask).await
}

/// Ends a release that is not decided: its command, as a dyno that is stopped, or its wait for it.
///
/// # Errors
/// No such release, or one that is decided.
pub async fn abort(control: &Control, app: &Authorized<App>, which: &str) -> Result<ReleaseDetail, PhaseError> {
    let release = release::find(control, app, which).await?.release;
    if release.status != ReleaseStatus::Pending {
        return Err(PhaseError::Decided { version: release.version, status: release.status.word() });
    }
    let said = format!("Release v{} aborted by user {}", release.version, app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    let dynos = control.registry.of_app(app.id);
    match dynos.iter().find(|dyno| dyno.role == DynoRole::Release && dyno.release == release.id) {
        Some(dyno) => life::stop(control, dyno),
        None => note(control, &release, false).await,
    }
    Ok(release::find(control, app, &release.id.to_string()).await?)
}

/// Waits until no earlier release of the app is pending, unless the app allows several at once (RELPH-29). `false`: it was decided
/// meanwhile.
async fn turn(control: &Control, release: &Release, writer: &mut OutputWriter) -> Result<bool, StoreError> {
    let mut turns = control.phases.hear();
    let mut told = None;
    loop {
        turns.borrow_and_update();
        if control.supervisor.is_ending() {
            // The next server goes on with it.
            std::future::pending::<()>().await;
        }
        let db = control.store.db();
        let now = store::release::by_own_id(db, release.id).await?;
        if now.is_none_or(|now| now.status != ReleaseStatus::Pending) {
            return Ok(false);
        }
        let earlier = store::release_phase::earlier(db, release.app, release.version).await?;
        let Some(earlier) = earlier else { return Ok(true) };
        if store::release_phase::of_app(db, release.app).await?.at_once {
            return Ok(true);
        }
        if told != Some(earlier) {
            let said = format!("The release command of v{} waits for that of v{earlier}", release.version);
            writer.line(&format!(" !     {said}"));
            journal::api(control, release.app, control.now(), said).await;
            told = Some(earlier);
        }
        if turns.changed().await.is_err() {
            return Ok(true);
        }
    }
}

/// What is to be run, and for how long.
async fn prepare(control: &Control, release: &Release) -> Result<(Dyno, Terms), StoreError> {
    let db = control.store.db();
    let slug = match release.slug {
        Some(slug) => store::slug::by_id(db, slug).await?,
        None => None,
    };
    let types = slug.map(|slug| slug.process_types).unwrap_or_default();
    let command = types.get(&ProcessType::release()).cloned().unwrap_or_default();
    let about = (release.app, release.id, release.version);
    let dyno = phase::dyno(control, DynoRole::Release, ProcessType::release(), about, command).await?;
    Ok((dyno, terms(control, release).await?))
}

async fn terms(control: &Control, release: &Release) -> Result<Terms, StoreError> {
    let setting = store::release_phase::of_app(control.store.db(), release.app).await?;
    Ok(Terms { what: "release command", limit: setting.limit() })
}

/// Goes on with a release command that outlived the server before this one.
pub(crate) fn resume(control: &Control, release: Release, dyno: Dyno, running: runtime::Dyno) {
    let control = control.clone();
    tokio::spawn(async move {
        let Ok(mut writer) = control.outputs.resume(&release::output_key(release.id)) else {
            return fail_unstarted(&control, &release, "its output cannot be kept").await;
        };
        phase::adopted(&control, &dyno, &running);
        let usual = Terms { what: "release command", limit: PhaseSetting::default().limit() };
        let terms = terms(&control, &release).await.unwrap_or(usual);
        see_through(&control, &release, &dyno, running, (&mut writer, terms)).await;
    });
}

/// A release whose command did not outlive the server: failed, with the reason where people look for it. One that had not started
/// starts now.
pub(crate) async fn settle(control: &Control, release: &Release) -> Result<(), StoreError> {
    if store::release_step::has_begun(control.store.db(), release.id).await? {
        fail_unstarted(control, release, "Flowline was stopped").await;
    } else {
        spawn(control, release.clone());
    }
    Ok(())
}

async fn fail_unstarted(control: &Control, release: &Release, why: &str) {
    let text = format!(
        "Release v{} command did not run to its end: {why}. The release before it stays current",
        release.version
    );
    match control.outputs.resume(&release::output_key(release.id)) {
        Ok(mut output) => output.line(&format!(" !     {text}.")),
        Err(error) => tracing::warn!(release.id = %release.id, %error, "The output of a release cannot be written"),
    }
    journal::api(control, release.app, control.now(), text).await;
    note(control, release, false).await;
}

async fn finish(control: &Control, release: &Release, dyno: &Dyno, over: Over) {
    phase::ended(control, dyno, over.exit).await;
    // One that was told to end has not done all of its work, whatever it says (RELPH-28).
    note(control, release, over.exit.is_success() && !over.stopped && !over.late).await;
}

async fn note(control: &Control, release: &Release, succeeded: bool) {
    let ended = (control.clone(), release.clone());
    outcome::note(format!("The end of the command of release v{}", release.version), move || {
        let (control, release) = ended.clone();
        async move { decide(&control, &release, succeeded).await }
    })
    .await;
    control.phases.tell();
}

/// Succeeded: it becomes current. Failed: nothing else changes (RELPH-22).
async fn decide(control: &Control, release: &Release, succeeded: bool) -> Result<(), StoreError> {
    let Ok(status) = release.status.on_command_ended(succeeded) else { return Ok(()) };
    let mut tx = control.store.begin().await?;
    if !store::release::finish(&mut tx, release.id, status, control.now()).await? {
        return Ok(());
    }
    let Some(app) = store::app::by_id(tx.db(), release.app).await? else { return Ok(()) };
    release::tell_decided(control, &mut tx, &app, release).await?;
    promotion_target::decided(control, &mut tx, release.id, succeeded).await?;
    let current = store::release::current(tx.db(), release.app).await?;
    let mut check = None;
    if let (true, Some(slug)) = (current.is_some_and(|current| current.id == release.id), release.slug) {
        let slug = store::slug::by_id(tx.db(), slug).await?;
        let process_types = slug.map(|slug| slug.process_types).unwrap_or_default();
        formation::reshape(control, &mut tx, &app, release.by, &process_types).await?;
        check = verification::due(control, &mut tx, &app, release).await?;
    }
    tx.commit().await?;
    control.promotions.changed();
    control.counters.release(status, control.now().since(release.created_at));
    let version = release.version;
    let said = if succeeded {
        format!("Release v{version} command succeeded")
    } else {
        format!("Release v{version} command failed")
    };
    journal::api(control, release.app, control.now(), said).await;
    control.supervisor.wake(release.app);
    verification::begin(control, check);
    Ok(())
}
