//! The user's engine at work for one command.

use super::folder::{Folder, USER};
use crate::child;
use crate::engine::registry::{DOCKER_AUTHORITIES, Registry, local};
use crate::engine::{self, DOCKER, PODMAN};
use crate::error::CliError;
use crate::session::Session;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where Docker has its settings.
const DOCKER_CONFIG: &str = "DOCKER_CONFIG";

/// Docker's builder describes by default how it built, in a second manifest: nothing here reads that.
const NO_ATTESTATIONS: (&str, &str) = ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Docker,
    Podman,
}

/// It, the registry, and how it is let in there.
pub(super) struct Engine {
    program: PathBuf,
    kind: Kind,
    registry: Registry,
    folder: Folder,
    /// The file of the login, for commands that go to the registry.
    login: Option<PathBuf>,
}

impl Engine {
    /// The one on the PATH.
    pub(super) fn of(session: &Session<'_>) -> Result<Self, CliError> {
        let path = session.env.engine.get("PATH").map(String::as_str).unwrap_or_default();
        let program = engine::find(OsStr::new(path)).ok_or_else(|| {
            CliError::missing(
                "There is no Docker here, and no Podman.",
                "Install one of them, or put it on the PATH: container:push, container:pull, container:run, \
                 container:login and container:logout need it.",
            )
        })?;
        let podman = engine::is_podman(&mut std::process::Command::new(&program));
        let podman = podman.map_err(|error| CliError::local(format!("start {}", program.display()), error))?;
        let kind = if podman { Kind::Podman } else { Kind::Docker };
        let folder = Folder::make(session.env)?;
        let server = &session.client.server;
        let authorities = match &server.ca {
            Some(ca) if server.url.starts_with("https:") => Some(folder.authorities(ca)?),
            Some(_) | None => None,
        };
        let registry = Registry::of(&server.url, authorities);
        Ok(Self { program, kind, registry, folder, login: None })
    }

    /// `HOST:PORT/APP/TYPE`.
    pub(super) fn image(&self, app: &str, process_type: &str) -> String {
        format!("{}/{app}/{process_type}", self.registry.name)
    }

    /// As images are named by it.
    pub(super) fn registry(&self) -> &str {
        &self.registry.name
    }

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Docker => DOCKER,
            Kind::Podman => PODMAN,
        }
    }

    /// From here on it goes to the registry as who types the command, and nowhere else as anybody.
    pub(super) fn admit(&mut self, session: &mut Session<'_>) -> Result<(), CliError> {
        self.login = Some(self.folder.login(session.env, self.kind, &self.registry.name, token(session)?)?);
        self.hint(session)
    }

    /// Lets it keep the login for itself.
    pub(super) async fn log_in(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        let token = token(session)?.to_owned();
        self.hint(session)?;
        let words = ["login", "--username", USER, "--password-stdin", &self.registry.name];
        let ended = self.start(session, words.map(OsString::from).into(), Some(&token)).await?;
        self.succeeded(session, "login", ended)
    }

    /// Docker's daemon has to be told whom to believe.
    fn hint(&self, session: &mut Session<'_>) -> Result<(), CliError> {
        let Some(ca) = session.client.server.ca.as_deref().filter(|_| self.registry.authorities.is_some()) else {
            return Ok(());
        };
        match (self.kind, self.registry.docker_hint(ca, Path::new(DOCKER_AUTHORITIES))) {
            (Kind::Docker, Some(hint)) => session.console.warn(&hint),
            (Kind::Docker, None) | (Kind::Podman, _) => Ok(()),
        }
    }

    /// Does what these words say, on the user's terminal, and must succeed.
    pub(super) async fn must(&self, session: &mut Session<'_>, words: &[&str]) -> Result<(), CliError> {
        let ended = self.run(session, words.iter().map(OsString::from).collect()).await?;
        self.succeeded(session, words.first().copied().unwrap_or_default(), ended)
    }

    /// The same; what its end means is the caller's.
    pub(super) async fn run(&self, session: &mut Session<'_>, words: Vec<OsString>) -> Result<ExitStatus, CliError> {
        self.start(session, words, None).await
    }

    /// Is this image on this machine?
    pub(super) async fn has(&self, image: &str) -> Result<bool, CliError> {
        let mut command = Command::new(&self.program);
        command.args(["image", "inspect", image]).kill_on_drop(true);
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        Ok(ended.map_err(|error| self.not_started(error))?.success())
    }

    async fn start(
        &self,
        session: &mut Session<'_>,
        mut words: Vec<OsString>,
        input: Option<&str>,
    ) -> Result<ExitStatus, CliError> {
        let mut command = Command::new(&self.program);
        command.current_dir(&session.env.cwd).env(NO_ATTESTATIONS.0, NO_ATTESTATIONS.1).kill_on_drop(true);
        let runs = words.first().is_some_and(|verb| verb == "run");
        let travels = words.first().is_some_and(|verb| verb == "push" || verb == "pull");
        if let Some(login) = self.login.as_ref().filter(|_| travels) {
            match self.kind {
                Kind::Docker => {
                    command.env(DOCKER_CONFIG, login.parent().unwrap_or(login));
                }
                Kind::Podman => {
                    words.splice(1..1, ["--authfile".into(), login.into()]);
                }
            }
        }
        if self.kind == Kind::Podman {
            self.registry.tell_podman(&mut words);
        }
        command.args(words);
        if !runs || session.console.is_json() {
            // stdout is for the result: what the image's program prints, or JSON.
            let stderr = io::stderr().as_fd().try_clone_to_owned();
            command.stdout(stderr.map_err(|error| CliError::local("use stderr", error))?);
        }
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        session.console.flush()?;
        let mut engine = command.spawn().map_err(|error| self.not_started(error))?;
        if let Some((mut stdin, input)) = engine.stdin.take().zip(input) {
            // One that ends without reading says why itself.
            let _unread = stdin.write_all(input.as_bytes()).await.is_err();
        }
        child::wait(engine, self.name()).await
    }

    fn not_started(&self, error: io::Error) -> CliError {
        CliError::local(format!("start {}", self.program.display()), error)
    }

    fn succeeded(&self, session: &Session<'_>, verb: &str, ended: ExitStatus) -> Result<(), CliError> {
        if ended.success() {
            return Ok(());
        }
        let (name, url) = (self.name(), &session.client.server.url);
        let open = url.starts_with("http:") && !local(url);
        let next = match verb {
            "build" => format!("What {name} printed above says why; nothing was pushed."),
            "login" | "push" | "pull" if open => format!(
                "{name} trusts no registry without TLS on another machine: log in to the server by its https address \
                 (docs/containers.md)."
            ),
            _ => format!("What {name} printed above says why."),
        };
        Err(CliError::failed(format!("`{name} {verb}` ended with status {}.", child::code(ended)), next))
    }
}

fn token<'s>(session: &'s Session<'_>) -> Result<&'s str, CliError> {
    let server = &session.client.server;
    server.token.as_deref().ok_or_else(|| CliError::LoggedOut { url: server.url.clone() })
}
