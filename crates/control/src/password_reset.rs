//! Somebody forgot their password: a mail with a token, and with the token another password.
//!
//! Whether an address has an account is not told. The token is in the mail only, so a mail that a server did not get rid of before
//! it was killed is lost: whoever waits for it asks again.

use crate::Control;
use crate::account::{AccountError, new_hash, secret_hash};
use mail::{Mail, MailError, MailSettings, Mailer};
use model::account::{Account, BadEmail, Email};
use model::id::AuthorizationId;
use model::letter::{RESET_LIFE, password_reset};
use model::time::Timestamp;
use std::time::Duration;
use store::StoreError;
use uuid::Uuid;

/// Mails that are handed in at the same time; more wait.
pub(crate) const MAILS_AT_ONCE: usize = 4;

/// An account gets one mail in this time, however often somebody asks for it.
const PAUSE: Duration = Duration::from_secs(60);

/// A mail server that is away is asked again after these times.
const TRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(10), Duration::from_secs(60)];

/// Why a password is not reset.
#[derive(Debug, thiserror::Error)]
pub enum PasswordResetError {
    /// Nothing can be mailed.
    #[error(
        "This server sends no e-mail (`flowline serve --smtp-url`); an operator can set a new password: \
         `flowline accounts:reset-password EMAIL`"
    )]
    NoMail,
    /// No e-mail address.
    #[error(transparent)]
    BadEmail(#[from] BadEmail),
    /// A wrong, used or old token.
    #[error("This reset is unknown, used or older than {} minutes; ask for another mail", RESET_LIFE.as_secs() / 60)]
    NoSuchReset,
    /// A slip of the finger.
    #[error("`password` and `password_confirmation` differ; nothing was changed")]
    Differ,
    /// The password.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends a mail to who has this address, if anybody has; when it was asked for.
///
/// # Errors
/// No address, or a server without mail.
pub async fn request(control: &Control, email: &str) -> Result<Timestamp, PasswordResetError> {
    let email: Email = email.parse()?;
    let settings = control.settings.mail.clone().ok_or(PasswordResetError::NoMail)?;
    let now = control.now();
    let Some(account) = store::account::by_email(control.store.db(), &email.to_string()).await? else {
        return Ok(now);
    };
    let last = store::password_reset::of_account(control.store.db(), account.id).await?;
    if last.is_some_and(|last| now.since(last) < PAUSE) {
        return Ok(now);
    }
    let token = control.world.secret::<32>();
    let mut tx = control.store.begin().await?;
    store::password_reset::put(&mut tx, account.id, &secret_hash(&token), now).await?;
    tx.commit().await?;
    let control = control.clone();
    tokio::spawn(async move { send(&control, settings, &account, &token, now).await });
    Ok(now)
}

async fn send(control: &Control, settings: MailSettings, account: &Account, token: &str, at: Timestamp) {
    // Shut only with the server.
    let Ok(_turn) = control.resets.acquire().await else { return };
    let letter = password_reset(token, &format!("http://{}", control.settings.api));
    let id = format!("reset-{}", control.world.new_id::<AuthorizationId>());
    let mail =
        Mail { to: account.email.clone(), subject: letter.subject, text: letter.text, thread: id.clone(), id, at };
    let mailer = Mailer::new(settings);
    for pause in TRIES {
        tokio::time::sleep(pause).await;
        match mailer.send(&mail).await {
            Ok(()) => return,
            Err(error @ MailError::Refused(_)) => {
                tracing::warn!(account.id = %account.id, %error, "A password reset was not mailed");
                return;
            }
            Err(error @ MailError::NotNow(_)) => {
                tracing::warn!(account.id = %account.id, %error, "A password reset waits for the mail server");
            }
        }
    }
}

/// Whose an open reset is, and since when.
///
/// # Errors
/// [`PasswordResetError::NoSuchReset`].
pub async fn find(control: &Control, token: &str) -> Result<(Account, Timestamp), PasswordResetError> {
    let found = store::password_reset::by_token(control.store.db(), &secret_hash(token)).await?;
    let open = found.filter(|(_, at)| control.now().since(*at) < RESET_LIFE);
    let (account, at) = open.ok_or(PasswordResetError::NoSuchReset)?;
    let account = store::account::by_id(control.store.db(), account).await?;
    Ok((account.ok_or(PasswordResetError::NoSuchReset)?, at))
}

/// Sets another password with a token, which is good once. All logins end; a second factor stays.
///
/// # Errors
/// A token that is over, passwords that differ or are too short.
pub async fn finalize(
    control: &Control,
    token: &str,
    password: String,
    confirmation: &str,
) -> Result<(Account, Timestamp), PasswordResetError> {
    let (account, at) = find(control, token).await?;
    if password != confirmation {
        return Err(PasswordResetError::Differ);
    }
    let hash = new_hash(control, password).await?;
    let mut tx = control.store.begin().await?;
    if !store::password_reset::take(&mut tx, &secret_hash(token)).await? {
        return Err(PasswordResetError::NoSuchReset);
    }
    store::account::set_password(&mut tx, account.id, &hash, control.now()).await?;
    // None of them asked for it.
    store::authorization::delete_sessions(&mut tx, account.id, AuthorizationId(Uuid::nil())).await?;
    tx.commit().await?;
    Ok((account, at))
}
