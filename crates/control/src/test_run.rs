//! Test runs: begun by a push or by name, listed, cancelled; how each ends is noted here and nowhere else.

use crate::build::Archive;
use crate::gate::{Authorized, GateError};
use crate::output::OutputReader;
use crate::test_cache::Taken;
use crate::test_report::TestReport;
use crate::testing::{self, Begun, Subject};
use crate::{Control, disk, test_end, test_gate};
use model::account::Account;
use model::app::AppName;
use model::id::{AppId, PipelineId, TestNodeId, TestRunId};
use model::permission::Right;
use model::pipeline::Pipeline;
use model::test_run::{Commit, TestEvent, TestNode, TestRun, TestState, TestStep, kept_message};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
pub use store::test_case::KeptCase;
use store::{StoreError, Tx};
use tokio::sync::{mpsc, watch};

/// A branch's or commit's name that is longer is none: git itself stops at the length of a file's name.
const NAME_LIMIT_BYTES: usize = 255;

/// Why a test run is not begun, found or ended.
#[derive(Debug, thiserror::Error)]
pub enum TestRunError {
    /// Two pushes at once.
    #[error(
        "a push to {0} is being tested already. Wait for that test run to end (`flowline ci` shows it), or cancel it \
         (`flowline ci:cancel`), then push again"
    )]
    Busy(AppName),
    /// No such run, or none that the caller may see.
    #[error("Couldn't find that test run.")]
    NoSuchRun,
    /// No address to fetch the source from.
    #[error(
        "source_blob_url is missing: make one with POST /sources and upload the archive there, or give an http(s) address"
    )]
    NoSource,
    /// An address that is none.
    #[error("source_blob_url `{0}` is not an http or https address")]
    BadUrl(String),
    /// A name that no branch or commit has.
    #[error("{0} must be text of 1 to {NAME_LIMIT_BYTES} bytes without control characters")]
    BadCommit(&'static str),
    /// Only one change can be asked for.
    #[error("A test run's status becomes `cancelled` on demand and nothing else; `{0}` cannot be asked for")]
    BadStatus(String),
    /// Too late.
    #[error("Test run #{number} is over already: it {state}")]
    Over {
        /// Its number.
        number: i64,
        /// How it ended.
        state: &'static str,
    },
    /// Nobody can attach to a run.
    #[error("This server has no debug runs: leave `debug` out, or run the tests in a one-off dyno (`flowline run`)")]
    NoDebug,
    /// The disk is nearly full.
    #[error(transparent)]
    Short(#[from] model::disk::Short),
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The output's file.
    #[error("The test run's output cannot be read: {0}")]
    Output(#[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs that this server runs now: to be told that they are cancelled.
#[derive(Default)]
pub(crate) struct Running {
    told: Mutex<HashMap<TestRunId, watch::Sender<bool>>>,
    /// The caches that they use.
    pub(crate) caches: Taken,
}

impl Running {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<TestRunId, watch::Sender<bool>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is over.
    pub(crate) fn forget(&self, id: TestRunId) {
        self.all().remove(&id);
    }
}

/// A run with what it shows.
#[derive(Debug, Clone)]
pub struct TestRunDetail {
    /// The run.
    pub run: TestRun,
    /// Who pushed or asked.
    pub by: Account,
}

/// What a run is asked for with.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What is tested.
    pub commit: Commit,
    /// Where its archive is.
    pub source_url: String,
    /// With an empty cache?
    pub clear_cache: bool,
    /// To be attached to?
    pub debug: bool,
}

/// Whose run it is: what [`begin`] notes.
pub(crate) struct Asked<'a> {
    pub(crate) by: &'a Account,
    pub(crate) pipeline: PipelineId,
    /// The app that was pushed to.
    pub(crate) app: Option<(AppId, AppName)>,
    pub(crate) commit: Commit,
    /// The address of whoever wrote it, if that is known.
    pub(crate) author_email: Option<String>,
    pub(crate) source_url: String,
    pub(crate) clear_cache: bool,
}

/// Begins a run of an archive, in the background.
///
/// # Errors
/// No or a bad address, a commit that is none.
pub async fn create(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    wanted: Wanted,
) -> Result<TestRunDetail, TestRunError> {
    let url = &wanted.source_url;
    if url.is_empty() {
        return Err(TestRunError::NoSource);
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(TestRunError::BadUrl(url.clone()));
    }
    if wanted.debug {
        return Err(TestRunError::NoDebug);
    }
    let archive = Archive::Url(url.clone());
    let commit = checked(wanted.commit)?;
    let asked = Asked {
        by: pipeline.by(),
        pipeline: pipeline.id,
        app: None,
        commit,
        author_email: None,
        source_url: wanted.source_url,
        clear_cache: wanted.clear_cache,
    };
    let gate = store::test_gate::find(control.store.db(), pipeline.id).await?;
    let (stack, buildpacks) = test_gate::ground(control, pipeline.id).await?;
    let begun = begin(control, asked, None).await?;
    let detail = TestRunDetail { run: begun.run.clone(), by: pipeline.by().clone() };
    let subject = Subject { archive, stack, buildpacks, time_limit_s: gate.time_limit_s };
    let control = control.clone();
    tokio::spawn(async move { testing::run(&control, begun, subject).await });
    Ok(detail)
}

fn checked(commit: Commit) -> Result<Commit, TestRunError> {
    for (what, text) in [("commit_branch", &commit.branch), ("commit_sha", &commit.sha)] {
        if !(1..=NAME_LIMIT_BYTES).contains(&text.len()) || text.chars().any(char::is_control) {
            return Err(TestRunError::BadCommit(what));
        }
    }
    Ok(Commit { message: kept_message(&commit.message.replace('\0', "")), ..commit })
}

/// Notes that a run begins, with the one node that it has.
pub(crate) async fn begin(
    control: &Control,
    asked: Asked<'_>,
    watcher: Option<mpsc::Sender<String>>,
) -> Result<Begun, TestRunError> {
    disk::admits(control, 0)?;
    let now = control.now();
    let state = TestState::At(TestStep::Pending);
    let mut run = TestRun {
        id: control.world.new_id(),
        pipeline: asked.pipeline,
        number: 0,
        app: asked.app.as_ref().map(|(id, _)| *id),
        by: asked.by.id,
        commit: asked.commit,
        source_url: asked.source_url,
        clear_cache: asked.clear_cache,
        state: state.clone(),
        warning: None,
        author_email: asked.author_email,
        created_at: now,
        begun_at: None,
        updated_at: now,
    };
    let node = TestNode {
        id: control.world.new_id(),
        run: run.id,
        index: 0,
        secret: control.world.secret::<32>(),
        state,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    run.number = match (store::test_run::insert(&mut tx, &run).await, asked.app) {
        (Err(error), Some((_, name))) if error.is_duplicate() => return Err(TestRunError::Busy(name)),
        (inserted, _) => inserted?,
    };
    store::test_node::insert(&mut tx, &node).await?;
    test_end::tell_made(control, &mut tx, &run).await?;
    // Before anybody can ask for them: a reader never takes a run's output for one that is complete.
    let setup = control.outputs.create(&setup_key(node.id)).map_err(TestRunError::Output)?;
    let tests = control.outputs.create(&tests_key(node.id)).map_err(TestRunError::Output)?;
    let (cancel, cancelled) = watch::channel(false);
    control.test_runs.all().insert(run.id, cancel);
    if let Err(error) = tx.commit().await {
        control.test_runs.forget(run.id);
        return Err(error.into());
    }
    test_end::tell(
        control,
        &run,
        format!("Test run #{} of {} started by user {}", run.number, run.commit.sha, asked.by.email),
    )
    .await;
    Ok(Begun { run, node, report: TestReport::new(setup, tests, watcher), cancelled })
}

/// The runs of a pipeline, by number.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Vec<TestRunDetail>, TestRunError> {
    let mut details = Vec::new();
    let mut known = HashMap::new();
    for run in store::test_run::list(control.store.db(), pipeline.id).await? {
        let by = match known.get(&run.by) {
            Some(by) => Account::clone(by),
            None => store::account::known(control.store.db(), run.by).await?,
        };
        known.insert(run.by, by.clone());
        details.push(TestRunDetail { run, by });
    }
    Ok(details)
}

/// The run of a pipeline with this number.
///
/// # Errors
/// [`TestRunError::NoSuchRun`].
pub async fn by_number(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    number: i64,
) -> Result<TestRunDetail, TestRunError> {
    let run = store::test_run::by_number(control.store.db(), pipeline.id, number).await?;
    detail(control, run.ok_or(TestRunError::NoSuchRun)?).await
}

/// The run with this id, for whoever has that right to its pipeline.
///
/// # Errors
/// [`TestRunError::NoSuchRun`] when there is none that the account may see, [`TestRunError::Gate`] when it may only see it.
pub async fn find(
    control: &Control,
    who: &Account,
    id: TestRunId,
    right: Right,
) -> Result<TestRunDetail, TestRunError> {
    let run = store::test_run::by_id(control.store.db(), id).await?.ok_or(TestRunError::NoSuchRun)?;
    match control.pipeline(who, &run.pipeline.to_string(), right).await {
        Err(GateError::NoSuchPipeline) => Err(TestRunError::NoSuchRun),
        Err(error) => Err(error.into()),
        Ok(_) => detail(control, run).await,
    }
}

/// A run as a change sees it that is not yet committed.
pub(crate) async fn detail_in(tx: &mut Tx, run: TestRun) -> Result<TestRunDetail, StoreError> {
    let by = store::account::known(tx.db(), run.by).await?;
    Ok(TestRunDetail { run, by })
}

async fn detail(control: &Control, run: TestRun) -> Result<TestRunDetail, TestRunError> {
    let by = store::account::known(control.store.db(), run.by).await?;
    Ok(TestRunDetail { run, by })
}

/// Ends a run that is under way: `cancelled` is the only status that can be asked for.
///
/// # Errors
/// No right to it, another status, a run that is over.
pub async fn cancel(
    control: &Control,
    who: &Account,
    id: TestRunId,
    status: &str,
    message: &str,
) -> Result<TestRunDetail, TestRunError> {
    let TestRunDetail { run, .. } = find(control, who, id, Right::Deploy).await?;
    if status != "cancelled" {
        return Err(TestRunError::BadStatus(status.chars().take(60).collect()));
    }
    let message = kept_message(message);
    let why = if message.is_empty() { format!("by {}", who.email) } else { format!("by {}: {message}", who.email) };
    let ended = end(control, &run, &why).await?;
    let now = store::test_run::by_id(control.store.db(), id).await?.ok_or(TestRunError::NoSuchRun)?;
    if !ended {
        return Err(TestRunError::Over { number: now.number, state: now.state.word() });
    }
    detail(control, now).await
}

/// The same for the build that waits for it. `false`: it is over already.
pub(crate) async fn end(control: &Control, run: &TestRun, why: &str) -> Result<bool, StoreError> {
    let mut ended = false;
    for node in store::test_node::of_run(control.store.db(), run.id).await? {
        ended |= test_end::change(control, run, &node, TestEvent::Cancelled { why: why.to_owned() }).await?;
    }
    if ended && let Some(cancel) = control.test_runs.all().get(&run.id) {
        cancel.send_replace(true);
    }
    Ok(ended)
}

/// The nodes of a run, in their places.
///
/// # Errors
/// When the database fails.
pub async fn nodes(control: &Control, run: &TestRun) -> Result<Vec<TestNode>, TestRunError> {
    Ok(store::test_node::of_run(control.store.db(), run.id).await?)
}

/// The cases that the tests of a run told of.
///
/// # Errors
/// When the database fails.
pub async fn cases(control: &Control, run: &TestRun) -> Result<Vec<KeptCase>, TestRunError> {
    Ok(store::test_case::of_run(control.store.db(), run.id).await?)
}

/// One of a node's two outputs (CI-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestOutput {
    /// Until the tests begin.
    Setup,
    /// Of the tests.
    Tests,
}

