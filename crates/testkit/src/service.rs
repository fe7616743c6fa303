//! Servers that apps use, as a team has them beside its platform: started by a test, for itself alone.

use crate::otlp_target::python;
use crate::{Ports, until, within};
use rustix::process::geteuid;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Who runs what refuses to run as root: `nobody`.
const NOBODY: u32 = 65_534;

/// A server. It ends when this is dropped, and its files go.
pub struct Service {
    /// Where it listens: a loopback address.
    pub addr: SocketAddr,
    // Before the folder: it writes there until it ends.
    _child: Child,
    _ports: Ports,
    _dir: TempDir,
}

impl Service {
    /// An empty PostgreSQL, with the superuser `postgres` and no password.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn postgres() -> Self {
        let dir = tempfile::Builder::new().prefix("flowline-postgres-").tempdir().unwrap();
        let cluster = dir.path().join("cluster");
        std::fs::create_dir(&cluster).unwrap();
        if geteuid().is_root() {
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            chown(&cluster, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = quiet(&Self::postgres_program("initdb"), true);
        initdb.arg("-D").arg(&cluster).args([
            "-U",
            "postgres",
            "--auth=trust",
            "--locale=C",
            "-E",
            "UTF8",
            "--no-sync",
        ]);
        let made = within("initdb", initdb.output()).await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let socket = dir.path().to_owned();
        Self::start(dir, move |at| {
            let mut server = quiet(&Self::postgres_program("postgres"), true);
            server.arg("-D").arg(&cluster).arg("-k").arg(&socket);
            server.args(["-h", &at.ip().to_string(), "-p", &at.port().to_string(), "-c", "fsync=off"]);
            // It notices at once that a client is gone whose statement runs.
            server.args(["-c", "client_connection_check_interval=200"]);
            server
        })
        .await
    }

    /// One of PostgreSQL's programs, where Debian has them.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn postgres_program(name: &str) -> PathBuf {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin").join(name)).filter(|program| program.exists());
        programs.max().expect("PostgreSQL is not there: type `scripts/setup test`")
    }

    /// An empty Redis.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn redis() -> Self {
        let dir = tempfile::Builder::new().prefix("flowline-redis-").tempdir().unwrap();
        let folder = dir.path().to_owned();
        Self::start(dir, move |at| {
            let mut server = quiet(Path::new("redis-server"), false);
            server.args(["--bind", &at.ip().to_string(), "--port", &at.port().to_string(), "--save", ""]);
            server.arg("--dir").arg(&folder);
            server
        })
        .await
    }

    /// A server that speaks S3, without a bucket.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn s3() -> Self {
        let python = python();
        let dir = tempfile::Builder::new().prefix("flowline-s3-").tempdir().unwrap();
        Self::start(dir, move |at| {
            let mut server = quiet(&python, false);
            server.args(["-m", "moto.server", "-H", &at.ip().to_string(), "-p", &at.port().to_string()]);
            server
        })
        .await
    }

    async fn start(dir: TempDir, command: impl Fn(SocketAddr) -> Command) -> Self {
        let ports = Ports::take();
        let addr = ports.at(0);
        let mut child = command(addr).spawn().unwrap();
        let up = async || {
            assert!(child.try_wait().unwrap().is_none(), "a service did not start at {addr}");
            TcpStream::connect(addr).await.is_ok()
        };
        until("the start of a service", up).await;
        Self { addr, _child: child, _ports: ports, _dir: dir }
    }
}

/// A program whose output nobody reads; `as_nobody`: not as root.
fn quiet(program: &Path, as_nobody: bool) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", crate::search_path()).env("HOME", "/nonexistent");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    if as_nobody && geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
    }
    command
}
