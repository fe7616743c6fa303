//! What `flowline login` stored: `$XDG_CONFIG_HOME/flowline/credentials.json`, readable by its owner only.

use crate::env::Env;
use crate::error::CliError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The servers somebody logged in to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// The URL that commands go to.
    pub(crate) current: Option<String>,
    /// By URL.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, Login>,
}

/// One server's token.
#[derive(Serialize, Deserialize)]
pub(crate) struct Login {
    /// Who this is there.
    pub(crate) email: String,
    /// The secret.
    pub(crate) token: String,
    /// `flowline login` got it for a password, so that `logout` ends it. A token that was given is also somebody else's.
    #[serde(default)]
    pub(crate) ours: bool,
    /// The authorities that `login --ca` was told to believe for this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What is stored; nothing when there is no file.
    pub(crate) fn read(env: &Env) -> Result<Self, CliError> {
        let Ok(path) = path(env) else { return Ok(Self::default()) };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(CliError::local(format!("read {}", path.display()), error)),
        };
        serde_json::from_slice(&text).map_err(|error| {
            let message = format!("{} is damaged: {error}.", path.display());
            CliError::failed(message, "Remove that file, then type `flowline login`.")
        })
    }

    /// Replaces what is stored, whole or not at all.
    pub(crate) fn write(&self, env: &Env) -> Result<PathBuf, CliError> {
        let path = path(env)?;
        replace(&path, self).map_err(|error| CliError::local(format!("write {}", path.display()), error))?;
        Ok(path)
    }
}

fn replace(path: &Path, credentials: &Credentials) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // A name of our own beside it: a crash leaves the old file whole. `create_new` follows no link somebody left there.
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec_pretty(credentials)?)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn path(env: &Env) -> Result<PathBuf, CliError> {
    let folder = env.config_home.clone().or_else(|| env.home.as_ref().map(|home| home.join(".config")));
    let folder = folder.ok_or_else(|| {
        CliError::usage(
            "There is no home folder to store the login in.",
            "Set HOME, or use FLOWLINE_URL and FLOWLINE_TOKEN.",
        )
    })?;
    Ok(folder.join("flowline/credentials.json"))
}
