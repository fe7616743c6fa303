//! Favorites.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::favorite::Favorite;
use model::id::{AccountId, FavoriteId};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO favorite (id, account_id, app_id, created_at) VALUES ($1, $2, $3, $4)";
const DELETE: &str = "DELETE FROM favorite WHERE id = $1";
const OF_ACCOUNT: &str =
    "SELECT id, account_id, app_id, created_at FROM favorite WHERE account_id = $1 ORDER BY created_at, id";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, DELETE, OF_ACCOUNT];

/// Adds one.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the app is one already.
pub async fn insert(tx: &mut Tx, one: &Favorite) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(one.id.to_string()).bind(one.account.to_string()).bind(one.app.to_string());
    query.bind(one.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes one. `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: FavoriteId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// All of an account, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<Favorite>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Favorite, StoreError> {
    let cells = Cells { table: "favorite", row };
    Ok(Favorite {
        id: cells.parsed("id")?,
        account: cells.parsed("account_id")?,
        app: cells.parsed("app_id")?,
        created_at: cells.time("created_at")?,
    })
}
