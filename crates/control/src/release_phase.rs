//! The release phase: the `release` command as a one-off dyno, before the release becomes current (RELPH-20 to RELPH-28).

use crate::lines::Lines;
use crate::output::OutputWriter;
use crate::{Control, formation, journal, life, outcome, progress, promotion_target, release, sample, sandbox};
use model::dyno::{Dyno, DynoName, DynoRole, DynoSize, DynoState, Exit};
use model::procfile::{ProcessType, ProcessTypes};
use model::release::{RELEASE_PHASE_LIMIT_S, Release};
use runtime::Output;
use std::time::Duration;
use store::StoreError;

/// Runs the command in the background and decides the release when it ends.
pub(crate) fn spawn(control: &Control, release: Release, process_types: &ProcessTypes) {
    let command = process_types.get(&ProcessType::release()).cloned().unwrap_or_default();
    let control = control.clone();
    tokio::spawn(async move {
        // Made before the command starts, so that a reader never misses its first line.
        let writer = control.outputs.create(&release::output_key(release.id));
        let mut writer = match writer {
            Ok(writer) => writer,
            Err(error) => {
                return fail_unstarted(&control, &release, &format!("its output cannot be kept: {error}")).await;
            }
        };
        let name = DynoName { process_type: ProcessType::release(), number: control.one_off_number() };
        let dyno = record(&control, &release, name, command);
        let exit = match sandbox::start(&control, &dyno).await {
            Ok(running) => {
                control.registry.insert(dyno.clone(), Some(running.control()));
                journal::dyno(&control, release.app, &dyno.name, "State changed from starting to up").await;
                progress::begun(&control, release.id).await;
                follow(&control, &dyno, running, &mut writer).await
            }
            Err(error) => {
                writer.line(&format!(" !     The release command could not be started: {error}"));
                Exit::Lost
            }
        };
        over(&control, &release, &dyno, exit).await;
        drop(writer);
    });
}

/// Goes on with a release command that outlived the server before this one.
pub(crate) fn resume(control: &Control, release: Release, dyno: Dyno, running: runtime::Dyno) {
    let control = control.clone();
    tokio::spawn(async move {
        let Ok(mut writer) = control.outputs.resume(&release::output_key(release.id)) else {
            return fail_unstarted(&control, &release, "its output cannot be kept").await;
        };
        control.registry.adopt(dyno.clone(), Some(running.control()));
        let exit = follow(&control, &dyno, running, &mut writer).await;
        over(&control, &release, &dyno, exit).await;
    });
}

/// A release whose command did not outlive the server: failed, with the reason where people look for it.
pub(crate) async fn fail_unstarted(control: &Control, release: &Release, why: &str) {
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

fn record(control: &Control, release: &Release, name: DynoName, command: String) -> Dyno {
    let now = control.now();
    Dyno {
        id: control.world.new_id(),
        app: release.app,
        name,
        role: DynoRole::Release,
        size: DynoSize::Standard1X,
        command,
        release: release.id,
        version: release.version,
        addr: None,
        state: DynoState::Up,
        since: now,
        created_at: now,
        retired: false,
    }
}

async fn follow(control: &Control, dyno: &Dyno, mut running: runtime::Dyno, writer: &mut OutputWriter) -> Exit {
    let handle = running.control();
    let limit = tokio::time::sleep(Duration::from_secs(RELEASE_PHASE_LIMIT_S));
    tokio::pin!(limit);
    let mut late = false;
    let mut lines = Lines::of(handle.clone());
    let exit = loop {
        tokio::select! {
            () = lines.due() => lines.acknowledge(control).await,
            output = running.next() => match output {
                Some(Output::Line { seq, at, text }) => {
                    writer.line(&text);
                    lines.keep(control, dyno, seq, at, text).await;
                }
                Some(Output::Dropped { count }) => {
                    writer.line(&format!(" !     {count} lines were lost: they came faster than they could be kept"));
                }
                Some(Output::Exited(exit)) => break exit,
                None => break Exit::Lost,
            },
            () = &mut limit, if !late => {
                late = true;
                writer.line(&format!(" !     The release command ran longer than {RELEASE_PHASE_LIMIT_S} seconds and is ended"));
                life::kill(&handle);
            }
        }
    };
    let why = handle.ended().await.out_of_memory;
    if why.is_some() {
        writer.line(" !     The release command ran out of memory and was killed");
    }
    sample::explain_end(control, dyno, why).await;
    lines.finish(control).await;
    exit
}

async fn over(control: &Control, release: &Release, dyno: &Dyno, exit: Exit) {
    control.registry.remove(dyno.id);
    sandbox::clean(control, dyno.id).await;
    journal::dyno(control, dyno.app, &dyno.name, format!("Process exited with status {}", exit.status())).await;
    journal::dyno(control, dyno.app, &dyno.name, "State changed from up to complete").await;
    note(control, release, exit.is_success()).await;
}

async fn note(control: &Control, release: &Release, succeeded: bool) {
    let ended = (control.clone(), release.clone());
    outcome::note(format!("The end of the command of release v{}", release.version), move || {
        let (control, release) = ended.clone();
        async move { decide(&control, &release, succeeded).await }
    })
    .await;
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
    if let (true, Some(slug)) = (current.is_some_and(|current| current.id == release.id), release.slug) {
        let slug = store::slug::by_id(tx.db(), slug).await?;
        let process_types = slug.map(|slug| slug.process_types).unwrap_or_default();
        formation::reshape(control, &mut tx, &app, release.by, &process_types).await?;
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
    Ok(())
}
