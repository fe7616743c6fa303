//! The audit log: who changed what, when, from where; hash-chained, so that no record can be changed or taken out unseen.

use crate::Control;
use crate::account::secret_hash;
use model::audit::{AuditRecord, AuditStage, CONTENT_LIMIT_BYTES, Change, GENESIS, RECORD_LIMIT};
use model::id::AppId;
use store::StoreError;

/// So many records are over the limit before the oldest are removed: one removal for many changes.
const TRIM_EVERY: i64 = 1000;

/// Records read at once while the chain is checked.
const PAGE: i64 = 1000;

/// Why the log is not written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database failed; then the change is not made either.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Is every record bound to the one before it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Records that were checked.
    pub records: i64,
    /// The first one that is not as it was written, or whose neighbour is missing.
    pub broken_at: Option<i64>,
}

/// Writes down what is asked for, before it is done.
///
/// # Errors
/// When it cannot be written: then nothing may be done.
pub async fn ask(control: &Control, change: &Change, content: String) -> Result<(), AuditError> {
    append(control, change, AuditStage::Asked, None, content).await
}

/// Writes down how it ended.
///
/// # Errors
/// When it cannot be written.
pub async fn answer(control: &Control, change: &Change, status: u16, content: String) -> Result<(), AuditError> {
    append(control, change, AuditStage::Answered, Some(i64::from(status)), content).await
}

async fn append(
    control: &Control,
    change: &Change,
    stage: AuditStage,
    status: Option<i64>,
    content: String,
) -> Result<(), AuditError> {
    let mut tx = control.store.begin().await?;
    let last = store::audit::last(tx.db()).await?;
    let number = last.as_ref().map_or(1, |last| last.number + 1);
    let content = if content.len() > CONTENT_LIMIT_BYTES {
        format!("{{\"cut\":true,\"bytes\":{}}}", content.len())
    } else {
        content
    };
    let mut record =
        AuditRecord { number, at: control.now(), change: change.clone(), stage, status, content, hash: String::new() };
    record.hash = bind(last.as_ref().map_or(GENESIS, |last| &last.hash), &record);
    store::audit::append(&mut tx, &record).await?;
    if number % TRIM_EVERY == 0 {
        store::audit::trim(&mut tx, number - RECORD_LIMIT).await?;
    }
    Ok(tx.commit().await?)
}

fn bind(before: &str, record: &AuditRecord) -> String {
    secret_hash(&format!("{before}\n{}", record.bound()))
}

/// At most so many records from a number on, upwards or downwards; of one app or of all.
///
/// # Errors
/// When the database fails.
pub async fn page(
    control: &Control,
    app: Option<AppId>,
    from: i64,
    down: bool,
    limit: usize,
) -> Result<Vec<AuditRecord>, AuditError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(store::audit::page(control.store.db(), app, from, down, limit).await?)
}

/// Checks the whole chain. The oldest record that is kept is bound to one that is gone, so its own hash is taken as it is, unless
/// it is the very first.
///
/// # Errors
/// When the database fails.
pub async fn verify(control: &Control) -> Result<Chain, AuditError> {
    let mut before: Option<AuditRecord> = None;
    let mut chain = Chain { records: 0, broken_at: None };
    loop {
        let from = before.as_ref().map_or(0, |before| before.number + 1);
        let records = store::audit::page(control.store.db(), None, from, false, PAGE).await?;
        if records.is_empty() {
            return Ok(chain);
        }
        for record in records {
            chain.records += 1;
            if !follows(before.as_ref(), &record) {
                return Ok(Chain { broken_at: Some(record.number), ..chain });
            }
            before = Some(record);
        }
    }
}

fn follows(before: Option<&AuditRecord>, record: &AuditRecord) -> bool {
    match before {
        None if record.number == 1 => record.hash == bind(GENESIS, record),
        None => true,
        Some(before) => record.number == before.number + 1 && record.hash == bind(&before.hash, record),
    }
}
