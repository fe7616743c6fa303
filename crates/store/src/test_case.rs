//! The cases that tests told of.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{TestCaseId, TestNodeId, TestRunId};
use model::tap::TestCase;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO test_case (id, node_id, number, description, diagnostic, directive, passed, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const OF_RUN: &str = "SELECT test_case.id, node_id, test_case.number, description, diagnostic, directive, passed, \
     test_case.created_at FROM test_case JOIN test_node ON test_node.id = node_id WHERE run_id = $1 \
     ORDER BY place, test_case.number";
const FORGET: &str = "DELETE FROM test_case WHERE created_at < $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, OF_RUN, FORGET];

/// A case as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCase {
    /// Its id.
    pub id: TestCaseId,
    /// The node that ran it.
    pub node: TestNodeId,
    /// What was told of it.
    pub case: TestCase,
    /// When it was told.
    pub created_at: Timestamp,
}

/// Adds a case.
///
/// # Errors
/// When the node is gone or the database fails.
pub async fn insert(tx: &mut Tx, kept: &KeptCase) -> Result<(), StoreError> {
    let case = &kept.case;
    let query = sqlx::query(INSERT).bind(kept.id.to_string()).bind(kept.node.to_string()).bind(case.number);
    let query = query.bind(&case.description).bind(&case.diagnostic).bind(&case.directive).bind(case.passed);
    query.bind(kept.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// The cases of a run, by node and number.
///
/// # Errors
/// When the database fails.
pub async fn of_run<'e>(db: impl SqliteExecutor<'e>, run: TestRunId) -> Result<Vec<KeptCase>, StoreError> {
    sqlx::query(OF_RUN).bind(run.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// Removes the cases that were told before a moment.
///
/// # Errors
/// When the database fails.
pub async fn forget_older(tx: &mut Tx, moment: Timestamp) -> Result<u64, StoreError> {
    Ok(sqlx::query(FORGET).bind(moment.0).execute(tx.db()).await?.rows_affected())
}

fn read(row: &SqliteRow) -> Result<KeptCase, StoreError> {
    let cells = Cells { table: "test_case", row };
    Ok(KeptCase {
        id: cells.parsed("id")?,
        node: cells.parsed("node_id")?,
        case: TestCase {
            number: cells.number("number")?,
            description: cells.text("description")?,
            diagnostic: cells.text("diagnostic")?,
            directive: cells.text("directive")?,
            passed: cells.flag("passed")?,
        },
        created_at: cells.time("created_at")?,
    })
}
