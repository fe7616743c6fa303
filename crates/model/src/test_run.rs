//! A test run: one commit, compiled and tested in an environment of its own, before anything is built of it (CI-1 to CI-8).

use crate::dyno::Exit;
use crate::id::{AccountId, AppId, PipelineId, TestNodeId, TestRunId};
use crate::time::Timestamp;

/// A run may take this long unless its pipeline says otherwise (CI-8).
pub const TIME_LIMIT_S: u64 = 60 * 60;

/// In less not even an app without dependencies is ready to be tested…
pub const TIME_LIMIT_LEAST_S: u64 = 10;

/// …and nobody waits longer for a push; hosted peers stop here too.
pub const TIME_LIMIT_MOST_S: u64 = 2 * 60 * 60;

/// Of a commit's message so much is kept: its subject and the first paragraphs.
pub const MESSAGE_LIMIT_BYTES: usize = 4096;

/// One try of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// Its id.
    pub id: TestRunId,
    /// Whose it is.
    pub pipeline: PipelineId,
    /// Its number among the runs of the pipeline, from 1.
    pub number: i64,
    /// The app that the commit was pushed to; `None` for a run that was asked for.
    pub app: Option<AppId>,
    /// Who pushed or asked.
    pub by: AccountId,
    /// What is tested.
    pub commit: Commit,
    /// Where the archive is; empty for a push.
    pub source_url: String,
    /// Was it to begin with an empty cache?
    pub clear_cache: bool,
    /// How far it is: what its nodes come to.
    pub state: TestState,
    /// What the app asks for and this server does not give.
    pub warning: Option<String>,
    /// The address of whoever wrote the commit, where a push told it. Nobody has proven it.
    pub author_email: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it had its turn.
    pub begun_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is tested, as its author calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The branch.
    pub branch: String,
    /// What the author says.
    pub message: String,
    /// Its id.
    pub sha: String,
}

/// One of the machines' places that a run's tests are spread over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestNode {
    /// Its id.
    pub id: TestNodeId,
    /// Its run.
    pub run: TestRunId,
    /// Its place among the nodes, from 0.
    pub index: i64,
    /// The secret in the addresses of its output.
    pub secret: String,
    /// How far it is.
    pub state: TestState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A step on the way, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestStep {
    /// It waits for its turn.
    Pending,
    /// Its source is fetched and read.
    Creating,
    /// Packs compile it, and its test-setup runs.
    Building,
    /// Its tests run.
    Running,
}

/// How far a node or a run is. What is over never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestState {
    /// On its way.
    At(TestStep),
    /// The tests ended with status 0.
    Succeeded,
    /// The tests ended with another status.
    Failed {
        /// Which.
        exit_code: i32,
    },
    /// There is no verdict: it did not come to its tests, or they did not come to their end.
    Errored {
        /// Why, in the user's words.
        why: String,
        /// Where it was then.
        during: TestStep,
        /// The status of the program that failed, if it was one.
        exit_code: Option<i32>,
    },
    /// Somebody ended it.
    Cancelled {
        /// What they said.
        why: String,
    },
}

/// What can happen to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestEvent {
    /// The next step begins.
    Reached(TestStep),
    /// The tests ended.
    Ended(Exit),
    /// It broke before they did.
    Broke {
        /// Why.
        why: String,
        /// The status of the program that failed, if it was one.
        exit_code: Option<i32>,
    },
    /// Somebody ends it.
    Cancelled {
        /// What they say.
        why: String,
    },
}

/// A change that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("A test run that is {state} cannot take {event:?}")]
pub struct NotNow {
    /// Its state's word.
    pub state: &'static str,
    /// What came.
    pub event: TestEvent,
}

impl TestStep {
    /// Its word (CI-1).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Building => "building",
            Self::Running => "running",
        }
    }

    /// The step of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Pending, Self::Creating, Self::Building, Self::Running].into_iter().find(|step| step.word() == word)
    }
}

