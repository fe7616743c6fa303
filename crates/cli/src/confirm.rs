//! What destroys something wants the app's name a second time.

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
        let hint = format!("Type the command again with --confirm {}.", app.name);
        let typed = match &self.confirm {
            Some(typed) => typed.clone(),
            None if session.env.terminal.stdin => {
                session.console.warn(&format!("{what}."))?;
                session.console.ask(&format!("      Type {} to go on: ", app.name))?
            }
            None => return Err(CliError::usage(format!("{what}; that needs the app's name a second time."), hint)),
        };
        if typed == app.name {
            return Ok(());
        }
        Err(CliError::usage(format!("Confirmation {typed} did not match {}. Nothing was changed.", app.name), hint))
    }
}
