//! The git command with a checkout of its own.

use super::{LIMIT, Server};
use model::commit::Commit;
use model::time::Timestamp;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};
use tokio::task::JoinHandle;

/// How a git command ended.
pub(crate) struct Pushed {
    pub(crate) ok: bool,
    pub(crate) stderr: String,
}

/// A checkout with the server as `origin`.
pub(crate) struct Client {
    dir: TempDir,
}

/// A push whose lines are read one by one.
pub(crate) struct LivePush {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

fn git_command(dir: &TempDir) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir.path()).env("HOME", dir.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
    command.args(["-c", "user.name=Dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main"]);
    command.stdin(Stdio::null());
    command
}

impl Client {
    pub(crate) fn new(server: &Server) -> Self {
        let client = Self { dir: TempDir::new().unwrap() };
        client.git(&["init", "--quiet"]);
        client.git(&["remote", "add", "origin", &server.url()]);
        client
    }

    pub(crate) async fn clone_of(server: &Server, options: &[&str]) -> Self {
        let client = Self { dir: TempDir::new().unwrap() };
        let cloned = client.run(&[&["clone"], options, &[&server.url(), "."]].concat()).await;
        assert!(cloned.ok, "{}", cloned.stderr);
        client
    }

    /// Runs a local command; it must succeed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let out = git_command(&self.dir).args(args).output().unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// Writes a file and commits it; the commit's id.
    pub(crate) fn commit(&self, name: &str, content: &str) -> String {
        std::fs::write(self.dir.path().join(name), content).unwrap();
        self.git(&["add", "."]);
        let subject = format!("{name}: {}", content.chars().take(60).collect::<String>());
        self.git(&["commit", "--quiet", "-m", &subject]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// What git says of a commit here.
    pub(crate) fn commit_of(&self, commit: &str) -> Commit {
        let show = |format: &str| self.git(&["show", "-s", &format!("--format={format}"), commit]).trim().to_owned();
        let at = Timestamp(show("%ct").parse::<i64>().unwrap() * 1_000_000);
        Commit { at, author: show("%an"), email: show("%ae"), subject: show("%s") }
    }

    pub(crate) fn amend(&self, subject: &str) {
        self.git(&["commit", "--quiet", "--amend", "-m", subject]);
    }

    /// A command that talks to the server.
    pub(crate) async fn run(&self, args: &[&str]) -> Pushed {
        let command = git_command(&self.dir);
        run(command, args).await
    }

    pub(crate) fn push(&self, refs: &[&str]) -> JoinHandle<Pushed> {
        let command = git_command(&self.dir);
        let args: Vec<String> = ["push", "origin"].iter().chain(refs).map(ToString::to_string).collect();
        tokio::spawn(async move { run(command, &args.iter().map(String::as_str).collect::<Vec<_>>()).await })
    }

    pub(crate) fn push_live(&self, refs: &[&str]) -> LivePush {
        let mut command = tokio::process::Command::from(git_command(&self.dir));
        command.args(["push", "origin"]).args(refs).process_group(0).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        LivePush { child, lines }
    }

    /// The body that a first push of `main` would send.
    pub(crate) fn receive_pack_request(&self) -> Vec<u8> {
        let head = self.git(&["rev-parse", "HEAD"]);
        let update = format!("{} {} refs/heads/main\0 report-status side-band-64k", "0".repeat(40), head.trim());
        let mut request = format!("{:04x}{update}0000", update.len() + 4).into_bytes();
        let pack = git_command(&self.dir).args(["pack-objects", "--all", "--stdout", "-q"]).output().unwrap();
        request.extend(pack.stdout);
        request
    }
}

async fn run(command: Command, args: &[&str]) -> Pushed {
    let mut command = tokio::process::Command::from(command);
    let out = tokio::time::timeout(LIMIT, command.args(args).kill_on_drop(true).output()).await;
    let out = out.unwrap_or_else(|_| panic!("git {args:?} took over {LIMIT:?}")).unwrap();
    Pushed { ok: out.status.success(), stderr: String::from_utf8_lossy(&out.stderr).into_owned() }
}

impl LivePush {
    pub(crate) async fn wait_for(&mut self, word: &str) {
        let found = tokio::time::timeout(LIMIT, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(word) {
                    return;
                }
            }
            panic!("the push ended without {word}");
        });
        found.await.unwrap_or_else(|_| panic!("{word} did not arrive in {LIMIT:?}"));
    }

    /// As a closed laptop: the whole client at once.
    pub(crate) async fn kill(&mut self) {
        let group = rustix::process::Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        self.child.wait().await.unwrap();
    }

    pub(crate) async fn end(&mut self) -> bool {
        while let Some(_line) = self.lines.next_line().await.unwrap() {}
        self.child.wait().await.unwrap().success()
    }
}
