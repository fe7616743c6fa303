//! Accounts, their passwords and second factors. Their tokens are in [`crate::authorization`].

use crate::row::Cells;
use crate::{Store, StoreError, Tx};
use model::account::Account;
use model::id::AccountId;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, email, name, two_factor, operator, last_login, account.created_at, account.updated_at ",
            "FROM account ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO account (id, email, token_sha256, name, operator, created_at, updated_at) VALUES ($1, $2, $1, $3, $4, $5, $5)";
const UPDATE: &str = "UPDATE account SET email = $2, name = $3, operator = $4, updated_at = $5 WHERE id = $1";
const LOGGED_IN: &str = "UPDATE account SET last_login = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM account WHERE id = $1";
const BY_EMAIL: &str = select!("WHERE email = $1");
const BY_ID: &str = select!("WHERE id = $1");
const LIST: &str = select!("ORDER BY email");
/// One of the two sees an app that the other sees, or they are in one team.
const WORK_TOGETHER: &str = "SELECT EXISTS (SELECT 1 FROM team_member AS mine JOIN team_member AS theirs \
     ON theirs.team_id = mine.team_id WHERE mine.account_id = $1 AND theirs.account_id = $2) \
     OR EXISTS (SELECT 1 FROM app WHERE ((owner_id = $1 AND team_id IS NULL) \
     OR id IN (SELECT app_id FROM collaborator WHERE account_id = $1) \
     OR team_id IN (SELECT team_id FROM team_member WHERE account_id = $1)) \
     AND ((owner_id = $2 AND team_id IS NULL) OR id IN (SELECT app_id FROM collaborator WHERE account_id = $2) \
     OR team_id IN (SELECT team_id FROM team_member WHERE account_id = $2)))";
const PASSWORD: &str = "SELECT password FROM account WHERE id = $1";
const SET_PASSWORD: &str = "UPDATE account SET password = $2, updated_at = $3 WHERE id = $1";
const TWO_FACTOR: &str = "SELECT two_factor_sealed, two_factor_step FROM account WHERE id = $1";
const SET_TWO_FACTOR: &str =
    "UPDATE account SET two_factor_sealed = $2, two_factor = $3, two_factor_step = 0 WHERE id = $1";
const SET_STEP: &str = "UPDATE account SET two_factor_step = $2 WHERE id = $1 AND two_factor_step < $2";
const INSERT_RECOVERY: &str = "INSERT INTO account_recovery (account_id, code_sha256) VALUES ($1, $2)";
const CLEAR_RECOVERY: &str = "DELETE FROM account_recovery WHERE account_id = $1";
const USE_RECOVERY: &str = "DELETE FROM account_recovery WHERE account_id = $1 AND code_sha256 = $2";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    UPDATE,
    LOGGED_IN,
    DELETE,
    BY_EMAIL,
    BY_ID,
    LIST,
    WORK_TOGETHER,
    PASSWORD,
    SET_PASSWORD,
    TWO_FACTOR,
    SET_TWO_FACTOR,
    SET_STEP,
    INSERT_RECOVERY,
    CLEAR_RECOVERY,
    USE_RECOVERY,
];

/// Are both in one team, or is there an app that both see?
///
/// # Errors
/// When the database fails.
pub async fn work_together<'e>(
    db: impl SqliteExecutor<'e>,
    one: AccountId,
    other: AccountId,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar(WORK_TOGETHER).bind(one.to_string()).bind(other.to_string());
    let together: i64 = query.fetch_one(db).await?;
    Ok(together != 0)
}

