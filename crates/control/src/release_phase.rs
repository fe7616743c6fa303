//! The release phase: the `release` command as a one-off dyno, before the release becomes current (RELPH-20 to RELPH-29).

use crate::gate::Authorized;
use crate::output::OutputWriter;
use crate::phase::{self, Over, Terms};
use crate::{Control, formation, journal, outcome, progress, promotion_target, release, sandbox, verification};
use model::app::App;
use model::dyno::{Dyno, DynoRole};
use model::procfile::ProcessType;
use model::release::{BadPhaseLimit, PhaseSetting, Release};
use std::time::Duration;
use store::StoreError;

/// Whoever waits for a release's decision looks this often beside the changes that they are told of.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Why an app's setting is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PhaseError {
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

/// Runs the command in the background, when it is its turn, and decides the release when it ends. Also for a release that waited
/// for its turn when the server before this one ended.
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
            Ok(()) => begin(&control, &release).await,
            Err(error) => Err(error),
        };
        let (dyno, terms) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                drop(writer);
                return fail_unstarted(&control, &release, &error.to_string()).await;
            }
        };
        let over = match sandbox::start(&control, &dyno).await {
            Ok(running) => {
                phase::started(&control, &dyno, &running).await;
                progress::begun(&control, release.id).await;
                phase::follow(&control, &dyno, running, &mut writer, terms, std::future::pending()).await
            }
            Err(error) => {
                writer.line(&format!(" !     The release command could not be started: {error}"));
                Over::LOST
            }
        };
        finish(&control, &release, &dyno, over).await;
        drop(writer);
    });
}

/// Waits until no earlier release of the app is pending, unless the app allows several at once (RELPH-29).
async fn turn(control: &Control, release: &Release, writer: &mut OutputWriter) -> Result<(), StoreError> {
    let mut turns = control.phases.hear();
    let mut told = None;
    loop {
        turns.borrow_and_update();
        if control.supervisor.is_ending() {
            // The next server goes on with it.
            std::future::pending::<()>().await;
        }
        let db = control.store.db();
        let earlier = store::release_phase::earlier(db, release.app, release.version).await?;
        let Some(earlier) = earlier else { return Ok(()) };
        if store::release_phase::of_app(db, release.app).await?.at_once {
            return Ok(());
        }
        if told != Some(earlier) {
            let said = format!("The release command of v{} waits for that of v{earlier}", release.version);
            writer.line(&format!(" !     {said}"));
            journal::api(control, release.app, control.now(), said).await;
            told = Some(earlier);
        }
        if turns.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Notes that the command is about to start.
async fn begin(control: &Control, release: &Release) -> Result<(Dyno, Terms), StoreError> {
    let db = control.store.db();
    let slug = match release.slug {
        Some(slug) => store::slug::by_id(db, slug).await?,
        None => None,
    };
    let types = slug.map(|slug| slug.process_types).unwrap_or_default();
    let command = types.get(&ProcessType::release()).cloned().unwrap_or_default();
    let about = (release.app, release.id, release.version);
    let dyno = phase::dyno(control, DynoRole::Release, ProcessType::release(), about, command).await?;
    let terms = terms(control, release).await?;
    let mut tx = control.store.begin().await?;
    store::release_phase::begin(&mut tx, release.id, control.now()).await?;
    tx.commit().await?;
    Ok((dyno, terms))
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
        let over = phase::follow(&control, &dyno, running, &mut writer, terms, std::future::pending()).await;
        finish(&control, &release, &dyno, over).await;
    });
}

/// A release whose command did not outlive the server: failed, with the reason where people look for it. One that had not begun
/// begins now.
pub(crate) async fn settle(control: &Control, release: &Release) -> Result<(), StoreError> {
    if store::release_phase::begun(control.store.db(), release.id).await? {
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
