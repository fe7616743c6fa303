//! One test run from its beginning to its verdict: source, compile, test-setup, tests, in a sandbox that goes away afterwards.

use crate::build::Archive;
use crate::build_queue::{Listener, QueueError};
use crate::steps::{self, Halt, SandboxRunner};
use crate::test_report::TestReport;
use crate::{Control, app_json, fetch, test_cache, test_end};
use builder::{BuildFailure, Job, Purpose, Rules, RunError, Runner, Step, TestPlace, test_compile};
use model::app_json::AppJson;
use model::config_var::ConfigVars;
use model::dyno::Exit;
use model::id::BuildId;
use model::pipeline::Stage;
use model::stack::Stack;
use model::test_environment::{MissingVar, environment, not_given};
use model::test_run::{TestEvent, TestNode, TestRun, TestState, TestStep};
use std::path::{Path, PathBuf};
use store::StoreError;
use tokio::sync::{mpsc, watch};

/// Lines of a run that wait for a slow reader.
const LINES_WAITING: usize = 256;

/// The environment of app.json that tests are in.
const ENVIRONMENT: &str = "test";

/// A run that has begun and waits to be run.
pub(crate) struct Begun {
    pub(crate) run: TestRun,
    pub(crate) node: TestNode,
    pub(crate) report: TestReport,
    /// Told when somebody cancels it.
    pub(crate) cancelled: watch::Receiver<bool>,
}

/// What is tested, and how where the app does not say.
pub(crate) struct Subject {
    pub(crate) archive: Archive,
    pub(crate) stack: Stack,
    pub(crate) buildpacks: Vec<String>,
    pub(crate) time_limit_s: u64,
}

/// Why there is no verdict of the tests.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it was cancelled")]
    Cancelled,
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the source cannot be used: {0}")]
    Archive(#[from] builder::ArchiveError),
    #[error("the source could not be fetched: {0}")]
    Fetch(#[from] fetch::FetchError),
    #[error(transparent)]
    AppJson(#[from] app_json::UnusableAppJson),
    #[error(transparent)]
    Missing(#[from] MissingVar),
    #[error(transparent)]
    Compile(#[from] BuildFailure),
    #[error("test-setup ended with status {0}")]
    Setup(i32),
    #[error(
        "the app names no tests, and its buildpack knows none: name them in app.json as environments.test.scripts.test"
    )]
    NoTests,
    #[error("it took longer than {}", steps::spoken(*.0))]
    Late(u64),
    #[error("it wrote more to the disk than it may")]
    Disk,
    #[error("the sandbox failed: {0}")]
    Run(#[from] RunError),
    #[error("its folder failed: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Broken {
    fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Compile(failure) => failure.exit_code(),
            Self::Setup(status) => Some(*status),
            Self::Cancelled
            | Self::Queue(_)
            | Self::Archive(_)
            | Self::Fetch(_)
            | Self::AppJson(_)
            | Self::Missing(_)
            | Self::NoTests
            | Self::Late(_)
            | Self::Disk
            | Self::Run(_)
            | Self::Folder(_)
            | Self::Store(_) => None,
        }
    }
}

/// Runs it to its end, whatever becomes of whoever watches; what it came to.
pub(crate) async fn run(control: &Control, begun: Begun, subject: Subject) -> TestState {
    let Begun { run, node, mut report, cancelled } = begun;
    let folder = control.settings.dir.join("builds").join(run.id.to_string());
    let trial = Trial { control, run: &run, node: &node, folder: &folder, cancelled, report: &mut report };
    let event = match trial.make(subject).await {
        Ok(exit) => TestEvent::Ended(exit),
        Err(broken) => TestEvent::Broke { exit_code: broken.exit_code(), why: broken.to_string() },
    };
    tokio::spawn(remove(folder));
    // Somebody may have ended it already: what is noted counts.
    let state = test_end::settle(control, &run, &node, event).await;
    let cases = report.close(&test_end::verdict_lines(&run, &state)).await;
    if let Err(error) = test_end::keep_cases(control, &node, cases).await {
        tracing::warn!(test_run.id = %run.id, %error, "The cases of a test run were not kept");
    }
    test_end::over(control, &run, &state).await;
    state
}

/// A run under way.
struct Trial<'r> {
    control: &'r Control,
    run: &'r TestRun,
    node: &'r TestNode,
    folder: &'r Path,
    cancelled: watch::Receiver<bool>,
    report: &'r mut TestReport,
}

