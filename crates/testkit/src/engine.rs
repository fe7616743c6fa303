//! Podman of the machine by the name `docker`, on storage of the test's own.

use crate::{search_path, within};
use rustix::process::{Resource, getrlimit};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// Debian's busybox-static: it needs no libraries.
const BUSYBOX: &str = "/usr/bin/busybox";

/// So many Debian's Podman lowers its own limit to; it can give its containers no more.
const PROCESSES: u64 = 32 * 1024;

const DOCKERFILE: &str = r#"FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
COPY hello /bin/hello
COPY answer.txt /srv/answer.txt
CMD ["/bin/busybox", "httpd", "-f", "-p", "$PORT", "-h", "/srv"]
"#;

/// A container engine with everything that it keeps in one folder, away from the machine's own.
pub struct Engine {
    folder: TempDir,
}

impl Engine {
    /// Sets it up.
    ///
    /// # Panics
    /// Without Podman on this machine.
    #[must_use]
    pub fn make() -> Self {
        let engine = Self { folder: tempfile::tempdir().unwrap() };
        let podman = found("podman");
        fs::create_dir(engine.programs()).unwrap();
        program(&engine.programs().join("docker"), &format!("exec '{}' \"$@\"", podman.display()));
        let at = |name: &str| engine.at(name).display().to_string();
        // It wants to give its containers more than it may have itself.
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
        let processes = getrlimit(Resource::Nproc).maximum.unwrap_or(PROCESSES).min(PROCESSES);
        let containers = format!(
            "[containers]\ndefault_ulimits = [\"nofile={files}:{files}\", \"nproc={processes}:{processes}\"]\n\
             netns = \"none\"\ncgroupns = \"host\"\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n\
             runtime = \"runc\"\ntmp_dir = \"{}\"\n",
            at("tmp")
        );
        let (graph, run) = (at("graph"), at("run"));
        let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{graph}\"\nrunroot = \"{run}\"\n");
        // Podman wants the file of logins to be there once it is named.
        let logins = ("logins.json", "{}");
        for (name, text) in
            [("containers.conf", &*containers), ("storage.conf", &*storage), ("registries.conf", ""), logins]
        {
            fs::write(engine.at(name), text).unwrap();
        }
        engine
    }

    /// A folder or file of its own.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything that it keeps, and everything that it was told, is below this.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it keeps who is logged in where.
    #[must_use]
    pub fn logins(&self) -> PathBuf {
        self.at("logins.json")
    }

    /// For a PATH: the folder with `docker`.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.at("bin")
    }

    /// Gives a command the environment in which Podman finds its storage here.
    pub fn surround(&self, command: &mut Command) {
        command.env("CONTAINERS_CONF", self.at("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.at("storage.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", self.at("registries.conf"));
        command.env("REGISTRY_AUTH_FILE", self.logins());
    }

    /// Does what these words say; did it?
    pub async fn podman(&self, words: &[&str]) -> bool {
        let mut command = Command::new(self.programs().join("docker"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        self.surround(&mut command);
        within("podman", command.status()).await.unwrap().success()
    }

    /// A folder with one of the machine's programs and no other.
    #[must_use]
    pub fn only(&self, name: &str) -> PathBuf {
        let folder = self.at(&format!("only-{name}"));
        fs::create_dir(&folder).unwrap();
        symlink(found(name), folder.join(name)).unwrap();
        folder
    }

    /// Puts a Dockerfile and its files into a folder: a web server that says this at `/answer.txt`, and the command `hello`.
    pub fn context(folder: &Path, answer: &str) {
        fs::copy(BUSYBOX, folder.join("busybox"))
            .unwrap_or_else(|error| panic!("{BUSYBOX}: {error}: `scripts/setup test`"));
        fs::write(folder.join("Dockerfile"), DOCKERFILE).unwrap();
        fs::write(folder.join("answer.txt"), answer).unwrap();
        program(&folder.join("hello"), "echo hello from a container, port $PORT");
    }
}

fn program(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn found(name: &str) -> PathBuf {
    let all = search_path();
    let all: Vec<_> = std::env::split_paths(&all).map(|folder| folder.join(name)).collect();
    all.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {name} on the PATH: `scripts/setup test`"))
}
