//! `passwd`, `passwd:forgot`, `passwd:reset`.

use crate::args::{Bare, Print};
use crate::client::segment;
use crate::error::CliError;
use crate::session::Session;
use crate::{secret, two_factor};
use serde_json::json;

/// One's own password.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Change your password: asks for both, or reads a line each from stdin; all other logins end
    #[command(name = "passwd", visible_alias = "auth:passwd")]
    Change(Bare),
    /// Have a mail sent to you that lets you set another password
    #[command(name = "passwd:forgot")]
    Forgot(Forgot),
    /// Set another password with the token of that mail: asks for it, or reads a line from stdin; all logins end
    #[command(name = "passwd:reset")]
    Reset(Reset),
}

/// What `passwd:forgot` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Forgot {
    /// What you log in with
    email: String,
    #[command(flatten)]
    print: Print,
}

/// What `passwd:reset` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Reset {
    /// The token of the mail; it is good once, for an hour
    token: String,
    #[command(flatten)]
    print: Print,
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        match self {
            Self::Change(args) => args.print,
            Self::Forgot(args) => args.print,
            Self::Reset(args) => args.print,
        }
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        match self {
            Self::Change(_) => change(session).await,
            Self::Forgot(args) => forgot(session, &args).await,
            Self::Reset(args) => reset(session, &args).await,
        }
    }
}

/// The present one, the next one (twice, where nobody sees what is typed), the code if there is a second factor.
async fn change(session: &mut Session<'_>) -> Result<(), CliError> {
    let present = secret::password(session, "Present password (not shown): ")?;
    let next = another(session, "`flowline passwd`")?;
    let body = json!({ "password": present, "new_password": next });
    let client = &session.client;
    let attempt = async |code: Option<&str>| client.patch_with("/account", &body, code).await;
    let answer = two_factor::with_code(session.console, session.env.terminal.stdin, attempt).await;
    let answer = answer.map_err(two_factor::wrong_password)?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note("The password is changed; this login goes on, all others have ended.")
}

/// A new password; twice, where nobody sees what is typed.
fn another(session: &mut Session<'_>, again: &str) -> Result<String, CliError> {
    let next = secret::password(session, "New password: ")?;
    if session.env.terminal.stdin && secret::ask(session, "New password again: ")? != next {
        let next = format!("Type {again} to try again.");
        return Err(CliError::usage("The two differ. Nothing was changed.", next));
    }
    Ok(next)
}

/// Whether the address has an account is not told.
async fn forgot(session: &mut Session<'_>, args: &Forgot) -> Result<(), CliError> {
    let answer = session.client.post_openly("/password-resets", &json!({ "email": args.email })).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note(&format!("If {} has an account here, a mail says how to go on.", args.email))
}

async fn reset(session: &mut Session<'_>, args: &Reset) -> Result<(), CliError> {
    let next = another(session, "the command")?;
    let path = format!("/password-resets/{}/actions/finalize", segment(&args.token));
    let body = json!({ "password": next, "password_confirmation": next });
    let answer = session.client.post_openly(&path, &body).await?;
    if session.console.is_json() {
        return session.console.json(&answer);
    }
    session.console.note("The password is changed and all logins have ended: `flowline login`.")
}