impl Trial<'_> {
    async fn make(mut self, subject: Subject) -> Result<Exit, Broken> {
        let control = self.control;
        let mut cancelled = self.cancelled.clone();
        let _turn = tokio::select! {
            turn = control.build_queue.turn(&mut *self.report) => turn?,
            _told = cancelled.wait_for(|cancelled| *cancelled) => return Err(Broken::Cancelled),
        };
        self.reach(TestStep::Creating).await?;
        let limit_s = subject.time_limit_s;
        let runner = SandboxRunner::of_tests(control.clone(), self.run, limit_s, self.cancelled.clone());
        let source = self.source(subject.archive).await?;
        let app = app_json::read(&source).await?.in_environment(ENVIRONMENT);
        let config = self.environment(&app).await?;
        self.reach(TestStep::Building).await?;
        let cache = test_cache::lend(control, self.run.pipeline)?;
        if self.run.clear_cache {
            builder::purge(&cache.dir)?;
        }
        let job = Job {
            purpose: Purpose::Tests,
            build: BuildId(self.run.id.0),
            dir: self.folder.to_owned(),
            cache_dir: cache.dir.clone(),
            packs: &control.packs,
            buildpacks: if app.buildpacks.is_empty() { subject.buildpacks } else { app.buildpacks.clone() },
            stack: subject.stack,
            source_version: Some(self.run.commit.sha.clone()),
            config_vars: &config,
            site_env: &control.settings.site_env,
            owner: control.owner,
            limits: steps::LIMITS,
        };
        let place = self.compile(&job, &runner, limit_s).await?;
        self.set_up(&app, &place, &runner, limit_s).await?;
        let (named, tests) = tests(&app, &place)?;
        self.reach(TestStep::Running).await?;
        self.report.begin_tests();
        self.report.line(&format!("-----> Running test command `{named}`...")).await;
        self.step(&runner, tests, limit_s).await
    }

    /// Notes the next step; nobody may have ended the run meanwhile.
    async fn reach(&self, step: TestStep) -> Result<(), Broken> {
        let reached = test_end::change(self.control, self.run, self.node, TestEvent::Reached(step)).await?;
        if reached { Ok(()) } else { Err(Broken::Cancelled) }
    }

    async fn source(&self, archive: Archive) -> Result<PathBuf, Broken> {
        let (owner, source) = (self.control.owner, self.folder.join("app"));
        tokio::fs::create_dir_all(self.folder).await?;
        runtime::prepare_dir(&source)?;
        match archive {
            Archive::Fetched(file) => builder::extract_stream(file, &source, Rules::source(owner)).await?,
            Archive::Tree(tree) => builder::extract_stream(tree, &source, Rules::tree(owner)).await?,
            Archive::Url(url) => {
                let body = fetch::archive(self.control, &url, None, self.folder).await?;
                builder::extract_stream(body, &source, Rules::source(owner)).await?;
            }
        }
        Ok(source)
    }

    async fn environment(&mut self, app: &AppJson) -> Result<ConfigVars, Broken> {
        let (control, run) = (self.control, self.run);
        if let Some(warning) = not_given(app) {
            self.report.line(&format!(" !     {warning}")).await;
            test_end::warn(control, run, &warning).await?;
        }
        let config = store::pipeline_config_var::all(&control.store, run.pipeline, Stage::Test).await?;
        let nodes = store::test_node::of_run(control.store.db(), run.id).await?.len();
        Ok(environment(app, &config, run, (self.node, nodes), || control.world.secret::<32>())?)
    }

    async fn compile(&mut self, job: &Job<'_>, runner: &SandboxRunner, limit_s: u64) -> Result<TestPlace, Broken> {
        let (lines, printed) = mpsc::channel(LINES_WAITING);
        let (made, ()) = tokio::join!(test_compile(job, runner, lines), relay(self.report, printed));
        halted(runner, limit_s)?;
        Ok(made?)
    }

    /// What the app wants to be done before its tests.
    async fn set_up(
        &mut self,
        app: &AppJson,
        place: &TestPlace,
        runner: &SandboxRunner,
        limit_s: u64,
    ) -> Result<(), Broken> {
        let Some(command) = app.scripts.get("test-setup") else { return Ok(()) };
        self.report.line(&format!("-----> Running test-setup command `{command}`...")).await;
        let exit = self.step(runner, place.command(command), limit_s).await?;
        if exit.is_success() { Ok(()) } else { Err(Broken::Setup(exit.status())) }
    }

    async fn step(&mut self, runner: &SandboxRunner, step: Step, limit_s: u64) -> Result<Exit, Broken> {
        let (lines, printed) = mpsc::channel(LINES_WAITING);
        let (exit, ()) = tokio::join!(runner.run(step, lines), relay(self.report, printed));
        halted(runner, limit_s)?;
        Ok(exit?)
    }
}

/// Until the program that prints them has ended.
async fn relay(report: &mut TestReport, mut printed: mpsc::Receiver<String>) {
    while let Some(line) = printed.recv().await {
        report.line(&line).await;
    }
}

/// What was ended from outside has no verdict of its own.
fn halted(runner: &SandboxRunner, limit_s: u64) -> Result<(), Broken> {
    match runner.halted() {
        None => Ok(()),
        Some(Halt::Late) => Err(Broken::Late(limit_s)),
        Some(Halt::Disk) => Err(Broken::Disk),
        Some(Halt::Cancelled) => Err(Broken::Cancelled),
    }
}

/// The tests: those of app.json, else those that the last pack knows; what they are called, and the program.
fn tests(app: &AppJson, place: &TestPlace) -> Result<(String, Step), Broken> {
    if let Some(command) = app.scripts.get("test") {
        return Ok((command.clone(), place.command(command)));
    }
    let step = place.own_tests().ok_or(Broken::NoTests)?;
    Ok((format!("bin/test of {}", place.buildpacks.last().map_or("the buildpack", String::as_str)), step))
}

async fn remove(folder: PathBuf) {
    let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&folder)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "A test run's folder was not removed");
    }
}
