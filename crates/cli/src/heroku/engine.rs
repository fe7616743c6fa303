//! What stands in for `docker` beside the official command line.
//!
//! That names images by the platform's registry, and the user's engine would go there itself, with this server's token: a
//! proxy does not help, because Docker's daemon knows nothing of it. So this program is the first `docker` on the command
//! line's PATH: it puts this server's registry in the place of the platform's, gives the user's own environment back, and
//! becomes the user's engine. Whatever still names the platform's registry then goes no further.

use crate::engine::registry::{DOCKER_AUTHORITIES, Registry};
use crate::engine::{DOCKER, find, is_podman};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// By this name it is called.
pub(crate) const NAME: &str = DOCKER;

/// The variable that leads it to its settings.
pub(crate) const SETTINGS: &str = "FLOWLINE_ENGINE";

/// The platform's registry.
const PLATFORM: &str = "registry.heroku.com";

/// What the command line asks before it logs in and before it builds.
const ASKS_VERSION: [&str; 3] = ["version", "-f", "{{.Client.Version}}"];

/// Which Docker's options Podman understands, whose own numbers are lower: below 17.7 the token would be an argument that
/// everybody on the machine can read; from 24 on `build` has options that Podman has not.
const PODMAN_SPEAKS: &str = "20.10.0";

/// Of the environment that the command line has, the user's engine gets its own back.
pub(crate) const GIVEN_BACK: [&str; 18] = [
    "ALL_PROXY",
    "GIT_CONFIG_GLOBAL",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// And this is none of its business.
const TAKEN_AWAY: [&str; 4] = [SETTINGS, "HEROKU_API_KEY", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS"];

/// What `flowline heroku` tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    /// This server's registry.
    pub(super) registry: Registry,
    /// The user's values of [`GIVEN_BACK`].
    pub(super) surroundings: BTreeMap<String, String>,
}

/// Becomes the engine; comes back only when that cannot be. `settings`: the file of them.
pub(crate) fn become_engine(settings: Option<&Path>, words: &[OsString]) -> ExitCode {
    let why = match prepare(settings, words) {
        Ok(Some(mut command)) => format!("It does not start: {}.", command.exec()),
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => why,
    };
    // Nobody is left to tell when this fails.
    let _gone = writeln!(io::stderr(), "flowline, for docker: {why}").is_err();
    ExitCode::FAILURE
}

/// The engine with everything that it is told; `None`: the question is answered already.
fn prepare(settings: Option<&Path>, words: &[OsString]) -> Result<Option<Command>, String> {
    let settings = settings.ok_or("`flowline heroku` starts it, nothing else does.")?;
    let text = fs::read(settings).map_err(|error| format!("Couldn't read {}: {error}.", settings.display()))?;
    let settings: Settings =
        serde_json::from_slice(&text).map_err(|error| format!("{} is damaged: {error}.", settings.display()))?;
    let mut words = directed(words, &settings.registry.name)?;
    let path = settings.surroundings.get("PATH").map(String::as_str).unwrap_or_default();
    let program = find(OsStr::new(path)).ok_or(
        "There is no Docker here, and no Podman: install one of them. `flowline heroku` needs it for container:push, \
         container:pull, container:run, container:login and container:logout only.",
    )?;
    let podman = is_podman(&mut surrounded(&settings, &program));
    if podman.map_err(|error| format!("Couldn't start {}: {error}.", program.display()))? {
        if words == ASKS_VERSION {
            return match writeln!(io::stdout(), "{PODMAN_SPEAKS}") {
                Ok(()) => Ok(None),
                Err(error) => Err(format!("Couldn't answer: {error}.")),
            };
        }
        settings.registry.tell_podman(&mut words);
    } else if let Some(hint) = for_docker(&settings.registry, &words, Path::new(DOCKER_AUTHORITIES)) {
        let _gone = writeln!(io::stderr(), "{hint}").is_err();
    }
    let mut command = surrounded(&settings, &program);
    command.args(words);
    Ok(Some(command))
}

/// The words with this server's registry in the place of the platform's.
fn directed(words: &[OsString], registry: &str) -> Result<Vec<OsString>, String> {
    let image = |word: &str| {
        let rest = word.strip_prefix(PLATFORM)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{registry}{rest}"))
    };
    let direct = |word: &OsString| {
        let text = word.to_string_lossy();
        let flag = || {
            let (flag, value) = text.split_once('=').filter(|(flag, _)| flag.starts_with('-'))?;
            Some(format!("{flag}={}", image(value)?))
        };
        let word = image(&text).or_else(flag).map_or_else(|| word.clone(), OsString::from);
        if word.to_string_lossy().to_ascii_lowercase().contains(PLATFORM) {
            return Err(format!(
                "`{text}` names {PLATFORM}, which is not this server: write {registry} instead. Nothing was sent there."
            ));
        }
        Ok(word)
    };
    words.iter().map(direct).collect()
}

fn surrounded(settings: &Settings, program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in GIVEN_BACK.into_iter().chain(TAKEN_AWAY) {
        command.env_remove(name);
    }
    command.envs(&settings.surroundings);
    command
}

/// Said at the login.
fn for_docker(registry: &Registry, words: &[OsString], believed: &Path) -> Option<String> {
    let authority = registry.authorities.as_ref()?.join("ca.crt");
    words.first().filter(|word| *word == "login")?;
    registry.docker_hint(&authority, believed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn nothing_that_names_the_platforms_registry_goes_further() {
        let here = "flow:7700";
        for (typed, goes) in [
            ("push registry.heroku.com/shop/web", "push flow:7700/shop/web"),
            ("login --password-stdin registry.heroku.com", "login --password-stdin flow:7700"),
            ("x --tag=registry.heroku.com/shop/web:latest", "x --tag=flow:7700/shop/web:latest"),
            ("build -f /srv/Dockerfile .", "build -f /srv/Dockerfile ."),
        ] {
            assert_eq!(directed(&words(typed), here).unwrap(), words(goes));
        }
        for typed in [
            "login https://registry.heroku.com",
            "login registry.heroku.com:443",
            "pull Registry.Heroku.com/shop/web",
            "build --build-arg FROM=registry.heroku.com/shop/web",
        ] {
            assert!(directed(&words(typed), here).unwrap_err().contains("not this server"), "{typed}");
        }
    }

    #[test]
    fn what_docker_needs_is_told_at_the_login() {
        let believed = tempfile::tempdir().unwrap();
        let own = Registry::of("https://flow:7743", Some(PathBuf::from("/ca")));
        assert!(for_docker(&own, &words("login a"), believed.path()).is_some());
        assert_eq!(for_docker(&own, &words("push a"), believed.path()), None);
        let open = Registry::of("https://flow:7743", None);
        assert_eq!(for_docker(&open, &words("login a"), believed.path()), None);
    }
}
