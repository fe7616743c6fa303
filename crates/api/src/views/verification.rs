//! Checks of releases on the running server, as clients see them: an extension of the Platform API.

use crate::link::Links;
use crate::views::{AppRef, UserRef};
use control::verification::VerificationDetail;
use control::verify_terms::{Terms, TermsChange, VerifySetting};
use model::app::App;
use model::id::{ReleaseId, VerificationId};
use model::verification::{Artifact, Policy, Verification, VerificationState};
use serde::{Deserialize, Serialize};

/// A check.
#[derive(Debug, Clone, Serialize)]
pub struct VerificationView {
    id: VerificationId,
    app: AppRef,
    number: i64,
    release: ReleaseRef,
    stage: &'static str,
    policy: &'static str,
    command: String,
    timeout: u64,
    /// pending, running, green, untested, red, errored, cancelled.
    status: &'static str,
    /// Why it ended so; null while it has not.
    message: Option<String>,
    /// Requests that the app answered meanwhile; null when it did not run.
    requests: Option<u64>,
    /// The version that went back to the last green one because of it.
    rolled_back_by: Option<i64>,
    user: UserRef,
    output_stream_url: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct ReleaseRef {
    id: ReleaseId,
    version: i64,
}

impl VerificationView {
    /// A check of this app, with the address of its output.
    #[must_use]
    pub fn new(app: &App, detail: &VerificationDetail, links: &Links) -> Self {
        let check = &detail.verification;
        let (message, requests) = match &check.state {
            VerificationState::Pending | VerificationState::Running { .. } => (None, None),
            VerificationState::Over { why, requests, .. } => (Some(why.clone()), *requests),
        };
        Self {
            id: check.id,
            app: app.into(),
            number: check.number,
            release: ReleaseRef { id: check.release, version: check.version },
            stage: check.stage.word(),
            policy: check.policy.word(),
            command: check.command.clone(),
            timeout: check.limit.as_secs(),
            status: check.state.word(),
            message,
            requests,
            rolled_back_by: detail.rolled_back_by,
            user: (&detail.by).into(),
            output_stream_url: links.verification_output(check.id, &check.secret),
            created_at: check.created_at.rfc3339(),
            updated_at: check.updated_at.rfc3339(),
        }
    }
}

/// A file that a check left.
#[derive(Debug, Clone, Serialize)]
pub struct ArtifactView {
    number: u32,
    name: String,
    /// junit, tap, screenshot, file.
    kind: &'static str,
    size: u64,
    tests: Option<TestsView>,
    /// Where the file itself is.
    url: String,
}

#[derive(Debug, Clone, Serialize)]
struct TestsView {
    total: u64,
    failed: u64,
    skipped: u64,
    failed_names: Vec<String>,
}

impl ArtifactView {
    /// A file of this check, with its address.
    #[must_use]
    pub fn new(check: &Verification, artifact: &Artifact, links: &Links) -> Self {
        let tests = artifact.kind.tests().map(|tests| TestsView {
            total: tests.total,
            failed: tests.failed,
            skipped: tests.skipped,
            failed_names: tests.failed_names.clone(),
        });
        Self {
            number: artifact.number,
            name: artifact.name.clone(),
            kind: artifact.kind.word(),
            size: artifact.size_bytes,
            tests,
            url: links.verification_artifact(check.id, artifact.number, &check.secret),
        }
    }
}

/// What holds for an app's next check.
#[derive(Debug, Clone, Serialize)]
pub struct TermsView {
    stage: &'static str,
    policy: &'static str,
    timeout: u64,
    own: SettingView,
}

/// What an app or a stage says; null: nothing.
#[derive(Debug, Clone, Serialize)]
pub struct SettingView {
    policy: Option<&'static str>,
    timeout: Option<u64>,
}

impl From<Terms> for TermsView {
    fn from(terms: Terms) -> Self {
        Self {
            stage: terms.stage.word(),
            policy: terms.policy.word(),
            timeout: terms.limit.as_secs(),
            own: (&terms.own).into(),
        }
    }
}

impl From<&VerifySetting> for SettingView {
    fn from(setting: &VerifySetting) -> Self {
        Self { policy: setting.policy.map(Policy::word), timeout: setting.limit.map(|limit| limit.as_secs()) }
    }
}

/// Body of `PATCH /apps/{app}/verify`: what is missing stays, null is as it was at first.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateTerms {
    /// alarm, hold, rollback.
    #[serde(deserialize_with = "crate::views::given")]
    pub policy: Option<Option<String>>,
    /// Seconds.
    #[serde(deserialize_with = "crate::views::given")]
    pub timeout: Option<Option<u64>>,
}

impl From<UpdateTerms> for TermsChange {
    fn from(update: UpdateTerms) -> Self {
        Self { policy: update.policy, limit_s: update.timeout }
    }
}
