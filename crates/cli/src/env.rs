//! What the surroundings say, read once at the start and passed on.

use crate::heroku::engine;
use model::time::Timestamp;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Everything the commands know of the process they run in.
pub struct Env {
    /// `FLOWLINE_URL`.
    pub url: Option<String>,
    /// `FLOWLINE_TOKEN`.
    pub token: Option<String>,
    /// `FLOWLINE_APP`.
    pub app: Option<String>,
    /// `--ca`, else `FLOWLINE_CA`.
    pub ca: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// The folder the command was typed in.
    pub cwd: PathBuf,
    /// This program, for git to ask it for the token.
    pub exe: PathBuf,
    /// Which streams a person sits at.
    pub terminal: Terminal,
    /// `NO_COLOR` is set, or the terminal is a dumb one.
    pub no_color: bool,
    /// `TERM`, for one-off dynos.
    pub term: Option<String>,
    /// `NODE_OPTIONS`, which the official command line's are added to.
    pub node_options: Option<String>,
    /// What a container engine is to have as it is here, though the official command line gets other values.
    pub engine: BTreeMap<String, String>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<PathBuf>,
    /// For files that one command needs and nobody after it: `XDG_RUNTIME_DIR`, which is in memory, else `/tmp`.
    pub passing: PathBuf,
    /// There is a desktop that can open a URL.
    pub desktop: bool,
    /// The present moment, for "5m ago".
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// The whole program's commands, for shell completions.
    pub program: fn() -> clap::Command,
}

/// Which streams are terminals.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    /// Questions can be asked.
    pub stdin: bool,
    /// Results are read by a person.
    pub stdout: bool,
    /// Progress and errors are read by a person.
    pub stderr: bool,
}

impl Env {
    /// Reads the process's own environment: the only place in this crate that does.
    #[must_use]
    pub fn of_process(program: fn() -> clap::Command, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let text =
            |name| env::var_os(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let terminal = Terminal {
            stdin: io::stdin().is_terminal(),
            stdout: io::stdout().is_terminal(),
            stderr: io::stderr().is_terminal(),
        };
        let term = text("TERM");
        Self {
            url: text("FLOWLINE_URL"),
            token: text("FLOWLINE_TOKEN"),
            app: text("FLOWLINE_APP"),
            ca: path("FLOWLINE_CA").and_then(|path| absolute(&path)),
            home: path("HOME"),
            config_home: path("XDG_CONFIG_HOME").filter(|path| path.is_absolute()),
            cwd: env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            exe: env::current_exe().unwrap_or_else(|_| PathBuf::from("flowline")),
            terminal,
            no_color: text("NO_COLOR").is_some() || term.as_deref() == Some("dumb"),
            term,
            node_options: text("NODE_OPTIONS"),
            engine: engine::GIVEN_BACK.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect(),
            docker_config: path("DOCKER_CONFIG"),
            passing: path("XDG_RUNTIME_DIR").filter(|path| path.is_dir()).unwrap_or_else(env::temp_dir),
            desktop: text("DISPLAY").is_some() || text("WAYLAND_DISPLAY").is_some(),
            now: Box::new(now),
            program,
        }
    }

    /// Has `flowline heroku` started this process, as the official command line's `docker`? Its exit status then, unless it
    /// became the user's engine.
    #[must_use]
    pub fn become_engine(words: &[OsString]) -> Option<ExitCode> {
        let (name, words) = words.split_first()?;
        let asked = Path::new(name).file_name().is_some_and(|name| name == engine::NAME);
        let settings = env::var_os(engine::SETTINGS).map(PathBuf::from);
        asked.then(|| engine::become_engine(settings.as_deref(), words))
    }

    /// Believes these authorities, where that was typed.
    #[must_use]
    pub fn believing(mut self, ca: Option<&Path>) -> Self {
        self.ca = ca.and_then(absolute).or(self.ca);
        self
    }
}

/// Another folder's command reads it too: it is stored, and told to git.
fn absolute(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

impl fmt::Debug for Env {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("url", &self.url).field("app", &self.app).field("cwd", &self.cwd).finish()
    }
}
