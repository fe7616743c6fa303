//! `passwd`.

use crate::args::{Bare, Print};
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
}

impl Verb {
    pub(crate) fn print(&self) -> Print {
        let Self::Change(args) = self;
        args.print
    }

    /// The present one, the next one (twice, where nobody sees what is typed), the code if there is a second factor.
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        let present = secret::password(session, "Present password (not shown): ")?;
        let next = secret::password(session, "New password: ")?;
        if session.env.terminal.stdin && secret::ask(session, "New password again: ")? != next {
            return Err(CliError::usage(
                "The two differ. Nothing was changed.",
                "Type `flowline passwd` to try again.",
            ));
        }
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
}
