//! A home of its own for the official command line: what it writes of accounts, git and itself stays apart from the user's.

use crate::env::Env;
use crate::error::CliError;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

/// Of the user's home these are not there: tokens, git's settings, and the folders where programs keep their state.
const APART: [&str; 6] = [".netrc", ".netrc.gpg", ".gitconfig", ".config", ".local", ".cache"];

/// More links than any home has entries that matter.
const LINKS_LIMIT: usize = 4096;

/// The folder of one run, below the home; it goes away with the run.
pub(super) struct Home {
    /// `HOME` of the child.
    pub(super) home: PathBuf,
    /// Files of this run only.
    run: PathBuf,
}

impl Home {
    /// Makes both folders, readable by their owner only, with links to the rest of the user's home.
    /// `server`: the name of the server's folder; another server's logins and caches are not seen.
    pub(super) fn make(env: &Env, server: &str) -> Result<Self, CliError> {
        let folder = folder(env)?.join(server);
        let home = folder.join("home");
        let run = folder.join(format!("run-{}", std::process::id()));
        let terms = home.join(".cache/heroku");
        let made = private(&terms).and_then(|()| private(&run)).and_then(|()| link(env.home.as_deref(), &home));
        // Else the first command says that the terms of a service have changed that has nothing to do with this server.
        let made = made.and_then(|()| fs::write(terms.join("terms-of-service"), ""));
        made.map_err(|error| CliError::local(format!("make {}", folder.display()), error))?;
        Ok(Self { home, run })
    }

    /// Writes a file of this run.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, CliError> {
        write(&self.run.join(name), text)
    }

    /// A folder of this run with one program in it, by this name; the program's place in it.
    pub(super) fn link(&self, name: &str, program: &Path) -> io::Result<PathBuf> {
        let folder = self.run.join("bin");
        private(&folder)?;
        let link = folder.join(name);
        // A run with this number may have died and left it.
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        symlink(program, &link)?;
        Ok(link)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed is a certificate without its key.
        let _left = fs::remove_dir_all(&self.run).is_err();
    }
}

/// `$XDG_CONFIG_HOME/flowline/heroku`.
pub(super) fn folder(env: &Env) -> Result<PathBuf, CliError> {
    let folder = env.config_home.clone().or_else(|| env.home.as_ref().map(|home| home.join(".config")));
    let folder = folder
        .ok_or_else(|| CliError::usage("There is no home folder to keep the command line's files in.", "Set HOME."))?;
    Ok(folder.join("flowline/heroku"))
}

/// Replaces a file, whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<PathBuf, CliError> {
    let replace = || {
        if let Some(folder) = path.parent() {
            private(folder)?;
        }
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, path)
    };
    replace().map_err(|error| CliError::local(format!("write {}", path.display()), error))?;
    Ok(path.to_owned())
}

fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Keys, passwords of databases, settings of editors: everything else of the user's home is there as it is.
fn link(from: Option<&Path>, to: &Path) -> io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    for entry in fs::read_dir(from)?.take(LINKS_LIMIT) {
        let name = entry?.file_name();
        if APART.iter().any(|apart| name == *apart) {
            continue;
        }
        match symlink(from.join(&name), to.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_tokens_stay_where_they_are() {
        let (user, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in [".netrc", ".gitconfig", ".pgpass"] {
            fs::write(user.path().join(name), name).unwrap();
        }
        fs::create_dir(user.path().join(".ssh")).unwrap();
        for _ in 0..2 {
            link(Some(user.path()), own.path()).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(own.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".pgpass", ".ssh"]);
    }
}
