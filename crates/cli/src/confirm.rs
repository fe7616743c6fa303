//! What destroys something wants its name a second time.

use crate::error::CliError;
use crate::session::{Chosen, Session};

/// `--confirm APP`, for commands that take something away for good.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Confirm {
    /// The app's name once more; without it you are asked
    #[arg(short, long, value_name = "APP")]
    confirm: Option<String>,
}

impl Confirm {
    /// Goes on only when the name was typed twice. `what`: what happens otherwise, as a sentence without its end.
    pub(crate) fn check(&self, session: &mut Session<'_>, app: &Chosen, what: &str) -> Result<(), CliError> {
        Loss { name: &app.name, what }.confirmed(session, self.confirm.as_deref())
    }
}

/// What is about to be lost.
pub(crate) struct Loss<'a> {
    /// What has to be typed.
    pub(crate) name: &'a str,
    /// What happens, as a sentence without its end.
    pub(crate) what: &'a str,
}

impl Loss<'_> {
    /// Goes on only if the name was given with `--confirm`, or is typed now.
    pub(crate) fn confirmed(&self, session: &mut Session<'_>, given: Option<&str>) -> Result<(), CliError> {
        let Self { name, what } = self;
        let hint = format!("Type the command again with --confirm {name}.");
        let typed = match given {
            Some(typed) => typed.to_owned(),
            None if session.env.terminal.stdin => {
                session.console.warn(&format!("{what}."))?;
                session.console.ask(&format!("      Type {name} to go on: "))?
            }
            None => return Err(CliError::usage(format!("{what}; that needs the name {name} a second time."), hint)),
        };
        if typed == *name {
            return Ok(());
        }
        Err(CliError::usage(format!("Confirmation {typed} did not match {name}. Nothing was changed."), hint))
    }
}
