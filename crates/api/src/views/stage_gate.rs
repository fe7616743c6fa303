//! Gates, locks, approvals and checks as clients see them. All of it is Flowline's own.

use crate::views::app::NameOrObject;
use control::commit_check::Report;
use control::stage_board::{CandidateGates, StageBoard};
use control::stage_gate::Approved;
use model::commit_check::CommitCheck;
use model::id::{AppId, ReleaseId};
use model::policy_file;
use model::stage_gate::{Finding, Lock};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageGatesView {
    stage: &'static str,
    /// In the shape of `flowline.yml`.
    gates: Value,
    lock: Option<LockView>,
    /// What is on the stage before.
    candidates: Vec<CandidateView>,
}

/// A release that may go to the stage.
#[derive(Debug, Clone, Serialize)]
struct CandidateView {
    app: AppOf,
    release: ReleaseOf,
    commit: Option<String>,
    open: bool,
    gates: Vec<FindingView>,
}

#[derive(Debug, Clone, Serialize)]
struct AppOf {
    id: AppId,
    name: String,
}

#[derive(Debug, Clone, Serialize)]
struct ReleaseOf {
    id: ReleaseId,
    version: i64,
}

/// How one gate stands.
#[derive(Debug, Clone, Serialize)]
pub struct FindingView {
    rule: &'static str,
    open: bool,
    says: String,
    /// Who or what opens it.
    lift: Option<String>,
    opens_at: Option<String>,
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        Self {
            rule: finding.rule.word(),
            open: finding.is_open(),
            says: finding.says.clone(),
            lift: finding.lift.clone(),
            opens_at: finding.opens_at.map(|at| at.rfc3339()),
        }
    }
}

impl From<&StageBoard> for StageGatesView {
    fn from(board: &StageBoard) -> Self {
        let candidate = |one: &CandidateGates| CandidateView {
            app: AppOf { id: one.app.id, name: one.app.name.to_string() },
            release: ReleaseOf { id: one.release.id, version: one.release.version },
            commit: one.commit.clone(),
            open: one.findings.iter().all(Finding::is_open),
            gates: one.findings.iter().map(FindingView::from).collect(),
        };
        Self {
            stage: board.stage.word(),
            gates: policy_file::write_stage(&board.settings),
            lock: board.lock.as_ref().map(LockView::from),
            candidates: board.candidates.iter().map(candidate).collect(),
        }
    }
}

/// A lock.
#[derive(Debug, Clone, Serialize)]
pub struct LockView {
    by: String,
    reason: String,
    created_at: String,
}

impl From<&Lock> for LockView {
    fn from(lock: &Lock) -> Self {
        Self { by: lock.by.clone(), reason: lock.reason.clone(), created_at: lock.at.rfc3339() }
    }
}

/// Body of `POST …/lock`.
#[derive(Debug, Deserialize)]
pub struct LockBody {
    /// Why.
    pub reason: String,
}

/// Body of `POST …/approvals`.
#[derive(Debug, Deserialize)]
pub struct ApproveBody {
    /// Which app's current release.
    pub app: NameOrObject,
}

/// Everybody who said yes.
#[derive(Debug, Clone, Serialize)]
pub struct ApprovalsView {
    release: String,
    stage: &'static str,
    approvals: Vec<ApprovalView>,
}

#[derive(Debug, Clone, Serialize)]
struct ApprovalView {
    email: String,
    created_at: String,
}

impl From<&Approved> for ApprovalsView {
    fn from(approved: &Approved) -> Self {
        let one = |(approver, at): &(model::stage_gate::Approver, model::time::Timestamp)| ApprovalView {
            email: approver.email.clone(),
            created_at: at.rfc3339(),
        };
        Self {
            release: approved.name.clone(),
            stage: approved.stage.word(),
            approvals: approved.by.iter().map(one).collect(),
        }
    }
}

/// Body of `POST …/checks`.
#[derive(Debug, Deserialize)]
pub struct CheckBody {
    commit: String,
    name: String,
    state: String,
    description: Option<String>,
    url: Option<String>,
}

impl From<CheckBody> for Report {
    fn from(body: CheckBody) -> Self {
        let CheckBody { commit, name, state, description, url } = body;
        Self { commit, name, state, description, url }
    }
}

/// What `GET …/checks` is asked with.
#[derive(Debug, Deserialize)]
pub struct ChecksOf {
    /// The whole hash; nothing is refused like any other text that is none.
    #[serde(default)]
    pub commit: String,
}

/// What a check said last.
#[derive(Debug, Clone, Serialize)]
pub struct CheckView {
    commit: String,
    name: String,
    state: &'static str,
    description: Option<String>,
    url: Option<String>,
    reported_by: String,
    created_at: String,
    updated_at: String,
}

impl From<&CommitCheck> for CheckView {
    fn from(check: &CommitCheck) -> Self {
        Self {
            commit: check.commit.clone(),
            name: check.name.clone(),
            state: check.state.word(),
            description: check.description.clone(),
            url: check.url.clone(),
            reported_by: check.by.clone(),
            created_at: check.created_at.rfc3339(),
            updated_at: check.updated_at.rfc3339(),
        }
    }
}
