//! Tests before a build that was asked for by API: the very archive that is tested is built.

use crate::build::{self, Archive, Report};
use crate::build_queue::Listener;
use crate::gate::Authorized;
use crate::test_run::{self, Asked};
use crate::testing::{self, Subject};
use crate::{Control, build_end, fetch, progress, test_gate};
use model::app::App;
use model::build::Build;
use model::pipeline::Pipeline;
use model::test_run::{Commit, TestGate, TestRun, TestState, kept_message};
use std::path::Path;
use tokio::fs::File;
use tokio::sync::mpsc;

/// Lines on their way to the build's output.
const LINES_WAITING: usize = 64;

/// The branch of a run whose source has none: what is built is deployed as pushes to it are.
const BRANCH: &str = "main";

/// Tests the source of a build and, if it is green, builds it.
pub(crate) async fn run(
    control: &Control,
    app: &Authorized<App>,
    build: Build,
    (pipeline, gate): (Pipeline, TestGate),
    mut report: Report,
) {
    let folder = control.settings.dir.join("builds").join(format!("{}-source", build.id));
    let cancelled = report.cancelled.clone();
    let passed = match cancelled.or(control, fetched(control, &build, &folder)).await {
        Ok(Ok((tested, built))) => {
            test(control, app, &build, (&pipeline, gate), tested, &mut report).await.map(|()| built)
        }
        Ok(Err(why)) => Err(why),
        Err(broken) => Err(broken.to_string()),
    };
    // Both are open: the folder is not needed for them.
    build::remove(folder).await;
    match passed {
        Ok(built) => drop(build::run(control, app, build, Archive::Fetched(built), report).await),
        Err(why) => {
            let why = if cancelled.is_told() { cancelled.reason(control).await.to_string() } else { why };
            report.line(&format!(" !     Not built: {why}.")).await;
            let name = &app.name;
            let hint =
                format!("Whoever manages {name} may build it untested: flowline builds:create --override REASON");
            report.line(&format!(" !     {hint}")).await;
            drop(report);
            build_end::fail(control, &build, &why).await;
        }
    }
}

/// The archive, opened twice.
async fn fetched(control: &Control, build: &Build, folder: &Path) -> Result<(File, File), String> {
    let kept = |error: std::io::Error| format!("the source could not be kept: {error}");
    tokio::fs::create_dir_all(folder).await.map_err(kept)?;
    let archive = fetch::archive(control, &build.source.url, build.source.checksum.as_deref(), folder).await;
    let archive = archive.map_err(|error| format!("the source could not be fetched: {error}"))?;
    let again = File::open(folder.join(fetch::ARCHIVE)).await.map_err(kept)?;
    Ok((archive, again))
}

/// Runs the tests, their lines in the output of the build; why nothing is built, if so.
async fn test(
    control: &Control,
    app: &Authorized<App>,
    build: &Build,
    (pipeline, gate): (&Pipeline, TestGate),
    archive: File,
    report: &mut Report,
) -> Result<(), String> {
    let source = &build.source;
    let asked = Asked {
        by: app.by(),
        pipeline: pipeline.id,
        app: Some((app.id, app.name.clone())),
        commit: Commit {
            branch: BRANCH.to_owned(),
            message: kept_message(source.description.as_deref().unwrap_or_default()),
            sha: source.version.clone().unwrap_or_else(|| build.id.to_string()),
        },
        author_email: None,
        source_url: source.url.clone(),
        clear_cache: false,
    };
    let buildpacks = test_gate::buildpacks(control, app.id).await.map_err(|error| error.to_string())?;
    let (watcher, mut lines) = mpsc::channel(LINES_WAITING);
    let begun = test_run::begin(control, asked, Some(watcher)).await.map_err(|error| error.to_string())?;
    let (run, number) = (begun.run.clone(), begun.run.number);
    report.line(&format!("-----> Test run #{number} of the pipeline {}, before the build", pipeline.name)).await;
    let time_limit_s = gate.time_limit_s;
    let subject = Subject { archive: Archive::Fetched(archive), stack: app.stack.clone(), buildpacks, time_limit_s };
    let work = {
        let control = control.clone();
        tokio::spawn(async move { testing::run(&control, begun, subject).await })
    };
    relay(control, &run, &mut lines, report).await;
    let see = format!("flowline ci:info {number} -p {}", pipeline.name);
    match work.await {
        Ok(TestState::Succeeded) => {
            progress::build_tested(control, build.id, run.id).await;
            Ok(())
        }
        Ok(TestState::Failed { .. }) => Err(format!("its tests failed ({see})")),
        Ok(TestState::Errored { why, .. }) => Err(format!("its tests could not be run: {why} ({see})")),
        Ok(TestState::Cancelled { why }) => Err(format!("its test run was cancelled {why} ({see})")),
        Ok(TestState::At(_)) => Err(format!("its test run has no end ({see})")),
        Err(error) => {
            tracing::error!(build.id = %build.id, %error, "A test run's task ended in a panic");
            Err("its test run broke off inside Flowline; its log tells more".to_owned())
        }
    }
}

/// What a test run prints, into the output of the build; it ends with the build when that is cancelled.
async fn relay(control: &Control, run: &TestRun, lines: &mut mpsc::Receiver<String>, report: &mut Report) {
    let cancelled = report.cancelled.clone();
    let mut told = false;
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => report.line(&line).await,
                None => break,
            },
            () = cancelled.told(), if !told => {
                told = true;
                if let Err(error) = test_run::end(control, run, "with the build that it was for").await {
                    tracing::error!(test_run.id = %run.id, %error, "The test run of a cancelled build goes on");
                }
            }
        }
    }
}
