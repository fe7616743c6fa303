//! Apps that were offered to somebody.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::collaborator::AppTransfer;
use model::id::{AccountId, AppTransferId};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO app_transfer (id, app_id, owner_id, recipient_id, state, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $6)";
const UPDATE: &str = "UPDATE app_transfer SET state = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM app_transfer WHERE id = $1";
const OF_ACCOUNT: &str = "SELECT id, app_id, owner_id, recipient_id, state, created_at, updated_at FROM app_transfer \
     WHERE owner_id = $1 OR recipient_id = $1 ORDER BY id";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, DELETE, OF_ACCOUNT];

/// Adds an offer.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the app is offered already.
pub async fn insert(tx: &mut Tx, one: &AppTransfer) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(one.id.to_string()).bind(one.app.to_string()).bind(one.owner.to_string());
    query.bind(one.recipient.to_string()).bind(one.state.word()).bind(one.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores how it stands.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, one: &AppTransfer) -> Result<(), StoreError> {
    let query = sqlx::query(UPDATE).bind(one.id.to_string()).bind(one.state.word());
    query.bind(one.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Takes an offer back. `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: AppTransferId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Those that an account made or may answer, by id.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<AppTransfer>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<AppTransfer, StoreError> {
    let cells = Cells { table: "app_transfer", row };
    Ok(AppTransfer {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        owner: cells.parsed("owner_id")?,
        recipient: cells.parsed("recipient_id")?,
        state: cells.parsed("state")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
