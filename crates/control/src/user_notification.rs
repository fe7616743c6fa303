//! Notifications of accounts: what broke of the apps that they see. They give no right: of an app that one no longer sees there are none.

use crate::Control;
use crate::telling::Telling;
use model::account::Account;
use model::alarm::Turn;
use model::id::UserNotificationId;
use model::user_notification::{Mended, UserNotification};
use store::{StoreError, Tx};

/// Why one is not found.
#[derive(Debug, thiserror::Error)]
pub enum UserNotificationError {
    /// None of that id, or of an app that the account does not see: the two must not differ.
    #[error("Couldn't find that notification.")]
    NoSuchNotification,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An alarm turned: keeps what broke and that it is mended, as part of it.
pub(crate) async fn noted(control: &Control, tx: &mut Tx, news: &Telling<'_>) -> Result<(), StoreError> {
    let (key, what) = (&news.alarm.key, news.what.clone());
    match news.turn {
        Turn::Broke => {
            let one = UserNotification {
                id: control.world.new_id(),
                key: key.clone(),
                app_name: news.app.name.clone(),
                stage: news.place.map(|(_, stage)| stage),
                what,
                first_line: news.alarm.first_line.clone(),
                author: news.author.map(|author| author.email.clone()),
                created_at: control.now(),
                mended: None,
                read: false,
            };
            store::user_notification::insert(tx, &one).await
        }
        Turn::Fixed => {
            let mended = Mended { what, failures: news.alarm.failures, at: control.now() };
            store::user_notification::mend(tx, key, &mended).await
        }
        // The one that says that it broke is there still; what went well or was only tried is nothing to be read.
        Turn::StillBroken | Turn::Well | Turn::Test => Ok(()),
    }
}

/// One's own, newest first: of each the newest, those that were not read and those that were.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<UserNotification>, UserNotificationError> {
    Ok(store::user_notification::of_account(control.store.db(), who.id).await?)
}

/// Marks one as read, or as unread again, for this account only.
///
/// # Errors
/// [`UserNotificationError::NoSuchNotification`].
pub async fn mark(
    control: &Control,
    who: &Account,
    which: &str,
    is_read: bool,
) -> Result<UserNotification, UserNotificationError> {
    let id: UserNotificationId = which.parse().map_err(|_| UserNotificationError::NoSuchNotification)?;
    let mut tx = control.store.begin().await?;
    let found = store::user_notification::find(tx.db(), who.id, id).await?;
    let found = found.ok_or(UserNotificationError::NoSuchNotification)?;
    store::user_notification::mark(&mut tx, id, who.id, is_read, control.now()).await?;
    tx.commit().await?;
    Ok(UserNotification { read: is_read, ..found })
}
