//! A real `flowline serve` on a temporary data folder, and what a user does with it from a shell.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::call::{call, text};
use super::clock::now;
use super::program::output;
use super::{BenchError, Checkout};

/// A running server that is stopped, with its dynos, when it is dropped.
pub(super) struct Server {
    exe: PathBuf,
    process: Child,
    folder: Folder,
    /// Where the API listens.
    pub(super) api: String,
    /// Where the router listens.
    pub(super) apps: String,
    token: String,
}

/// A temporary folder.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing stands on it any more; what cannot be removed is the machine's to clear.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// Starts it on free ports.
    ///
    /// # Errors
    /// When it does not say that it is ready.
    pub(super) fn start(checkout: &Checkout) -> Result<Self, BenchError> {
        let exe = checkout.binary()?;
        let folder = std::env::temp_dir().join(format!("flowline-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(io("cannot make a folder"))?;
        let folder = Folder(folder);
        let (process, [api, apps]) = spawn(&exe, &folder.0, ["127.0.0.1:0"; 2])?;
        let token =
            std::fs::read_to_string(folder.0.join("data/admin.token")).map_err(io("cannot read admin.token"))?;
        Ok(Self { exe, process, folder, api, apps, token: token.trim().to_owned() })
    }

    /// Ends the control plane in order and starts it again on the same folder and ports; apps go on. How long the new
    /// one took until it was ready.
    ///
    /// # Errors
    /// When it does not say that it is ready.
    pub(super) fn restart(&mut self) -> Result<Duration, BenchError> {
        self.end("-TERM");
        let begin = now();
        let addresses = [&self.api, &self.apps].map(|url| super::call::address(url));
        (self.process, _) = spawn(&self.exe, &self.folder.0, addresses)?;
        Ok(begin.elapsed())
    }

    fn end(&mut self, signal: &str) {
        let _ = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }

    /// Runs `flowline <arguments>` against it.
    pub(super) fn flowline(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let mut command = Command::new(&self.exe);
        output(command.args(arguments).env("FLOWLINE_URL", &self.api).env("FLOWLINE_TOKEN", &self.token))
    }

    /// A call of the API; the answer where it is a good one.
    pub(super) fn call(&self, method: &str, path: &str, body: &str) -> Result<String, BenchError> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Accept: application/vnd.heroku+json; version=3\r\nContent-Type: application/json",
            self.token
        );
        match call(&self.api, &head, body)? {
            (200..=299, answer) => Ok(answer),
            (status, answer) => Err(BenchError::Unexpected(format!("{method} {path}: {status} {answer}"))),
        }
    }

    /// One page of a list.
    pub(super) fn page(&self, path: &str, range: &str) -> Result<String, BenchError> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nRange: {range}\r\n\
             Accept: application/vnd.heroku+json; version=3",
            self.token
        );
        match call(&self.api, &head, "")? {
            (200..=299, answer) => Ok(answer),
            (status, answer) => Err(BenchError::Unexpected(format!("GET {path}: {status} {answer}"))),
        }
    }

    /// Its data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// Does something while the control plane is stopped.
    ///
    /// # Errors
    /// When that fails, or the server does not say that it is ready.
    pub(super) fn paused(&mut self, work: impl FnOnce() -> Result<(), BenchError>) -> Result<(), BenchError> {
        self.end("-TERM");
        let worked = work();
        let addresses = [&self.api, &self.apps].map(|url| super::call::address(url));
        (self.process, _) = spawn(&self.exe, &self.folder.0, addresses)?;
        worked
    }

    /// A new repository with these files, committed, that pushes to the app.
    pub(super) fn repository(&self, app: &str, files: &[(&str, &str)]) -> Result<PathBuf, BenchError> {
        let folder = self.folder.0.join(app);
        std::fs::create_dir_all(&folder).map_err(io("cannot make a folder"))?;
        for (name, text) in files {
            std::fs::write(folder.join(name), text).map_err(io("cannot write a file"))?;
        }
        let remote = self.repository_url(app);
        git(&folder, &["init", "--quiet", "--initial-branch=main"])?;
        git(&folder, &["remote", "add", "flowline", &remote])?;
        commit(&folder)?;
        Ok(folder)
    }

    /// The body of `GET /` of an app, through the router.
    pub(super) fn get(&self, app: &str) -> Result<String, BenchError> {
        match call(&self.apps, &format!("GET / HTTP/1.1\r\nHost: {app}.localhost"), "")? {
            (200, body) => Ok(body),
            (status, body) => Err(BenchError::Unexpected(format!("{app} answered {status} {body}"))),
        }
    }

    /// Where an app is pushed to, with the token in it.
    pub(super) fn repository_url(&self, app: &str) -> String {
        format!("{}/{app}.git", self.api.replacen("://", &format!("://:{}@", self.token), 1))
    }

    /// The binary that is measured.
    pub(super) fn exe(&self) -> &Path {
        &self.exe
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT stops the dynos and the router too; SIGTERM would leave them to the next start.
        self.end("-INT");
    }
}

/// Starts the binary; the process, and where API and apps are.
fn spawn(exe: &Path, folder: &Path, [api, apps]: [&str; 2]) -> Result<(Child, [String; 2]), BenchError> {
    let log = File::options().create(true).append(true).open(folder.join("serve.log"));
    let mut command = Command::new(exe);
    command.args(["serve", "--listen", api, "--apps", apps, "--data"]).arg(folder.join("data")).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(log.map_err(io("cannot write serve.log"))?);
    let mut process = command.spawn().map_err(|error| BenchError::NotStarted(exe.display().to_string(), error))?;
    let mut line = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(io("cannot read what serve says"))?;
    }
    match (text(&line, "api"), text(&line, "apps")) {
        (Some(api), Some(apps)) => Ok((process, [api, apps])),
        _ => Err(BenchError::Unexpected(format!("serve said `{}`", line.trim()))),
    }
}

pub(super) fn commit(folder: &Path) -> Result<(), BenchError> {
    git(folder, &["add", "--all"])?;
    let who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    git(folder, &[&who[..], &["commit", "--quiet", "--allow-empty-message", "--message", ""]].concat())
}

pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<(), BenchError> {
    let mut command = Command::new("git");
    let ended = command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| BenchError::NotStarted("git".to_owned(), error))?;
    if ended.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    Err(BenchError::Ended(format!("git {}", arguments.join(" ")), format!("{}\n{text}", ended.status)))
}

pub(super) fn io(what: &str) -> impl Fn(std::io::Error) -> BenchError {
    move |error| BenchError::Io(what.to_owned(), error)
}
