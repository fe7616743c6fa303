//! `man [DIR]`: a page for each command.

use crate::args::Print;
use crate::error::CliError;
use crate::session::Session;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// What `man` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Pages {
    /// Where they go; without it to ~/.local/share/man/man1, where `man flowline` finds them
    dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// Writes the pages.
pub(crate) fn write(session: &mut Session<'_>, args: &Pages) -> Result<(), CliError> {
    let home = session.env.home.as_ref().map(|home| home.join(".local/share/man/man1"));
    let dir = args.dir.as_ref().map(|dir| session.env.cwd.join(dir)).or(home).ok_or_else(|| {
        CliError::usage("There is no home folder to write the pages to.", "Name one: `flowline man DIR`.")
    })?;
    let program = (session.env.program)();
    let written = fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(program, &dir));
    written.map_err(|error| CliError::local(format!("write the manual pages to {}", dir.display()), error))?;
    if session.console.is_json() {
        return session.console.json(&json!({ "dir": dir }));
    }
    session.console.line(&format!("The manual pages are in {}.", dir.display()))?;
    session.console.note("      `man flowline` lists the commands; `man flowline apps:create` explains one.")
}
