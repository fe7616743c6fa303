//! What an engine is shown for one command and what is gone after it: the login, and whom to believe.

use super::local::Kind;
use crate::env::Env;
use crate::error::CliError;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

/// As whom an engine goes: the registry looks at the password only.
pub(super) const USER: &str = "_";

/// Docker's settings, and logins: both engines read this form.
const SETTINGS: &str = "config.json";

/// What the settings hold of logins; for this one command there is one login only.
const LOGINS: [&str; 3] = ["auths", "credHelpers", "credsStore"];

/// Docker's settings are a page of text.
const SETTINGS_LIMIT_BYTES: u64 = 1 << 20;

/// More than anybody has in the folder of Docker's settings: contexts, plugins, certificates.
const LINKS_LIMIT: usize = 256;

/// Folders of commands that were killed and had our number.
const LEFT_LIMIT: usize = 16;

/// Readable by its owner only; it goes away with the command.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    pub(super) fn make(env: &Env) -> Result<Self, CliError> {
        let failed = |error| CliError::local(format!("make a folder in {}", env.passing.display()), error);
        for number in 0..LEFT_LIMIT {
            let path = env.passing.join(format!("flowline-engine-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// For `--cert-dir`: a copy of the authorities that this program believes.
    pub(super) fn authorities(&self, ca: &Path) -> Result<PathBuf, CliError> {
        let folder = self.0.join("certs");
        let copied =
            fs::DirBuilder::new().mode(0o700).create(&folder).and_then(|()| fs::copy(ca, folder.join("ca.crt")));
        copied.map_err(|error| CliError::local(format!("read {}", ca.display()), error))?;
        Ok(folder)
    }

    /// Writes the login; the file of it. Docker finds everything else as the user has it: contexts, proxies, plugins.
    pub(super) fn login(&self, env: &Env, kind: Kind, registry: &str, token: &str) -> Result<PathBuf, CliError> {
        let mut settings = Map::new();
        let own = env.docker_config.clone().or_else(|| env.home.as_ref().map(|home| home.join(".docker")));
        if let Some(own) = own.filter(|own| kind == Kind::Docker && own.is_dir()) {
            let what = || format!("read {}", own.display());
            settings = taken_over(&own, &self.0).map_err(|error| CliError::local(what(), error))?;
        }
        let auth = BASE64_STANDARD.encode(format!("{USER}:{token}"));
        settings.insert(LOGINS[0].to_owned(), json!({ registry: { "auth": auth } }));
        let file = self.0.join(SETTINGS);
        let written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
            file.write_all(Value::Object(settings).to_string().as_bytes())
        };
        written().map_err(|error| CliError::local(format!("write {}", file.display()), error))?;
        Ok(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left to tell when this fails; it is the owner's, and elsewhere than the home folder.
        let _left = fs::remove_dir_all(&self.0).is_err();
    }
}

/// The settings without logins; links to what lies beside them.
fn taken_over(own: &Path, folder: &Path) -> io::Result<Map<String, Value>> {
    for entry in fs::read_dir(own)?.take(LINKS_LIMIT) {
        let name = entry?.file_name();
        if name != SETTINGS {
            symlink(std::path::absolute(own)?.join(&name), folder.join(&name))?;
        }
    }
    let mut text = Vec::new();
    match File::open(own.join(SETTINGS)) {
        Ok(file) => file.take(SETTINGS_LIMIT_BYTES).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(error),
    };
    // Docker says itself that they are damaged, with every other command.
    let mut settings: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
    settings.retain(|key, _| !LOGINS.contains(&key.as_str()));
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_settings_stay_and_the_logins_do_not() {
        let (own, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let text = json!({ "auths": { "other": { "auth": "c2VjcmV0" } }, "credsStore": "desktop", "currentContext": "far",
            "credHelpers": { "a": "b" }, "proxies": {} });
        fs::write(own.path().join(SETTINGS), text.to_string()).unwrap();
        fs::create_dir(own.path().join("contexts")).unwrap();
        let settings = taken_over(own.path(), folder.path()).unwrap();
        assert_eq!(Value::Object(settings), json!({ "currentContext": "far", "proxies": {} }));
        assert_eq!(fs::read_link(folder.path().join("contexts")).unwrap(), own.path().join("contexts"));
        assert!(!folder.path().join(SETTINGS).exists());
        fs::write(own.path().join(SETTINGS), "{").unwrap();
        let again = tempfile::tempdir().unwrap();
        assert_eq!(taken_over(own.path(), again.path()).unwrap(), Map::new());
    }

    #[test]
    fn a_folder_is_its_owners_and_goes_away() {
        let place = tempfile::tempdir().unwrap();
        let env = Env { passing: place.path().to_owned(), ..Env::of_process(clap::Command::default, || panic!()) };
        let (one, two) = (Folder::make(&env).unwrap(), Folder::make(&env).unwrap());
        let file = one.login(&env, Kind::Podman, "flow:7700", "s3cret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        let text: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(text, json!({ "auths": { "flow:7700": { "auth": "XzpzM2NyZXQ=" } } }));
        drop((one, two));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
