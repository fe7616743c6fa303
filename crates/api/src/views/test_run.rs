//! Test runs, their nodes and cases as clients see them, and the gate of a pipeline.

use crate::link::Links;
use crate::views::app::NameOrObject;
use crate::views::{IdRef, UserRef};
use control::test_run::{KeptCase, TestRunDetail, Wanted};
use model::id::{PipelineId, TestCaseId, TestNodeId, TestRunId};
use model::test_run::{Commit, TestGate, TestNode, TestRun, TestStep};
use serde::{Deserialize, Serialize};

/// A run (CI-1).
#[derive(Debug, Clone, Serialize)]
pub struct TestRunView {
    id: TestRunId,
    number: i64,
    status: &'static str,
    pipeline: IdRef<PipelineId>,
    commit_branch: String,
    commit_message: String,
    commit_sha: String,
    actor_email: String,
    user: UserRef,
    clear_cache: bool,
    debug: bool,
    app_setup: Option<()>,
    dyno: Option<()>,
    organization: Option<()>,
    message: Option<String>,
    warning_message: Option<String>,
    source_blob_url: String,
    created_at: String,
    updated_at: String,
}

impl From<&TestRunDetail> for TestRunView {
    fn from(detail: &TestRunDetail) -> Self {
        let run = &detail.run;
        Self {
            id: run.id,
            number: run.number,
            status: run.state.word(),
            pipeline: IdRef { id: run.pipeline },
            commit_branch: run.commit.branch.clone(),
            commit_message: run.commit.message.clone(),
            commit_sha: run.commit.sha.clone(),
            actor_email: detail.by.email.clone(),
            user: (&detail.by).into(),
            clear_cache: run.clear_cache,
            debug: false,
            app_setup: None,
            dyno: None,
            organization: None,
            message: run.state.why().map(str::to_owned),
            warning_message: run.warning.clone(),
            source_blob_url: run.source_url.clone(),
            created_at: run.created_at.rfc3339(),
            updated_at: run.updated_at.rfc3339(),
        }
    }
}

/// A node of a run, with the addresses of its outputs (CI-6).
#[derive(Debug, Clone, Serialize)]
pub struct TestNodeView {
    id: TestNodeId,
    index: i64,
    status: &'static str,
    exit_code: Option<i32>,
    error_status: Option<&'static str>,
    message: Option<String>,
    setup_stream_url: String,
    output_stream_url: String,
    dyno: Option<()>,
    pipeline: IdRef<PipelineId>,
    test_run: IdRef<TestRunId>,
    created_at: String,
    updated_at: String,
}

impl TestNodeView {
    /// The node of that run.
    #[must_use]
    pub fn new(run: &TestRun, node: &TestNode, links: &Links) -> Self {
        Self {
            id: node.id,
            index: node.index,
            status: node.state.word(),
            exit_code: node.state.exit_code(),
            error_status: node.state.broke_during().map(TestStep::word),
            message: node.state.why().map(str::to_owned),
            setup_stream_url: links.test_setup(node.id, &node.secret),
            output_stream_url: links.test_output(node.id, &node.secret),
            dyno: None,
            pipeline: IdRef { id: run.pipeline },
            test_run: IdRef { id: run.id },
            created_at: node.created_at.rfc3339(),
            updated_at: node.updated_at.rfc3339(),
        }
    }
}

/// A case that tests told of.
#[derive(Debug, Clone, Serialize)]
pub struct TestCaseView {
    id: TestCaseId,
    number: i64,
    description: String,
    diagnostic: String,
    directive: String,
    passed: bool,
    test_node: IdRef<TestNodeId>,
    test_run: IdRef<TestRunId>,
    created_at: String,
    updated_at: String,
}

impl TestCaseView {
    /// The case of that run.
    #[must_use]
    pub fn new(run: TestRunId, kept: &KeptCase) -> Self {
        let case = &kept.case;
        Self {
            id: kept.id,
            number: case.number,
            description: case.description.clone(),
            diagnostic: case.diagnostic.clone(),
            directive: case.directive.clone(),
            passed: case.passed,
            test_node: IdRef { id: kept.node },
            test_run: IdRef { id: run },
            created_at: kept.created_at.rfc3339(),
            updated_at: kept.created_at.rfc3339(),
        }
    }
}

/// How a pipeline tests.
#[derive(Debug, Clone, Serialize)]
pub struct TestGateView {
    enabled: bool,
    time_limit_s: u64,
}

impl From<TestGate> for TestGateView {
    fn from(gate: TestGate) -> Self {
        Self { enabled: gate.enabled, time_limit_s: gate.time_limit_s }
    }
}

/// Body of `POST /test-runs`.
#[derive(Debug, Deserialize)]
pub struct CreateTestRun {
    /// The branch.
    pub commit_branch: String,
    /// What the author says.
    pub commit_message: String,
    /// The commit.
    pub commit_sha: String,
    /// The pipeline, by id or name.
    pub pipeline: NameOrObject,
    /// Where the archive is.
    pub source_blob_url: String,
    /// To be attached to.
    #[serde(default)]
    pub debug: Option<bool>,
    /// With an empty cache.
    #[serde(default)]
    pub clear_cache: Option<bool>,
}

impl CreateTestRun {
    /// The pipeline as it was named, and what is wanted of it.
    pub(crate) fn into_parts(self) -> (String, Wanted) {
        let commit = Commit { branch: self.commit_branch, message: self.commit_message, sha: self.commit_sha };
        let wanted = Wanted {
            commit,
            source_url: self.source_blob_url,
            clear_cache: self.clear_cache == Some(true),
            debug: self.debug == Some(true),
        };
        (self.pipeline.into_text(), wanted)
    }
}

/// Body of `PATCH /test-runs/{test_run}`.
#[derive(Debug, Deserialize)]
pub struct UpdateTestRun {
    /// `cancelled`.
    pub status: String,
    /// Why.
    pub message: String,
}

/// Body of `PATCH /pipelines/{pipeline}/test-gate`.
#[derive(Debug, Deserialize)]
pub struct UpdateTestGate {
    /// Are pushes tested?
    #[serde(default)]
    pub enabled: Option<bool>,
    /// For how long at most, in seconds.
    #[serde(default)]
    pub time_limit_s: Option<u64>,
}
