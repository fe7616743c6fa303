//! Images with a container engine of the machine: Podman by the name `docker`, on storage of the test's own.

use crate::command_line::CommandLine;
use rustix::process::{Resource, getrlimit};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use testkit::{Terminal, search_path, within};
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

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    let engine = Engine::make();
    context(&heroku.folder);
    let registry = heroku.flow.api.to_string();
    heroku.done(&["apps:create", "boxed"], &["Creating boxed... done"]).await;
    heroku.done(&["stack:set", "container", "-a", "boxed"], &["done"]).await;
    nowhere(&heroku, &engine).await;
    engine.done(&heroku, &["container:login"], &["Login Succeeded!"]).await;
    let known = fs::read_to_string(engine.logins()).unwrap_or_default();
    heroku.holds(known.contains(&registry) && !known.contains("heroku.com"), &format!("logins: {known}"));
    engine
        .done(&heroku, &["container:push", "web", "-a", "boxed"], &["Your image has been successfully pushed."])
        .await;
    engine
        .done(&heroku, &["container:release", "web", "-a", "boxed"], &["Releasing images web to boxed... done"])
        .await;
    heroku.done(&["ps:wait", "-a", "boxed"], &[]).await;
    let answer = heroku.flow.known_app("boxed").get("/answer.txt").await.text();
    heroku.holds(answer == "from an image", &format!("boxed answers {answer}"));
    heroku.done(&["releases", "-a", "boxed"], &["Deployed web ("]).await;
    // It asks for a terminal.
    let terminal = Terminal::start(engine.command(&heroku, &["container:run", "web", "hello", "-a", "boxed"]));
    heroku.ended_at(terminal, "container:run web hello", 0, &["hello from a container, port 5000"]).await;
    let image = format!("{registry}/boxed/web");
    engine.podman(&["rmi", "--force", &image]).await;
    heroku.holds(!engine.podman(&["image", "exists", &image]).await, "the image is gone");
    engine.done(&heroku, &["container:pull", "web", "-a", "boxed"], &["Pulling web"]).await;
    heroku.holds(engine.podman(&["image", "exists", &image]).await, "the image is back, by this server's name");
    engine.done(&heroku, &["container:rm", "web", "-a", "boxed"], &["Removing container web for", "done"]).await;
    let formation = heroku.flow.get("/apps/boxed/formation").await.json();
    heroku.holds(formation.as_array().is_some_and(Vec::is_empty), &format!("web is gone: {formation}"));
    engine.done(&heroku, &["container:logout"], &["Removed login credentials"]).await;
    let known = fs::read_to_string(engine.logins()).unwrap_or_default();
    heroku.holds(!known.contains(&registry), &format!("logins: {known}"));
    engine.podman(&["rm", "--all", "--force", "--time", "0"]).await;
}

/// Without an engine it is said what is missing; and no word with the platform's registry gets to one.
async fn nowhere(heroku: &CommandLine<'_>, engine: &Engine) {
    let mut without = heroku.command(&["container:login"]);
    let (node, git) = (engine.only("node"), engine.only("git"));
    let clients = crate::command_line::installed().join("node_modules/.bin");
    without.env("PATH", format!("{}:{}:{}", clients.display(), node.display(), git.display()));
    let ended = within("container:login", without.output()).await.unwrap();
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    heroku.holds(!ended.status.success() && said.contains("There is no Docker here, and no Podman"), &said);
    let arg = "FROM=registry.heroku.com/boxed/web";
    let words = ["container:push", "web", "-a", "boxed", "--arg", arg];
    heroku.ends(engine.command(heroku, &words), "container:push --arg", "", 1, &["which is not this server"]).await;
}

/// What the image is made of.
fn context(folder: &Path) {
    fs::copy(BUSYBOX, folder.join("busybox"))
        .unwrap_or_else(|error| panic!("{BUSYBOX}: {error}: `scripts/setup test`"));
    fs::write(folder.join("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(folder.join("answer.txt"), "from an image").unwrap();
    program(&folder.join("hello"), "echo hello from a container, port $PORT");
}

fn program(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Podman with everything that it keeps in one folder, away from the machine's own.
struct Engine {
    folder: TempDir,
}

impl Engine {
    fn make() -> Self {
        let engine = Self { folder: tempfile::tempdir().unwrap() };
        let podman = found("podman");
        fs::create_dir(engine.at("bin")).unwrap();
        program(&engine.at("bin/docker"), &format!("exec '{}' \"$@\"", podman.display()));
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
        for (name, text) in [("containers.conf", &*containers), ("storage.conf", &*storage), ("registries.conf", "")] {
            fs::write(engine.at(name), text).unwrap();
        }
        engine
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it keeps who is logged in where.
    fn logins(&self) -> PathBuf {
        self.at("logins.json")
    }

    fn surround(&self, command: &mut Command) {
        command.env("CONTAINERS_CONF", self.at("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.at("storage.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", self.at("registries.conf"));
        command.env("REGISTRY_AUTH_FILE", self.logins());
    }

    /// `flowline heroku -- WORDS` where this is `docker`.
    fn command(&self, heroku: &CommandLine<'_>, words: &[&str]) -> Command {
        let mut command = heroku.command(words);
        let clients = crate::command_line::installed().join("node_modules/.bin");
        let path = format!("{}:{}:{}", self.at("bin").display(), clients.display(), search_path());
        command.env("PATH", path);
        self.surround(&mut command);
        command
    }

    async fn done(&self, heroku: &CommandLine<'_>, words: &[&str], says: &[&str]) {
        heroku.ends(self.command(heroku, words), &words.join(" "), "", 0, says).await;
    }

    /// Did it do that?
    async fn podman(&self, words: &[&str]) -> bool {
        let mut command = Command::new(self.at("bin/docker"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        self.surround(&mut command);
        within("podman", command.status()).await.unwrap().success()
    }

    /// A folder with one of the machine's programs and no other.
    fn only(&self, name: &str) -> PathBuf {
        let folder = self.at(&format!("only-{name}"));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(found(name), folder.join(name)).unwrap();
        folder
    }
}

fn found(name: &str) -> PathBuf {
    let all = search_path();
    let all: Vec<_> = std::env::split_paths(&all).map(|folder| folder.join(name)).collect();
    all.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {name} on the PATH: `scripts/setup test`"))
}
