//! What is said of something that can be broken: of what, whether it worked, in one line, and whose change it was.

use crate::event::{Change, Resource};
use crate::promotion::TargetDetail;
use crate::{Control, author, build, release, test_run, verification};
use model::account::Account;
use model::alarm::{AlarmKey, AlarmKind, Health};
use model::app::App;
use model::build::{Build, BuildState};
use model::dyno::{Dyno, DynoRole, DynoState};
use model::event::Action;
use model::failing_line::first_failing;
use model::id::{AccountId, AppId, ReleaseId};
use model::log::LogFilter;
use model::promotion::{Promotion, TargetState};
use model::release::{Release, ReleaseStatus};
use model::test_run::{TestNode, TestRun, TestState};
use model::verification::{Verdict, Verification, VerificationState};
use std::time::Duration;
use store::{StoreError, Tx};

/// Lines of a dyno's log that are looked through for what made it crash.
const LINES_LOOKED_THROUGH: usize = 200;

/// The log is looked through for so long at most: a transaction waits.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// What an event says of something that can be broken.
pub(crate) struct Said<'a> {
    /// What it is about.
    pub(crate) key: AlarmKey,
    /// Did it work?
    pub(crate) health: Health,
    /// In one line.
    pub(crate) what: String,
    /// Whose change, and where its output is.
    pub(crate) of: Of<'a>,
}

/// Whose change an alarm is about.
pub(crate) enum Of<'a> {
    /// A build's.
    Build(&'a Build),
    /// A release's.
    Release(&'a Release),
    /// That of the release that was checked.
    Verification(&'a Verification),
    /// That of the release that a dyno runs.
    Dyno(&'a Dyno),
    /// Of whoever's code is promoted; without a release of it, of whoever promotes.
    Promotion(&'a Promotion, Option<ReleaseId>),
    /// That of the release that waits at a gate, and the first rule that is shut.
    Held(&'a Release, String),
    /// Nobody's in particular.
    Nobody,
    /// That of the commit that was tested; its output, as far as it came.
    TestRun(&'a TestRun, &'a TestNode),
}

/// What an event says, if it is about something that can be broken.
pub(crate) fn says<'a>(change: &Change<'a>) -> Option<Said<'a>> {
    if change.action == Action::Destroy {
        return None;
    }
    match change.now {
        Resource::Build(detail) => says_build(&detail.build),
        Resource::Release(_, detail) => says_release(&detail.release),
        Resource::Dyno(_, dyno) => says_dyno(dyno),
        Resource::Verification(_, detail) => says_verification(&detail.verification),
        Resource::PromotionTarget(_, detail) => says_target(detail).filter(|_| change.action == Action::Update),
        // A test run says it itself: one that was asked for has no event.
        Resource::TestRun(..)
        | Resource::PipelineCoupling(..)
        | Resource::App(_)
        | Resource::Formation(..)
        | Resource::Collaborator(..)
        | Resource::Domain(..)
        | Resource::SniEndpoint(..) => None,
    }
}

fn says_build(build: &Build) -> Option<Said<'_>> {
    let version = build.source.version.as_deref().unwrap_or("an archive");
    let of: String = version.chars().take(8).collect();
    let (health, what) = match &build.state {
        BuildState::Pending => return None,
        BuildState::Succeeded { .. } => (Health::Good, format!("The build of {of} succeeded")),
        BuildState::Failed { why } => (Health::Bad, format!("The build of {of} failed: {why}")),
    };
    let key = AlarmKey { app: build.app, kind: AlarmKind::Build, thing: String::new() };
    Some(Said { key, health, what, of: Of::Build(build) })
}

fn says_release(release: &Release) -> Option<Said<'_>> {
    // Before the first build nothing can fail.
    release.slug?;
    let of = format!("v{} ({})", release.version, release.description);
    let (health, what) = match release.status {
        ReleaseStatus::Pending | ReleaseStatus::Expired => return None,
        ReleaseStatus::Succeeded => (Health::Good, format!("{of} is released")),
        ReleaseStatus::Failed => {
            (Health::Bad, format!("The release command of {of} failed; the release before it goes on"))
        }
    };
    let key = AlarmKey { app: release.app, kind: AlarmKind::Release, thing: String::new() };
    Some(Said { key, health, what, of: Of::Release(release) })
}

fn says_verification(check: &Verification) -> Option<Said<'_>> {
    let VerificationState::Over { verdict, why, .. } = &check.state else { return None };
    let of = format!("v{} on {}", check.version, check.stage);
    let (health, what) = match verdict {
        Verdict::Green => (Health::Good, format!("{of} has its green light")),
        Verdict::Red => (Health::Bad, format!("{of} failed its check on the running server: {why}")),
        Verdict::Errored => (Health::Bad, format!("{of} could not be checked on the running server: {why}")),
        // It says nothing about the release.
        Verdict::Untested | Verdict::Cancelled => return None,
    };
    let key = AlarmKey { app: check.app, kind: AlarmKind::Verify, thing: String::new() };
    Some(Said { key, health, what, of: Of::Verification(check) })
}

