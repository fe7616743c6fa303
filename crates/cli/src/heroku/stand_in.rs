//! A folder for the official command line's PATH, in which this program is `docker` ([`super::engine`]).

use super::engine::{NAME, Settings};
use super::home::{self, Home};
use super::place::Place;
use crate::engine::registry::Registry;
use crate::env::Env;
use crate::error::CliError;
use std::env::{join_paths, split_paths};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What the command line gets of it.
pub(super) struct StandIn {
    /// `PATH`, with the folder before everything else.
    pub(super) path: OsString,
    /// The file of its settings.
    pub(super) settings: PathBuf,
}

impl StandIn {
    /// Makes the folder for one run.
    pub(super) fn make(env: &Env, place: &Place, home: &Home) -> Result<Self, CliError> {
        let authorities = if place.believed_by_file() {
            let folder = home::folder(env)?.join(place.folder()).join("registry");
            home::write(&folder.join("ca.crt"), &place.authority)?;
            Some(folder)
        } else {
            None
        };
        let registry = Registry::of(&place.url, authorities);
        let settings = Settings { registry, surroundings: env.engine.clone() };
        let failed = |error| CliError::local("stand in for docker", error);
        let text = serde_json::to_string(&settings).map_err(|error| failed(error.into()))?;
        let settings = home.write("engine.json", &text)?;
        let link = home.link(NAME, &env.exe).map_err(failed)?;
        // Else the search would go on to the user's own, which asks the platform.
        let runs = std::fs::metadata(&link).map_err(failed)?.permissions().mode() & 0o111 != 0;
        if !runs {
            return Err(failed(io::ErrorKind::PermissionDenied.into()));
        }
        let folder = link.parent().map(PathBuf::from).unwrap_or_default();
        let own = env.engine.get("PATH").map(String::as_str).unwrap_or_default();
        let path = join_paths(std::iter::once(folder).chain(split_paths(own).filter(|part| *part != PathBuf::new())));
        Ok(Self { path: path.map_err(|error| failed(io::Error::other(error)))?, settings })
    }
}
