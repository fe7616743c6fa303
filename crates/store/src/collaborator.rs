//! Collaborators.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::collaborator::Collaborator;
use model::id::{AccountId, AppId, CollaboratorId};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, app_id, account_id, permissions, created_at, updated_at FROM collaborator ", $rest)
    };
}

const INSERT: &str = "INSERT INTO collaborator (id, app_id, account_id, permissions, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $5)";
const UPDATE: &str = "UPDATE collaborator SET permissions = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM collaborator WHERE id = $1";
const OF_APP: &str = select!("WHERE app_id = $1 ORDER BY created_at, id");
const ONE: &str = select!("WHERE app_id = $1 AND account_id = $2");

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, UPDATE, DELETE, OF_APP, ONE];

/// Adds one.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the account has access already (CLI-39).
pub async fn insert(tx: &mut Tx, one: &Collaborator) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(one.id.to_string()).bind(one.app.to_string()).bind(one.account.to_string());
    query.bind(one.permissions.to_string()).bind(one.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores what one may do.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, one: &Collaborator) -> Result<(), StoreError> {
    let query = sqlx::query(UPDATE).bind(one.id.to_string()).bind(one.permissions.to_string());
    query.bind(one.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes one. `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: CollaboratorId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Those of an app, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_app<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Collaborator>, StoreError> {
    sqlx::query(OF_APP).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// An account's access to an app.
///
/// # Errors
/// When the database fails.
pub async fn find<'e>(
    db: impl SqliteExecutor<'e>,
    app: AppId,
    account: AccountId,
) -> Result<Option<Collaborator>, StoreError> {
    let row = sqlx::query(ONE).bind(app.to_string()).bind(account.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<Collaborator, StoreError> {
    let cells = Cells { table: "collaborator", row };
    Ok(Collaborator {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        account: cells.parsed("account_id")?,
        permissions: cells.parsed("permissions")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
