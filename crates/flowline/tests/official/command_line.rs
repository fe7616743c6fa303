//! The official command line in a folder of its own, run by `flowline heroku`.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use testkit::{Flow, Terminal, search_path, within};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How often a command that tripped is typed again.
const TRIPS_LIMIT: usize = 10;

/// What was run over all lanes, and what went wrong.
#[derive(Clone, Default)]
pub(crate) struct Ran(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    done: BTreeSet<String>,
    failed: Vec<String>,
}

impl Ran {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }

    /// The commands, as they were typed, that did what they should.
    pub(crate) fn done(&self) -> BTreeSet<String> {
        self.record().done.clone()
    }

    pub(crate) fn nothing_failed(&self) {
        let failed = &self.record().failed;
        assert!(failed.is_empty(), "{} failed:\n\n{}", failed.len(), failed.join("\n\n"));
    }
}

/// Where `scripts/setup test` installs the clients.
pub(crate) fn installed() -> PathBuf {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/clients");
    let said = std::process::Command::new(setup).arg("--where").output().unwrap();
    let folder = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
    let command_line = folder.join("node_modules/.bin/heroku");
    assert!(command_line.exists(), "{} is not there: type `scripts/setup test`", command_line.display());
    folder
}

/// Its list of commands, as it was published.
pub(crate) fn manifest() -> Value {
    let path = installed().join("node_modules/heroku/oclif.manifest.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// One lane's.
pub(crate) struct CommandLine<'f> {
    pub(crate) flow: &'f Flow,
    /// Where it is typed.
    pub(crate) folder: PathBuf,
    /// The home folder of somebody who logs in; without it the operator's token is given to every command.
    home: Option<PathBuf>,
    ran: Ran,
}

impl<'f> CommandLine<'f> {
    pub(crate) fn new(flow: &'f Flow, ran: Ran) -> Self {
        let folder = flow.dir().join("typed-here");
        std::fs::create_dir_all(&folder).unwrap();
        Self { flow, folder, home: None, ran }
    }

    /// Of somebody who has no token yet.
    pub(crate) fn of_a_person(flow: &'f Flow, ran: Ran) -> Self {
        let (folder, home) = (flow.dir().join("a-person-s"), flow.dir().join("a-person-s/home"));
        std::fs::create_dir_all(&home).unwrap();
        Self { flow, folder, home: Some(home), ran }
    }

    /// `flowline WORDS`, not yet started.
    pub(crate) fn flowline(&self, words: &[&str]) -> Command {
        let mut command = self.flow.cli_command(words);
        command.env("PATH", format!("{}:{}", installed().join("node_modules/.bin").display(), search_path()));
        // No browser may start.
        command.current_dir(&self.folder).env("BROWSER", "true");
        if let Some(home) = &self.home {
            command.env("HOME", home).env_remove("FLOWLINE_TOKEN");
        }
        command
    }

    /// What `flowline` itself says; it must succeed.
    pub(crate) async fn of_flowline(&self, words: &[&str]) -> String {
        let output = within(&words.join(" "), self.flowline(words).output()).await.unwrap();
        let text = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
        self.holds(output.status.success(), &format!("flowline {}: {text}", words.join(" ")));
        text
    }

    /// Somebody sits in front of a command.
    pub(crate) fn at_terminal(&self, words: &[&str]) -> Terminal {
        Terminal::start(self.command(words))
    }

    /// What was said at a terminal must end with this status and say these words.
    pub(crate) async fn ended_at(&self, terminal: Terminal, typed: &str, code: i32, says: &[&str]) -> String {
        let (status, text) = terminal.end().await;
        self.note(typed, status, code, &text, says);
        text
    }

    /// `flowline heroku -- WORDS`, not yet started.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.flowline(&[&["heroku", "--"], words].concat())
    }

    /// Runs a command that must succeed and say these words; what it said.
    pub(crate) async fn done(&self, words: &[&str], says: &[&str]) -> String {
        self.ended(words, "", 0, says).await
    }

    /// The same, with this on its stdin.
    pub(crate) async fn fed(&self, words: &[&str], stdin: &str, says: &[&str]) -> String {
        self.ended(words, stdin, 0, says).await
    }

    /// Runs a command that must end with this status and say these words; what it said.
    pub(crate) async fn ended(&self, words: &[&str], stdin: &str, code: i32, says: &[&str]) -> String {
        self.ends(self.command(words), &words.join(" "), stdin, code, says).await
    }

    /// The same for a command with more in its environment.
    pub(crate) async fn ends(&self, command: Command, typed: &str, stdin: &str, code: i32, says: &[&str]) -> String {
        let (good, text) = self.attempt(command, typed, stdin, code, says).await;
        if good {
            self.ran.record().done.insert(typed.split(' ').next().unwrap_or_default().to_owned());
        }
        text
    }

    /// Runs a command for something that is not here: it must end in order and say so.
    pub(crate) async fn refused(&self, words: &[&str], code: i32, says: &[&str]) {
        self.attempt(self.command(words), &words.join(" "), "", code, says).await;
    }

    /// Runs a command in which the official command line trips over its own feet now and then, and then says these words: whoever
    /// types it types it again.
    pub(crate) async fn despite(&self, fault: &str, words: &[&str], code: i32, says: &[&str]) {
        let typed = words.join(" ");
        for _ in 0..TRIPS_LIMIT {
            let (status, text) = self.run(self.command(words), &typed, "").await;
            if !text.contains(fault) {
                return self.note(&typed, status, code, &text, says);
            }
        }
        self.holds(false, &format!("heroku {typed}: {fault}, every time"));
    }

    async fn attempt(&self, command: Command, typed: &str, stdin: &str, code: i32, says: &[&str]) -> (bool, String) {
        let (status, text) = self.run(command, typed, stdin).await;
        (self.judge(typed, status, code, &text, says), text)
    }

    /// Its status, and what it said.
    async fn run(&self, mut command: Command, typed: &str, stdin: &str) -> (Option<i32>, String) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // It may end without having read.
        let _unread = input.write_all(stdin.as_bytes()).await.is_err();
        drop(input);
        let output = within(typed, child.wait_with_output()).await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code(), text)
    }

    /// Was it as it should be? What was not is told at the end.
    fn judge(&self, typed: &str, status: Option<i32>, code: i32, text: &str, says: &[&str]) -> bool {
        // Long lines are broken where a terminal would end.
        let flat = text.replace('›', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let missing: Vec<_> = says.iter().filter(|words| !flat.contains(**words)).collect();
        let good = status == Some(code) && missing.is_empty();
        if !good {
            self.ran.record().failed.push(format!("heroku {typed}: {status:?}, missing {missing:?}:\n{text}"));
        }
        good
    }

    /// The same for a command that was run by other means; it is one of those that did what they should.
    pub(crate) fn note(&self, typed: &str, status: Option<i32>, code: i32, text: &str, says: &[&str]) {
        if self.judge(typed, status, code, text, says) {
            self.ran.record().done.insert(typed.split(' ').next().unwrap_or_default().to_owned());
        }
    }

    /// A command that the test itself has watched.
    pub(crate) fn went(&self, command: &str, good: bool, said: &str) {
        if good {
            self.ran.record().done.insert(command.to_owned());
        }
        self.holds(good, &format!("heroku {command}: {said}"));
    }

    /// Something beside the commands that must hold.
    pub(crate) fn holds(&self, good: bool, what: &str) {
        if !good {
            self.ran.record().failed.push(what.to_owned());
        }
    }

    /// git in the lane's folder, as in any shell.
    pub(crate) async fn git(&self, words: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(words).current_dir(&self.folder).env_clear().stdin(Stdio::null());
        git.env("PATH", search_path()).env("HOME", self.flow.dir().join("home")).env("NO_PROXY", "*");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("FLOWLINE_TOKEN", &self.flow.token);
        git.env("FLOWLINE_URL", format!("http://{}", self.flow.api));
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            git.env(name, "a@example.org");
        }
        let output = within("git", git.output()).await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        self.holds(output.status.success(), &format!("git {}: {text}", words.join(" ")));
        text
    }

    /// Commits these files.
    pub(crate) async fn commit(&self, files: &[(&str, &str)]) {
        if !self.folder.join(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch", "main"]).await;
        }
        for (name, text) in files {
            std::fs::write(self.folder.join(name), text).unwrap();
        }
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "files"]).await;
    }
}
