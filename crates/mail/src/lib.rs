//! E-mail: handed in at the server's own mail server, which delivers it. Plain text, one addressee, nothing fetched.

mod mailer;

pub use mailer::{MailError, Mailer, SEND_LIMIT};

use model::account::Email;
use model::smtp::SmtpServer;
use model::time::Timestamp;
use std::path::PathBuf;

/// Where mails are handed in, and in whose name.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The mail server.
    pub server: SmtpServer,
    /// The sender.
    pub from: Email,
    /// Authorities that the mail server may show a certificate of, beside the system's: a PEM file.
    pub authorities: Option<PathBuf>,
}

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// One line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// A word that no other mail has: a mail that comes twice has the same one.
    pub id: String,
    /// The same word for all mails of one alarm, so that they stand together.
    pub thread: String,
    /// When it was written.
    pub at: Timestamp,
}
