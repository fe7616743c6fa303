//! A real `flowline serve` on a temporary data folder, and what a user does with it from a shell.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::program::output;
use super::{BenchError, Checkout};

/// How long one answer of an app may take before the run is given up.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A running server that is stopped, with its dynos, when it is dropped.
pub(super) struct Server {
    exe: PathBuf,
    process: Child,
    folder: Folder,
    api: String,
    apps: String,
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
        let errors = std::fs::File::create(folder.0.join("serve.log")).map_err(io("cannot write serve.log"))?;
        let mut command = Command::new(&exe);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--apps", "127.0.0.1:0", "--data"])
            .arg(folder.0.join("data"));
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|error| BenchError::NotStarted(exe.display().to_string(), error))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(io("cannot read what serve says"))?;
        }
        let address =
            |name| field(&line, name).ok_or_else(|| BenchError::Unexpected(format!("serve said `{}`", line.trim())));
        let (api, apps) = (address("api")?, address("apps")?);
        let token =
            std::fs::read_to_string(folder.0.join("data/admin.token")).map_err(io("cannot read admin.token"))?;
        Ok(Self { exe, process, folder, api, apps, token: token.trim().to_owned() })
    }

    /// Runs `flowline <arguments>` against it.
    pub(super) fn flowline(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let mut command = Command::new(&self.exe);
        output(command.args(arguments).env("FLOWLINE_URL", &self.api).env("FLOWLINE_TOKEN", &self.token))
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
        let failed = io("cannot ask the app");
        let address = self.apps.split("://").nth(1).unwrap_or(&self.apps).trim_end_matches('/');
        let mut stream = TcpStream::connect(address).map_err(&failed)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(&failed)?;
        write!(stream, "GET / HTTP/1.1\r\nHost: {app}.localhost\r\nConnection: close\r\n\r\n").map_err(&failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(&failed)?;
        let body = answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 200"));
        let body = body.ok_or_else(|| BenchError::Unexpected(answer.lines().next().unwrap_or_default().to_owned()))?;
        Ok(body.1.to_owned())
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
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
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

/// A string of a flat JSON object.
fn field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    rest.split('"').nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_of_a_ready_server() {
        let line = r#"{"api": "http://127.0.0.1:1", "apps":"http://127.0.0.1:2", "domain": "localhost"}"#;
        assert_eq!(field(line, "apps").as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(field(line, "nothing"), None);
    }
}
