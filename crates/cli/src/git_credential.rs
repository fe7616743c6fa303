//! `flowline git:credentials`: git asks it for the name and token of a push, so that nobody has to type them.

use crate::error::CliError;
use crate::server::{Server, normal_url};
use crate::session::Session;

/// git's question: some `key=value` lines; more is no question of git's.
const LINES_LIMIT: usize = 64;

/// git runs this; `store` and `erase` have nothing to do here
#[derive(Debug, Clone, clap::Args)]
pub struct GitCredentials {
    /// The server whose token is meant, where git knows it by another of its addresses
    #[arg(long, value_name = "URL")]
    server: Option<String>,
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
    // Who wrote the server into this repository's helper wrote it for that address only.
    let server = args.server.as_ref().map_or(Ok(url), |server| normal_url(server, "URL"))?;
    match Server::token_for(session.env, &server)? {
        Some(token) => session.console.line(&format!("username=flowline\npassword={token}")),
        None => Ok(()),
    }
}
