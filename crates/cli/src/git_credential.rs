//! `flowline git:credentials`: git asks it for the name and token of a push, so that nobody has to type them.

use crate::error::CliError;
use crate::server::Server;
use crate::session::Session;

/// git's question: some `key=value` lines; more is no question of git's.
const LINES_LIMIT: usize = 64;

/// git runs this; `store` and `erase` have nothing to do here
#[derive(Debug, Clone, clap::Args)]
pub struct GitCredentials {
    /// get, store or erase, as git's credential helpers are called
    operation: String,
}

/// Answers `get` for a server that there is a token of, and stays silent otherwise, so that git asks the next helper.
pub(crate) fn answer(session: &mut Session<'_>, args: &GitCredentials) -> Result<(), CliError> {
    if args.operation != "get" {
        return Ok(());
    }
    let (mut protocol, mut host) = (String::new(), String::new());
    for _ in 0..LINES_LIMIT {
        let line = session.console.answer()?;
        match line.split_once('=') {
            Some(("protocol", value)) => protocol = value.to_owned(),
            Some(("host", value)) => host = value.to_owned(),
            Some(_) => {}
            None => break,
        }
    }
    let url = format!("{protocol}://{host}").to_ascii_lowercase();
    match Server::token_for(session.env, &url)? {
        Some(token) => session.console.line(&format!("username=flowline\npassword={token}")),
        None => Ok(()),
    }
}
