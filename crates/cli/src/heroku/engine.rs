//! What stands in for `docker` beside the official command line.
//!
//! That names images by the platform's registry, and the user's engine would go there itself, with this server's token: a
//! proxy does not help, because Docker's daemon knows nothing of it. So this program is the first `docker` on the command
//! line's PATH: it puts this server's registry in the place of the platform's, gives the user's own environment back, and
//! becomes the user's engine. Whatever still names the platform's registry then goes no further.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::env::split_paths;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// By this name it is called.
pub(crate) const NAME: &str = "docker";

/// The variable that leads it to its settings.
pub(crate) const SETTINGS: &str = "FLOWLINE_ENGINE";

/// The platform's registry.
const PLATFORM: &str = "registry.heroku.com";

/// The engines that are known, the first that is there is taken.
const ENGINES: [&str; 2] = [NAME, "podman"];

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

/// Where Docker looks for authorities, a folder for each registry.
const DOCKER_AUTHORITIES: &str = "/etc/docker/certs.d";

/// What `flowline heroku` tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    /// This server's registry, as images are named by it: host and port.
    pub(super) registry: String,
    /// Is it reached without TLS? Only where nobody can listen: on loopback.
    pub(super) plain: bool,
    /// The folder with `ca.crt` where the server has an authority of its own.
    pub(super) authorities: Option<PathBuf>,
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
    let mut words = directed(words, &settings.registry)?;
    let path = settings.surroundings.get("PATH").map(String::as_str).unwrap_or_default();
    let program = engine(OsStr::new(path)).ok_or(
        "There is no Docker here, and no Podman: install one of them. `flowline heroku` needs it for container:push, \
         container:pull, container:run, container:login and container:logout only.",
    )?;
    if is_podman(&settings, &program)? {
        if words == ASKS_VERSION {
            return match writeln!(io::stdout(), "{PODMAN_SPEAKS}") {
                Ok(()) => Ok(None),
                Err(error) => Err(format!("Couldn't answer: {error}.")),
            };
        }
        for_podman(&settings, &mut words);
    } else if let Some(hint) = for_docker(&settings, &words, Path::new(DOCKER_AUTHORITIES)) {
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

/// The first on the PATH, which is not this program once more.
fn engine(path: &OsStr) -> Option<PathBuf> {
    let own = std::env::current_exe().and_then(fs::canonicalize).ok();
    let runs = |path: &PathBuf| {
        let file = fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        file && fs::canonicalize(path).ok() != own
    };
    ENGINES.iter().find_map(|name| split_paths(path).map(|folder| folder.join(name)).find(runs))
}

/// Distributions offer Podman by the name `docker`, too.
fn is_podman(settings: &Settings, program: &Path) -> Result<bool, String> {
    let said = surrounded(settings, program).arg("--version").output();
    let said = said.map_err(|error| format!("Couldn't start {}: {error}.", program.display()))?;
    Ok(String::from_utf8_lossy(&said.stdout).to_ascii_lowercase().contains("podman"))
}

fn surrounded(settings: &Settings, program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in GIVEN_BACK.into_iter().chain(TAKEN_AWAY) {
        command.env_remove(name);
    }
    command.envs(&settings.surroundings);
    command
}

/// Podman is told with every command how the registry is reached.
fn for_podman(settings: &Settings, words: &mut Vec<OsString>) {
    let verb = words.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    if !["login", "pull", "push", "run"].contains(&verb.as_str()) {
        return;
    }
    // Its `push` knows no platforms: what was built for one is pushed.
    if let Some(at) = words.iter().position(|word| word == "--platform").filter(|_| verb == "push") {
        words.drain(at..words.len().min(at + 2));
    }
    if settings.plain {
        words.insert(1, "--tls-verify=false".into());
    }
    // Its `run` knows none: it finds what was built or pulled before.
    if let Some(folder) = settings.authorities.as_ref().filter(|_| verb != "run") {
        words.insert(1, folder.into());
        words.insert(1, "--cert-dir".into());
    }
}

/// Docker's daemon only believes whom root has told it to: said at the login, until it is done.
fn for_docker(settings: &Settings, words: &[OsString], believed: &Path) -> Option<String> {
    let authority = settings.authorities.as_ref()?.join("ca.crt");
    let wanted = believed.join(&settings.registry).join("ca.crt");
    if words.first().is_none_or(|word| word != "login") || wanted.exists() {
        return None;
    }
    Some(format!(
        "Docker has to be told once to believe this server:\n    sudo install -D -m 644 '{}' '{}'",
        authority.display(),
        wanted.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn settings(plain: bool, authorities: Option<&str>) -> Settings {
        let (registry, authorities) = ("127.0.0.1:7700".to_owned(), authorities.map(PathBuf::from));
        Settings { registry, plain, authorities, surroundings: BTreeMap::new() }
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
    fn podman_is_told_how_the_registry_is_reached() {
        for (plain, authorities, typed, goes) in [
            (true, None, "push --platform linux/amd64 a/b", "push --tls-verify=false a/b"),
            (true, None, "run -it a/b", "run --tls-verify=false -it a/b"),
            (true, None, "build --platform linux/amd64 .", "build --platform linux/amd64 ."),
            (true, None, "logout a", "logout a"),
            (false, Some("/ca"), "login a", "login --cert-dir /ca a"),
            (false, Some("/ca"), "run a/b", "run a/b"),
            (false, None, "pull a/b", "pull a/b"),
        ] {
            let mut typed = words(typed);
            for_podman(&settings(plain, authorities), &mut typed);
            assert_eq!(typed, words(goes));
        }
    }

    #[test]
    fn what_docker_needs_is_told_until_it_is_done() {
        let believed = tempfile::tempdir().unwrap();
        let own = settings(false, Some("/ca"));
        let hint = for_docker(&own, &words("login a"), believed.path()).unwrap();
        assert!(hint.contains("'/ca/ca.crt'") && hint.contains("127.0.0.1:7700/ca.crt"), "{hint}");
        assert_eq!(for_docker(&own, &words("push a"), believed.path()), None);
        assert_eq!(for_docker(&settings(true, None), &words("login a"), believed.path()), None);
        let folder = believed.path().join("127.0.0.1:7700");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("ca.crt"), "").unwrap();
        assert_eq!(for_docker(&own, &words("login a"), believed.path()), None);
    }

    #[test]
    fn docker_comes_before_podman_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        let path = std::env::join_paths([&one, &two]).unwrap();
        assert_eq!(engine(&path), None);
        for (folder, name) in [(&one, "podman"), (&two, "docker")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(engine(&path), None);
        for file in [one.join("podman"), two.join("docker")] {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(engine(&path), Some(file));
        }
        fs::remove_file(two.join("docker")).unwrap();
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), two.join("docker")).unwrap();
        assert_eq!(engine(&path), Some(one.join("podman")));
    }
}
