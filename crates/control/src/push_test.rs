//! Tests before the build: what a push to an app goes through first where its pipeline's test gate is on.

use crate::build::Archive;
use crate::gate::Authorized;
use crate::push::say;
use crate::test_override::{self, OPTION};
use crate::test_run::{self, Asked};
use crate::testing::{self, Subject};
use crate::{Control, audit, test_gate};
use git::hook::PushSession;
use git::{ObjectId, RefUpdate};
use model::app::App;
use model::audit::Change;
use model::id::TestRunId;
use model::pipeline::Pipeline;
use model::test_run::{Commit, TestGate, TestState, kept_message};
use store::StoreError;
use tokio::sync::mpsc;

/// Lines on their way to the one who pushes.
const LINES_WAITING: usize = 64;

/// The commit is not built; whoever pushes was told why.
pub(crate) struct Refused;

/// May the commit be built? The test run that it went through, if it had to. Says why not.
pub(crate) async fn passes(
    control: &Control,
    (app, change): (&Authorized<App>, &Change),
    session: &mut PushSession,
    update: &RefUpdate,
    commit: &ObjectId,
) -> Result<Option<TestRunId>, Refused> {
    let wanted = session.options.iter().find_map(|option| option.strip_prefix(OPTION)).map(str::to_owned);
    match test_gate::of_app(control, app.id).await {
        Ok(None) => Ok(None),
        Ok(Some(_)) if wanted.is_some() => {
            let reason = wanted.unwrap_or_default();
            match overridden(control, app, change, &reason, commit).await {
                Ok(()) => {
                    say(session, &format!(" !     Not tested before the build, overridden by {}.", app.by().email))
                        .await;
                    say(session, "").await;
                    Ok(None)
                }
                Err(why) => refuse(session, &why).await,
            }
        }
        Ok(Some((pipeline, gate))) => match is_building(control, app).await {
            Ok(false) => tested(control, app, session, update, commit, (&pipeline, gate)).await.map(Some),
            Ok(true) => refuse(session, &crate::build::BuildError::Busy(app.name.clone()).to_string()).await,
            Err(error) => refuse(session, &error.to_string()).await,
        },
        Err(error) => refuse(session, &error.to_string()).await,
    }
}

/// Notes that the tests are passed over, before anything is built; or says why they are not.
async fn overridden(
    control: &Control,
    app: &Authorized<App>,
    change: &Change,
    reason: &str,
    commit: &ObjectId,
) -> Result<(), String> {
    let reason = test_override::allowed(app, reason).map_err(|error| error.to_string())?;
    let change = Change { action: format!("{} (tests overridden)", change.action), ..change.clone() };
    let content = model::audit::tests_overridden(reason, commit.as_str());
    audit::ask(control, &change, content).await.map_err(|error| error.to_string())?;
    test_override::tell(control, app, &format!("Push of {}", commit.as_str()), reason).await;
    Ok(())
}

/// Nobody waits for tests of a push that is refused after them.
async fn is_building(control: &Control, app: &Authorized<App>) -> Result<bool, StoreError> {
    let pending = store::build::pending(control.store.db()).await?;
    Ok(pending.iter().any(|build| build.app == app.id))
}

async fn refuse<T>(session: &mut PushSession, why: &str) -> Result<T, Refused> {
    say(session, &format!(" !     Push rejected: {why}.")).await;
    say(session, "").await;
    Err(Refused)
}

async fn tested(
    control: &Control,
    app: &Authorized<App>,
    session: &mut PushSession,
    update: &RefUpdate,
    commit: &ObjectId,
    (pipeline, gate): (&Pipeline, TestGate),
) -> Result<TestRunId, Refused> {
    let message = session.message(commit).await.unwrap_or_default();
    let about = session.commit(commit).await.unwrap_or_default();
    let commit_of = Commit {
        branch: update.name.branch().unwrap_or_default().to_owned(),
        message: kept_message(&message),
        sha: commit.as_str().to_owned(),
    };
    let asked = Asked {
        by: app.by(),
        pipeline: pipeline.id,
        app: Some((app.id, app.name.clone())),
        commit: commit_of,
        author_email: about.map(|commit| commit.email),
        source_url: String::new(),
        clear_cache: false,
    };
    let buildpacks = match test_gate::buildpacks(control, app.id).await {
        Ok(buildpacks) => buildpacks,
        Err(error) => return refuse(session, &error.to_string()).await,
    };
    // Before the run is noted: a git process that is gone leaves none behind.
    let tree = match session.tree(commit).await {
        Ok(tree) => tree,
        Err(error) => return refuse(session, &format!("the pushed commit could not be read: {error}")).await,
    };
    let (watcher, mut lines) = mpsc::channel(LINES_WAITING);
    let begun = match test_run::begin(control, asked, Some(watcher)).await {
        Ok(begun) => begun,
        Err(error) => return refuse(session, &error.to_string()).await,
    };
    let (id, number) = (begun.run.id, begun.run.number);
    if let Ok(Some(before)) = store::test_run::before(control.store.db(), &begun.run).await
        && let TestState::Errored { why, .. } = &before.state
    {
        say(session, &format!(" !     Test run #{} of this commit came to no verdict: {why}.", before.number)).await;
    }
    say(session, &format!("-----> Test run #{number} of the pipeline {}, before the build", pipeline.name)).await;
    let archive = Archive::Tree(Box::new(tree));
    let subject = Subject { archive, stack: app.stack.clone(), buildpacks, time_limit_s: gate.time_limit_s };
    let work = {
        let control = control.clone();
        tokio::spawn(async move { testing::run(&control, begun, subject).await })
    };
    while let Some(line) = lines.recv().await {
        say(session, &line).await;
    }
    match work.await {
        Ok(TestState::Succeeded) => {
            say(session, "").await;
            Ok(id)
        }
        Ok(state) => declined(session, app, pipeline, number, &state).await,
        Err(error) => {
            tracing::error!(app.id = %app.id, %error, "A test run's task ended in a panic");
            refuse(session, "the test run broke off inside Flowline; its log tells more").await
        }
    }
}

/// What became of the push, and what to do: another thing for a red commit than for a run that did not come to a verdict.
async fn declined(
    session: &mut PushSession,
    app: &Authorized<App>,
    pipeline: &Pipeline,
    number: i64,
    state: &TestState,
) -> Result<TestRunId, Refused> {
    let (why, next) = match state {
        TestState::Failed { .. } => ("its tests failed", "Make them pass and push again."),
        TestState::Errored { .. } => {
            ("its tests could not be run", "That is no verdict on the commit: remove the cause and push again.")
        }
        TestState::Cancelled { .. } => ("its test run was cancelled", "Push again to test it again."),
        TestState::Succeeded | TestState::At(_) => ("its test run has no end", "Push again."),
    };
    for line in [
        String::new(),
        format!(" !     Push rejected: {why}. Nothing was built, and what runs goes on."),
        format!(" !     {next}"),
        format!(" !     All of it again: flowline ci:info {number} -p {}", pipeline.name),
        format!(" !     Whoever manages {} may push it untested: git push -o {OPTION}REASON", app.name),
        String::new(),
        format!("!\tPush rejected to {}.", app.name),
        String::new(),
    ] {
        say(session, &line).await;
    }
    Err(Refused)
}