/// What a node printed, for whoever holds the address.
///
/// # Errors
/// A wrong address, or a file that cannot be read.
pub async fn output(
    control: &Control,
    node: TestNodeId,
    secret: &str,
    which: TestOutput,
) -> Result<OutputReader, TestRunError> {
    let node = store::test_node::by_id(control.store.db(), node).await?;
    let node = node.filter(|node| crate::same_secret(&node.secret, secret)).ok_or(TestRunError::NoSuchRun)?;
    let key = match which {
        TestOutput::Setup => setup_key(node.id),
        TestOutput::Tests => tests_key(node.id),
    };
    let reader = control.outputs.read(&key).map_err(TestRunError::Output)?;
    reader.ok_or(TestRunError::NoSuchRun)
}

/// The keys of a node's outputs.
pub(crate) fn setup_key(id: TestNodeId) -> String {
    format!("{SETUP}{id}")
}

pub(crate) fn tests_key(id: TestNodeId) -> String {
    format!("{TESTS}{id}")
}

/// The node whose output a key is.
pub(crate) fn node_of(key: &str) -> Option<TestNodeId> {
    key.strip_prefix(SETUP).or_else(|| key.strip_prefix(TESTS))?.parse().ok()
}

const SETUP: &str = "test-setup-";
const TESTS: &str = "test-output-";
