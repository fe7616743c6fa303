//! Checks of commits: what a CI says of them, and the pipeline's own test runs. Gates ask for them by name.

use crate::Control;
use crate::gate::Authorized;
use crate::stage_gate::StageGateError;
use model::commit_check::{CheckState, CommitCheck};
use model::id::PipelineId;
use model::pipeline::Pipeline;
use model::stage_policy::CHECK_NAME_LIMIT;
use model::time::Timestamp;
use std::time::Duration;
use store::{StoreError, Tx};

/// The name under which the pipeline's own test runs report.
pub const TEST_CHECK: &str = "flowline/test";

/// What was said of commits is kept for so long after the last word: nobody promotes code that is older.
const KEPT_FOR: Duration = Duration::from_secs(180 * 24 * 3600);

/// Characters of a description.
const DESCRIPTION_LIMIT: usize = 500;

/// Bytes of an address.
const URL_LIMIT: usize = 2000;

/// What somebody reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// The whole hash.
    pub commit: String,
    /// The check's name.
    pub name: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// In its own words.
    pub description: Option<String>,
    /// Where people see more.
    pub url: Option<String>,
}

/// Notes what a check says of a commit now.
///
/// # Errors
/// The first part of the report that cannot be.
pub async fn report(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    report: Report,
) -> Result<CommitCheck, StageGateError> {
    let Report { commit, name, state, description, url } = report;
    if !is_commit(&commit) {
        return Err(StageGateError::Commit);
    }
    let state = CheckState::from_word(&state).ok_or(StageGateError::CheckState)?;
    let now = control.now();
    let by = pipeline.by().email.clone();
    let check = CommitCheck { commit, name, state, description, url, by, created_at: now, updated_at: now };
    if !is_good(&check) {
        return Err(StageGateError::Check);
    }
    let mut tx = control.store.begin().await?;
    note(&mut tx, pipeline.id, &check).await?;
    tx.commit().await?;
    control.promoter.wake();
    Ok(check)
}

/// The same, within a change.
pub(crate) async fn note(tx: &mut Tx, pipeline: PipelineId, check: &CommitCheck) -> Result<(), StoreError> {
    store::commit_check::set(tx, pipeline, check).await
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

fn is_good(check: &CommitCheck) -> bool {
    let plain = |text: &str, limit: usize| text.chars().count() <= limit && !text.chars().any(char::is_control);
    let address = |url: &str| url.len() <= URL_LIMIT && (url.starts_with("https://") || url.starts_with("http://"));
    !check.name.trim().is_empty()
        && plain(&check.name, CHECK_NAME_LIMIT)
        && check.description.as_deref().is_none_or(|text| plain(text, DESCRIPTION_LIMIT))
        && check.url.as_deref().is_none_or(|url| address(url) && plain(url, URL_LIMIT))
}

/// What all checks said last of a commit.
///
/// # Errors
/// No such commit can be.
pub async fn of_commit(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    commit: &str,
) -> Result<Vec<CommitCheck>, StageGateError> {
    if !is_commit(commit) {
        return Err(StageGateError::Commit);
    }
    Ok(store::commit_check::of_commit(control.store.db(), pipeline.id, commit).await?)
}

/// Removes what nobody asks for any more.
pub(crate) async fn sweep(control: &Control) -> Result<(), StoreError> {
    let kept_us = i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
    let mut tx = control.store.begin().await?;
    store::commit_check::forget(&mut tx, Timestamp(control.now().0.saturating_sub(kept_us))).await?;
    tx.commit().await
}