fn says_target(detail: &TargetDetail) -> Option<Said<'_>> {
    let TargetDetail { promotion, target } = detail;
    let of = format!("The promotion of {} v{}", promotion.source_name, promotion.version);
    let (health, what) = match &target.state {
        TargetState::Waiting | TargetState::Releasing(_) => return None,
        TargetState::Succeeded(made) => (Health::Good, format!("{of} is v{} of {}", made.version, target.app_name)),
        TargetState::Failed { why, .. } => (Health::Bad, format!("{of} came to nothing: {why}")),
    };
    let key = AlarmKey { app: target.app, kind: AlarmKind::Promotion, thing: String::new() };
    Some(Said { key, health, what, of: Of::Promotion(promotion, target.state.made().map(|made| made.release)) })
}

/// What the end of a test run says of the app that its code is for. Each branch but the one that is deployed is a thing of its own.
pub(crate) fn says_test<'a>(app: AppId, run: &'a TestRun, node: &'a TestNode, state: &TestState) -> Option<Said<'a>> {
    let of = format!("Test run #{} of {}", run.number, run.commit.sha.chars().take(8).collect::<String>());
    let (health, what) = match state {
        // Whoever cancelled it knows, and it says nothing of the commit.
        TestState::At(_) | TestState::Cancelled { .. } => return None,
        TestState::Succeeded => (Health::Good, format!("{of} succeeded")),
        TestState::Failed { exit_code } => {
            (Health::Bad, format!("{of} failed: the tests ended with status {exit_code}"))
        }
        TestState::Errored { why, .. } => (Health::Bad, format!("{of} came to no verdict: {why}")),
    };
    let branch = run.commit.branch.as_str();
    let thing = if matches!(branch, "main" | "master") { String::new() } else { branch.to_owned() };
    let key = AlarmKey { app, kind: AlarmKind::Test, thing };
    Some(Said { key, health, what, of: Of::TestRun(run, node) })
}

fn says_dyno(dyno: &Dyno) -> Option<Said<'_>> {
    if dyno.role != DynoRole::Formation {
        return None;
    }
    let (name, version) = (&dyno.name, dyno.version);
    let (health, what) = match dyno.state {
        // The first crash is tried again at once: only when that fails as well it is a loop.
        DynoState::Crashed { retry_at } if retry_at > dyno.since => {
            let wait_s = retry_at.since(dyno.since).as_secs();
            (Health::Bad, format!("{name} of v{version} crashes again and again; it is tried in {wait_s} seconds"))
        }
        DynoState::Up | DynoState::Idle => (Health::Good, format!("{name} of v{version} runs")),
        DynoState::Crashed { .. } | DynoState::Starting | DynoState::Stopping => return None,
    };
    let key = AlarmKey { app: dyno.app, kind: AlarmKind::Crash, thing: name.to_string() };
    Some(Said { key, health, what, of: Of::Dyno(dyno) })
}

/// Whose change it was.
pub(crate) async fn author_of(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    by: AccountId,
    of: &Of<'_>,
) -> Result<Option<Account>, StoreError> {
    match of {
        Of::Build(build) => author::to_tell(control, tx.db(), app, &author::of_build(build)).await,
        Of::Release(release) => author::responsible(control, tx.db(), app, release).await,
        Of::Verification(check) => match store::release::by_own_id(tx.db(), check.release).await? {
            Some(release) => author::responsible(control, tx.db(), app, &release).await,
            None => store::account::by_id(tx.db(), by).await,
        },
        Of::Dyno(dyno) => match store::release::by_own_id(tx.db(), dyno.release).await? {
            Some(release) => author::responsible(control, tx.db(), app, &release).await,
            None => store::account::by_id(tx.db(), by).await,
        },
        Of::Nobody => Ok(None),
        Of::Held(release, _) => author::responsible(control, tx.db(), app, release).await,
        Of::Promotion(_, Some(made)) => match store::release::by_own_id(tx.db(), *made).await? {
            Some(release) => author::responsible(control, tx.db(), app, &release).await,
            None => store::account::by_id(tx.db(), by).await,
        },
        Of::Promotion(promotion, None) => store::account::by_id(tx.db(), promotion.by).await,
        Of::TestRun(run, _) => author::wrote_or(control, tx.db(), app, run.author_email.as_deref(), run.by).await,
    }
}

/// What people would scroll back for.
pub(crate) async fn first_line(control: &Control, said: &Said<'_>) -> Option<String> {
    match &said.of {
        Of::Build(build) => control.outputs.first_failing(&build::output_key(build.id)).await,
        Of::Release(release) => control.outputs.first_failing(&release::output_key(release.id)).await,
        Of::Verification(check) => control.outputs.first_failing(&verification::output_key(check.id)).await,
        Of::Promotion(_, made) => control.outputs.first_failing(&release::output_key((*made)?)).await,
        Of::Held(_, rule) => Some(rule.clone()),
        Of::Nobody => None,
        Of::TestRun(_, node) => {
            let keys = [test_run::tests_key(node.id), test_run::setup_key(node.id)];
            match control.outputs.first_failing(&keys[0]).await {
                Some(line) => Some(line),
                None => control.outputs.first_failing(&keys[1]).await,
            }
        }
        Of::Dyno(dyno) => {
            let filter = LogFilter { source: Some("app".to_owned()), ps: Some(dyno.name.to_string()) };
            let lines = control.logs.history(dyno.app, &filter, LINES_LOOKED_THROUGH);
            let lines = tokio::time::timeout(LOG_LIMIT, lines).await.ok()?.ok()?;
            let own = lines.iter().filter(|line| line.at >= dyno.created_at);
            first_failing(own.map(|line| line.text.as_str()))
        }
    }
}
