//! The nodes of test runs.

use crate::row::Cells;
use crate::test_run::state;
use crate::{StoreError, Tx};
use model::id::{TestNodeId, TestRunId};
use model::test_run::{TestNode, TestState, TestStep};
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, run_id, place, secret, state, why, during, exit_code, created_at, updated_at FROM test_node ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO test_node (id, run_id, place, secret, state, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, 'pending', $5, $5)";
const CHANGE: &str = "UPDATE test_node SET state = $3, why = $4, during = $5, exit_code = $6, updated_at = $7 \
     WHERE id = $1 AND state = $2";
const BY_ID: &str = select!("WHERE id = $1");
const OF_RUN: &str = select!("WHERE run_id = $1 ORDER BY place");
const IDS: &str = "SELECT id FROM test_node";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, CHANGE, BY_ID, OF_RUN, IDS];

/// Adds a pending node.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, node: &TestNode) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(node.id.to_string()).bind(node.run.to_string()).bind(node.index);
    query.bind(&node.secret).bind(node.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores a change. `false`: it was not as expected any more, or is gone.
///
/// # Errors
/// When the database fails.
pub async fn change(
    tx: &mut Tx,
    id: TestNodeId,
    from: &TestState,
    to: &TestState,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let query = sqlx::query(CHANGE).bind(id.to_string()).bind(from.word()).bind(to.word()).bind(to.why());
    let query = query.bind(to.broke_during().map(TestStep::word)).bind(to.exit_code()).bind(at.0);
    Ok(query.execute(tx.db()).await?.rows_affected() == 1)
}

/// The node with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: TestNodeId) -> Result<Option<TestNode>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The nodes of a run, in their places.
///
/// # Errors
/// When the database fails.
pub async fn of_run<'e>(db: impl SqliteExecutor<'e>, run: TestRunId) -> Result<Vec<TestNode>, StoreError> {
    sqlx::query(OF_RUN).bind(run.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// The ids of all nodes.
///
/// # Errors
/// When the database fails.
pub async fn ids<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<TestNodeId>, StoreError> {
    let rows = sqlx::query(IDS).fetch_all(db).await?;
    rows.iter().map(|row| Cells { table: "test_node", row }.parsed("id")).collect()
}

fn read(row: &SqliteRow) -> Result<TestNode, StoreError> {
    let cells = Cells { table: "test_node", row };
    Ok(TestNode {
        id: cells.parsed("id")?,
        run: cells.parsed("run_id")?,
        index: cells.number("place")?,
        secret: cells.text("secret")?,
        state: state(&cells)?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
