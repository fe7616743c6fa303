//! The audit log: every change that somebody asked for and how it ended, each record bound to the one before it.

use crate::account::Account;
use crate::id::AppId;
use crate::time::Timestamp;
use serde::Serialize;
use std::str::FromStr;

/// Records that are kept; the oldest go first. Two for each change: years of a busy team, and under a gigabyte.
pub const RECORD_LIMIT: i64 = 500_000;

/// What a record says of a change, in bytes of JSON; more is cut.
pub const CONTENT_LIMIT_BYTES: usize = 16 * 1024;

/// Characters of the reason for passing a rule.
pub const REASON_LIMIT: usize = 200;

/// A reason that people can read; `None`: it is none.
#[must_use]
pub fn reason(text: &str) -> Option<&str> {
    let text = text.trim();
    let good = !text.is_empty() && text.chars().count() <= REASON_LIMIT && !text.chars().any(char::is_control);
    good.then_some(text)
}

/// What is kept of a push that passed over its tests.
#[derive(Debug, Serialize)]
struct TestsOverridden<'a> {
    #[serde(rename = "override")]
    reason: &'a str,
    commit: &'a str,
}

/// What is kept of a push that passed over its tests, as JSON.
#[must_use]
pub fn tests_overridden(reason: &str, commit: &str) -> String {
    // Two texts: there is nothing in them that JSON cannot hold.
    serde_json::to_string(&TestsOverridden { reason, commit }).unwrap_or_default()
}

/// What the first record is bound to.
pub const GENESIS: &str = "flowline-audit-1";

/// A change that somebody asks for. It names things by text, because it outlives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the account, as text: it outlives the account.
    pub actor_id: String,
    /// Its e-mail then.
    pub actor: String,
    /// From where: an address, and the proxy's, if one said that it is one.
    pub address: String,
    /// The request's id: the same in both records of a change.
    pub request_id: String,
    /// What: `PATCH /apps/{app}/config-vars`.
    pub action: String,
    /// The path as it was asked for.
    pub path: String,
    /// The app, if it is about one.
    pub app: Option<AppId>,
}

impl Change {
    /// Asked for by this account.
    #[must_use]
    pub fn by(who: &Account, address: String, request_id: String, action: String, path: String) -> Self {
        let (actor_id, actor) = (who.id.to_string(), who.email.clone());
        Self { actor_id, actor, address, request_id, action, path, app: None }
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// 1, 2, 3 …, without gaps.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// Who asked for what.
    pub change: Change,
    /// Before or after.
    pub stage: AuditStage,
    /// How it ended: the HTTP status.
    pub status: Option<i64>,
    /// What was sent (asked); what was there before and after (answered). JSON with secrets masked.
    pub content: String,
    /// SHA-256 as hex of the record before and this one.
    pub hash: String,
}

impl AuditRecord {
    /// What the hash is made of, beside the hash before: every field, so that none can be changed unseen.
    #[must_use]
    pub fn bound(&self) -> String {
        let Change { actor_id, actor, address, request_id, action, path, app } = &self.change;
        let app = app.map(|app| app.to_string());
        let fields = (actor_id, actor, address, request_id, action, path);
        let rest = (app, self.stage.word(), self.status, &self.content);
        serde_json::to_string(&(self.number, self.at.0, fields, rest)).unwrap_or_default()
    }
}

/// Which of the two records of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditStage {
    /// Written before anything is changed: nothing happens without a trace.
    Asked,
    /// How it ended; missing when the server did not live to see it.
    Answered,
}

impl AuditStage {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
        }
    }
}

/// A word that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no stage of an audit record")]
pub struct NoSuchStage(pub String);

impl FromStr for AuditStage {
    type Err = NoSuchStage;

    fn from_str(text: &str) -> Result<Self, NoSuchStage> {
        let found = [Self::Asked, Self::Answered].into_iter().find(|stage| stage.word() == text);
        found.ok_or_else(|| NoSuchStage(text.to_owned()))
    }
}