/// Adds an account.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the e-mail is taken.
pub async fn insert(tx: &mut Tx, account: &Account) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(account.id.to_string()).bind(&account.email).bind(&account.name);
    query.bind(account.operator).bind(account.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores e-mail, name and whether it is an operator.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the e-mail is taken.
pub async fn update(tx: &mut Tx, account: &Account) -> Result<(), StoreError> {
    let query = sqlx::query(UPDATE).bind(account.id.to_string()).bind(&account.email).bind(&account.name);
    query.bind(account.operator).bind(account.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Remembers a login.
///
/// # Errors
/// When the database fails.
pub async fn logged_in(tx: &mut Tx, id: AccountId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(LOGGED_IN).bind(id.to_string()).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes an account with its tokens, keys and memberships. `false`: it was gone already.
///
/// # Errors
/// When apps, releases or builds are its own, or the database fails.
pub async fn delete(tx: &mut Tx, id: AccountId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// The account with this e-mail.
///
/// # Errors
/// When the database fails.
pub async fn by_email<'e>(db: impl SqliteExecutor<'e>, email: &str) -> Result<Option<Account>, StoreError> {
    sqlx::query(BY_EMAIL).bind(email).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The account with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: AccountId) -> Result<Option<Account>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All of them, by e-mail.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Account>, StoreError> {
    sqlx::query(LIST).fetch_all(db).await?.iter().map(read).collect()
}

/// The hash of its password; `None`: it has none, so nobody logs in with one.
///
/// # Errors
/// When the database fails.
pub async fn password<'e>(db: impl SqliteExecutor<'e>, id: AccountId) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(PASSWORD).bind(id.to_string()).fetch_optional(db).await?.flatten())
}

/// Gives it another password, as its hash.
///
/// # Errors
/// When the database fails.
pub async fn set_password(tx: &mut Tx, id: AccountId, hash: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(SET_PASSWORD).bind(id.to_string()).bind(hash).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// The key of its second factor, also one that was never confirmed, and the last step whose code was taken.
///
/// # Errors
/// When the database fails or the key does not open.
pub async fn two_factor(store: &Store, id: AccountId) -> Result<Option<(String, i64)>, StoreError> {
    let row = sqlx::query(TWO_FACTOR).bind(id.to_string()).fetch_optional(store.db()).await?;
    let Some(row) = row else { return Ok(None) };
    let cells = Cells { table: "account", row: &row };
    let step = cells.number("two_factor_step")?;
    let sealed = cells.maybe_text("two_factor_sealed")?;
    sealed.map(|sealed| Ok((store.vault().open(&owner(id), &sealed)?, step))).transpose()
}

/// Stores the key of its second factor; `on`: codes are asked for from now on. Without a key there is none.
///
/// # Errors
/// When the database fails.
pub async fn set_two_factor(tx: &mut Tx, id: AccountId, key: Option<&str>, on: bool) -> Result<(), StoreError> {
    let sealed = key.map(|key| tx.vault.seal(&owner(id), key)).transpose()?;
    sqlx::query(SET_TWO_FACTOR).bind(id.to_string()).bind(sealed).bind(on).execute(tx.db()).await?;
    Ok(())
}

/// Takes the code of a step. `false`: that or a later one was taken before.
///
/// # Errors
/// When the database fails.
pub async fn take_step(tx: &mut Tx, id: AccountId, step: i64) -> Result<bool, StoreError> {
    Ok(sqlx::query(SET_STEP).bind(id.to_string()).bind(step).execute(tx.db()).await?.rows_affected() == 1)
}

/// Replaces its recovery codes, as their hashes.
///
/// # Errors
/// When the database fails.
pub async fn set_recovery(tx: &mut Tx, id: AccountId, hashes: &[String]) -> Result<(), StoreError> {
    sqlx::query(CLEAR_RECOVERY).bind(id.to_string()).execute(tx.db()).await?;
    for hash in hashes {
        sqlx::query(INSERT_RECOVERY).bind(id.to_string()).bind(hash).execute(tx.db()).await?;
    }
    Ok(())
}

/// Uses up a recovery code. `false`: there is none like it.
///
/// # Errors
/// When the database fails.
pub async fn use_recovery(tx: &mut Tx, id: AccountId, hash: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query(USE_RECOVERY).bind(id.to_string()).bind(hash).execute(tx.db()).await?.rows_affected() == 1)
}

fn owner(id: AccountId) -> String {
    format!("account-{id}/two-factor")
}

/// The account that a row of this database refers to.
///
/// # Errors
/// When it is missing, which the database does not allow, or the database fails.
pub async fn known<'e>(db: impl SqliteExecutor<'e>, id: AccountId) -> Result<Account, StoreError> {
    let missing = || StoreError::BadRow { table: "account", what: format!("{id} is missing") };
    by_id(db, id).await?.ok_or_else(missing)
}

fn read(row: &SqliteRow) -> Result<Account, StoreError> {
    let cells = Cells { table: "account", row };
    Ok(Account {
        id: cells.parsed("id")?,
        email: cells.text("email")?,
        name: cells.maybe_text("name")?,
        two_factor: cells.flag("two_factor")?,
        operator: cells.flag("operator")?,
        last_login: cells.maybe_time("last_login")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
