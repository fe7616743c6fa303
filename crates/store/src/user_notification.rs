//! Notifications of accounts: what broke, kept once; who has read it, kept for each.

use crate::app::visible_apps;
use crate::row::Cells;
use crate::{StoreError, Tx};
use model::alarm::AlarmKey;
use model::id::{AccountId, UserNotificationId};
use model::pipeline::Stage;
use model::time::Timestamp;
use model::user_notification::{KEPT_OF_APP, LISTED, Mended, UserNotification};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    () => {
        concat!(
            "SELECT n.id, n.app_id, app.name AS app_name, n.kind, n.thing, n.stage, n.what, n.first_line, n.author, n.created_at, ",
            "n.mended_at, n.mended, n.failures, r.account_id IS NOT NULL AS is_read, ROW_NUMBER() OVER (PARTITION BY ",
            "r.account_id IS NOT NULL ORDER BY n.created_at DESC, n.id DESC) AS place FROM user_notification n ",
            "JOIN app ON app.id = n.app_id ",
            "LEFT JOIN user_notification_read r ON r.notification_id = n.id AND r.account_id = $1 WHERE n.app_id IN ",
            visible_apps!()
        )
    };
}

const INSERT: &str = "INSERT INTO user_notification (id, app_id, kind, thing, stage, what, first_line, author, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const DELETE_SURPLUS: &str = "DELETE FROM user_notification WHERE app_id = $1 AND id NOT IN (SELECT id FROM user_notification \
     WHERE app_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)";
const MEND: &str = "UPDATE user_notification SET mended_at = $4, mended = $5, failures = $6 \
     WHERE app_id = $1 AND kind = $2 AND thing = $3 AND mended_at IS NULL";
const OF_ACCOUNT: &str = concat!("SELECT * FROM (", select!(), ") WHERE place <= $2 ORDER BY created_at DESC, id DESC");
const FIND: &str = concat!(select!(), " AND n.id = $2");
const MARK_READ: &str = "INSERT INTO user_notification_read (notification_id, account_id, read_at) VALUES ($1, $2, $3) \
     ON CONFLICT DO NOTHING";
const MARK_UNREAD: &str = "DELETE FROM user_notification_read WHERE notification_id = $1 AND account_id = $2";
const DELETE_OLD: &str = "DELETE FROM user_notification WHERE created_at < $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, DELETE_SURPLUS, MEND, OF_ACCOUNT, FIND, MARK_READ, MARK_UNREAD, DELETE_OLD];

/// Adds what broke just now, for nobody to have read; the oldest of the app beyond [`KEPT_OF_APP`] go.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, one: &UserNotification) -> Result<(), StoreError> {
    let app = one.key.app.to_string();
    let query = sqlx::query(INSERT).bind(one.id.to_string()).bind(&app).bind(one.key.kind.word());
    let query = query.bind(&one.key.thing).bind(one.stage.map(Stage::word)).bind(&one.what).bind(&one.first_line);
    query.bind(&one.author).bind(one.created_at.0).execute(tx.db()).await?;
    sqlx::query(DELETE_SURPLUS).bind(app).bind(KEPT_OF_APP).execute(tx.db()).await?;
    Ok(())
}

/// What was broken works again; nothing where it was told too long ago.
///
/// # Errors
/// When the database fails.
pub async fn mend(tx: &mut Tx, key: &AlarmKey, mended: &Mended) -> Result<(), StoreError> {
    let query = sqlx::query(MEND).bind(key.app.to_string()).bind(key.kind.word()).bind(&key.thing);
    query.bind(mended.at.0).bind(&mended.what).bind(i64::from(mended.failures)).execute(tx.db()).await?;
    Ok(())
}

/// What broke of the apps that an account sees, newest first: [`LISTED`] that it has not read, and so many that it has.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(
    db: impl SqliteExecutor<'e>,
    account: AccountId,
) -> Result<Vec<UserNotification>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).bind(LISTED).fetch_all(db).await?.iter().map(read).collect()
}

/// One of them; none of an app that the account does not see.
///
/// # Errors
/// When the database fails.
pub async fn find<'e>(
    db: impl SqliteExecutor<'e>,
    account: AccountId,
    id: UserNotificationId,
) -> Result<Option<UserNotification>, StoreError> {
    let query = sqlx::query(FIND).bind(account.to_string()).bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// An account has read it, or takes that back.
///
/// # Errors
/// When the database fails.
pub async fn mark(
    tx: &mut Tx,
    id: UserNotificationId,
    account: AccountId,
    is_read: bool,
    at: Timestamp,
) -> Result<(), StoreError> {
    let query = sqlx::query(if is_read { MARK_READ } else { MARK_UNREAD }).bind(id.to_string());
    let query = query.bind(account.to_string());
    if is_read { query.bind(at.0) } else { query }.execute(tx.db()).await?;
    Ok(())
}

/// Removes what broke before `moment`, and who has read it.
///
/// # Errors
/// When the database fails.
pub async fn delete_older(tx: &mut Tx, moment: Timestamp) -> Result<(), StoreError> {
    sqlx::query(DELETE_OLD).bind(moment.0).execute(tx.db()).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<UserNotification, StoreError> {
    let cells = Cells { table: "user_notification", row };
    let mended = match (cells.maybe_text("mended")?, cells.maybe_time("mended_at")?, cells.maybe_number("failures")?) {
        (None, None, None) => None,
        (Some(what), Some(at), Some(_)) => Some(Mended { what, failures: cells.unsigned("failures")?, at }),
        half => return Err(cells.bad(format!("mended, mended_at and failures are {half:?}"))),
    };
    Ok(UserNotification {
        id: cells.parsed("id")?,
        key: AlarmKey { app: cells.parsed("app_id")?, kind: cells.parsed("kind")?, thing: cells.text("thing")? },
        app_name: cells.parsed("app_name")?,
        stage: cells.maybe_parsed("stage")?,
        what: cells.text("what")?,
        first_line: cells.maybe_text("first_line")?,
        author: cells.maybe_text("author")?,
        created_at: cells.time("created_at")?,
        mended,
        read: cells.flag("is_read")?,
    })
}
