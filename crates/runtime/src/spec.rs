//! What a dyno is to run, as `control` says it.

use model::dyno::{Limits, Slice};
use model::id::DynoId;
use model::mount::Mount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use model::dyno::{DYNO_GID, DYNO_UID};

/// The largest specification, in bytes of JSON: many times the 64 KiB that config vars may fill.
pub(crate) const SPEC_LIMIT_BYTES: usize = 1024 * 1024;

/// One run of a process in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynoSpec {
    /// Its id; also the name of its folder, so that nothing is started twice.
    pub id: DynoId,
    /// `web.1`; becomes the host name inside (`web-1`).
    pub name: String,
    /// Program and arguments; the program is looked for in `PATH` of `env`.
    pub argv: Vec<String>,
    /// Working directory inside the sandbox.
    pub cwd: PathBuf,
    /// The whole environment. Never written to disk: empty in an adopted specification.
    pub env: BTreeMap<String, String>,
    /// What it stands on; none: the stack, which is this machine's own system.
    #[serde(default)]
    pub root: Option<RootImage>,
    /// On top of that, in this order.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub limits: Limits,
    /// From which branch of the machine's budget.
    #[serde(default)]
    pub slice: Slice,
    /// Shall it get a port of its own, named in `PORT`?
    pub port: bool,
    /// Opaque here; given back when the dyno is adopted.
    pub labels: BTreeMap<String, String>,
    /// Are its standard streams somebody's, by [`crate::DynoControl::open`]? Else it reads nothing, and what it writes
    /// are lines.
    #[serde(default)]
    pub attach: Option<Attach>,
}

/// A container image as the root of a dyno's tree. The dyno may write everywhere in it; what it writes goes to a layer of its
/// own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootImage {
    /// The image's files, on the host; never written to. They belong to the dyno identity.
    pub image: PathBuf,
    /// Where changes go; same file system as `work`. See [`crate::prepare_dir`].
    pub upper: PathBuf,
    /// Scratch space of overlayfs.
    pub work: PathBuf,
}

/// What the standard streams of an attached program are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// A terminal of this size; none: two pipes, one in, one out for stdout and stderr.
    pub terminal: Option<WindowSize>,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
}

/// One more program in a dyno that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program and arguments; the program is looked for in `PATH` of `env`.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Working directory inside the sandbox.
    pub cwd: PathBuf,
    /// Its streams.
    pub attach: Attach,
}

/// A specification that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// `argv` is empty.
    #[error("the command is empty")]
    NoCommand,
    /// A NUL byte would cut a C string short.
    #[error("{0} contains a NUL byte")]
    Nul(&'static str),
    /// A place inside the sandbox, or a folder of an image, must be absolute and without `..`.
    #[error("`{0}` is not an absolute path without `..`")]
    NotAbsolute(PathBuf),
    /// A name in the environment that no process could read back.
    #[error("`{0}` cannot be the name of an environment variable")]
    BadVariable(String),
    /// Larger than a mebibyte.
    #[error("command, environment and mounts together have {0} bytes; the limit is {SPEC_LIMIT_BYTES}")]
    TooLarge(usize),
    /// An overlay without a lower layer.
    #[error("the overlay at `{0}` has no lower layer")]
    NoLayer(PathBuf),
}

impl DynoSpec {
    /// Refuses what the keeper could not run anyway, before a process is started for it.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        check_program(&self.argv, &self.env)?;
        check_inside(&self.cwd)?;
        if let Some(RootImage { image, upper, work }) = &self.root {
            [image, upper, work].into_iter().try_for_each(|path| check_inside(path))?;
        }
        self.mounts.iter().try_for_each(check_mount)
    }
}

impl ExecSpec {
    /// The same for a program in a dyno that runs.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        check_program(&self.argv, &self.env)?;
        check_inside(&self.cwd)
    }
}

fn check_program(argv: &[String], env: &BTreeMap<String, String>) -> Result<(), SpecError> {
    if argv.first().is_none_or(String::is_empty) {
        return Err(SpecError::NoCommand);
    }
    if argv.iter().any(|arg| arg.contains('\0')) {
        return Err(SpecError::Nul("the command"));
    }
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(SpecError::BadVariable(name.clone()));
        }
        if value.contains('\0') {
            return Err(SpecError::Nul("an environment variable's value"));
        }
    }
    Ok(())
}

fn check_mount(mount: &Mount) -> Result<(), SpecError> {
    match mount {
        Mount::Overlay { lowers, to, .. } if lowers.is_empty() => Err(SpecError::NoLayer(to.clone())),
        Mount::Overlay { to, .. } | Mount::Bind { to, .. } | Mount::Tmpfs { to, .. } | Mount::File { to, .. } => {
            check_inside(to)
        }
    }
}

fn check_inside(path: &Path) -> Result<(), SpecError> {
    let plain = path.is_absolute() && !path.components().any(|part| part == std::path::Component::ParentDir);
    if plain && !path.as_os_str().as_encoded_bytes().contains(&0) {
        Ok(())
    } else {
        Err(SpecError::NotAbsolute(path.to_owned()))
    }
}

/// What travels to the nursery, and (without the environment) what lies in the dyno's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What to run.
    pub(crate) spec: DynoSpec,
    /// Where it will listen, if it was given a port.
    pub(crate) addr: Option<SocketAddr>,
    /// Its own loopback address, where there are walls around dynos.
    #[serde(default)]
    pub(crate) own: Option<Ipv4Addr>,
    /// Its cgroups, filled in by its keeper: they are to be removed also should the keeper not come to it.
    #[serde(default)]
    pub(crate) cgroups: Vec<PathBuf>,
}

impl Order {
    /// For the disk: config vars are secrets and stay off it.
    pub(crate) fn without_env(&self) -> Self {
        Self { spec: DynoSpec { env: BTreeMap::new(), ..self.spec.clone() }, ..self.clone() }
    }
}