impl TestState {
    /// The only way a node changes.
    ///
    /// # Errors
    /// [`NotNow`] for what is over, a step back, and an end of tests that do not run.
    pub fn on(self, event: TestEvent) -> Result<Self, NotNow> {
        match (self, event) {
            (Self::At(step), TestEvent::Reached(next)) if next > step => Ok(Self::At(next)),
            (Self::At(TestStep::Running), TestEvent::Ended(exit)) => Ok(Self::ended(exit)),
            (Self::At(during), TestEvent::Broke { why, exit_code }) => Ok(Self::Errored { why, during, exit_code }),
            (Self::At(_), TestEvent::Cancelled { why }) => Ok(Self::Cancelled { why }),
            (
                state @ (Self::At(_)
                | Self::Succeeded
                | Self::Failed { .. }
                | Self::Errored { .. }
                | Self::Cancelled { .. }),
                event,
            ) => Err(NotNow { state: state.word(), event }),
        }
    }

    fn ended(exit: Exit) -> Self {
        match exit {
            Exit::Code(0) => Self::Succeeded,
            Exit::Code(_) | Exit::Signal(_) => Self::Failed { exit_code: exit.status() },
            Exit::Lost => {
                let why = "the process of the tests was lost".to_owned();
                Self::Errored { why, during: TestStep::Running, exit_code: None }
            }
        }
    }

    /// Its word (CI-1).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::At(step) => step.word(),
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Errored { .. } => "errored",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Is it over?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.step().is_none()
    }

    /// The step it is at.
    #[must_use]
    pub fn step(&self) -> Option<TestStep> {
        match self {
            Self::At(step) => Some(*step),
            Self::Succeeded | Self::Failed { .. } | Self::Errored { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// The status of the tests, or of what failed before them.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Succeeded => Some(0),
            Self::Failed { exit_code } => Some(*exit_code),
            Self::Errored { exit_code, .. } => *exit_code,
            Self::At(_) | Self::Cancelled { .. } => None,
        }
    }

    /// Where it was when it broke.
    #[must_use]
    pub fn broke_during(&self) -> Option<TestStep> {
        match self {
            Self::Errored { during, .. } => Some(*during),
            Self::At(_) | Self::Succeeded | Self::Failed { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// Why there is no verdict.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Errored { why, .. } | Self::Cancelled { why } => Some(why),
            Self::At(_) | Self::Succeeded | Self::Failed { .. } => None,
        }
    }
}

/// What the nodes of a run come to: its furthest step while one of them is on its way, then the worst of their ends.
#[must_use]
pub fn whole(nodes: &[TestState]) -> TestState {
    if nodes.iter().any(|node| !node.is_over()) {
        // One that is over has run.
        let furthest = nodes.iter().map(|node| node.step().unwrap_or(TestStep::Running)).max();
        return TestState::At(furthest.unwrap_or(TestStep::Pending));
    }
    let rank = |state: &&TestState| match state {
        TestState::Succeeded | TestState::At(_) => 0,
        TestState::Failed { .. } => 1,
        TestState::Errored { .. } => 2,
        TestState::Cancelled { .. } => 3,
    };
    // The first of the worst: `max_by_key` would take the last.
    nodes.iter().rev().max_by_key(rank).cloned().unwrap_or(TestState::At(TestStep::Pending))
}

/// Cuts a commit's message to what is kept.
#[must_use]
pub fn kept_message(message: &str) -> String {
    let message = message.trim();
    message[..message.floor_char_boundary(MESSAGE_LIMIT_BYTES)].to_owned()
}

/// How a pipeline tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestGate {
    /// Is what is pushed to its apps tested before it is built?
    pub enabled: bool,
    /// How long a run may take.
    pub time_limit_s: u64,
}

/// A time limit that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A test run may take {TIME_LIMIT_LEAST_S} to {TIME_LIMIT_MOST_S} seconds, not {0}")]
pub struct BadTimeLimit(pub u64);

impl Default for TestGate {
    fn default() -> Self {
        Self { enabled: false, time_limit_s: TIME_LIMIT_S }
    }
}

impl TestGate {
    /// With what is said; the rest stays.
    ///
    /// # Errors
    /// [`BadTimeLimit`].
    pub fn with(self, enabled: Option<bool>, time_limit_s: Option<u64>) -> Result<Self, BadTimeLimit> {
        let time_limit_s = time_limit_s.unwrap_or(self.time_limit_s);
        if !(TIME_LIMIT_LEAST_S..=TIME_LIMIT_MOST_S).contains(&time_limit_s) {
            return Err(BadTimeLimit(time_limit_s));
        }
        Ok(Self { enabled: enabled.unwrap_or(self.enabled), time_limit_s })
    }
}

#[cfg(test)]
#[path = "test_run_tests.rs"]
mod tests;
