//! The demo's server, and what a user types at it.

use super::{DemoError, io_error};
use crate::args::Demo;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A visit that does not answer: the router holds it for 75 s at most.
const VISIT_LIMIT: Duration = Duration::from_secs(90);

/// A running server and what it said of itself.
pub(super) struct Server {
    child: Child,
    pub(super) log: PathBuf,
    pub(super) api: String,
    pub(super) apps: SocketAddr,
    token: String,
    pub(super) exe: PathBuf,
}

impl Server {
    pub(super) fn start(args: &Demo) -> Result<Self, DemoError> {
        let exe = std::env::current_exe().map_err(io_error("This program's own path"))?;
        std::fs::create_dir_all(&args.data).map_err(io_error("The data folder cannot be made"))?;
        let data = args.data.canonicalize().map_err(io_error("The data folder"))?;
        let log = data.join("serve.log");
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(io_error("serve.log"))?;
        let began = file.metadata().map_err(io_error("serve.log"))?.len();
        let mut child = Command::new(&exe)
            .args(["serve".as_ref(), "--data".as_ref(), data.as_os_str()])
            .args(["--listen", &args.listen.to_string(), "--apps", &args.apps.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            // A group of its own: Ctrl-C reaches the demo, which stops the server in order.
            .process_group(0)
            .spawn()
            .map_err(io_error("The server cannot be started"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(io_error("The server's first line"))?;
        }
        let ready: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        let field = |name: &str| ready.as_ref().and_then(|ready| ready[name].as_str()).map(str::to_owned);
        let (Some(api), Some(apps)) =
            (field("api"), field("apps").and_then(|apps| apps.strip_prefix("http://")?.parse().ok()))
        else {
            let _status = child.wait().map_err(io_error("The server"))?;
            return Err(DemoError::NotStarted(tail(&log, began)));
        };
        let token = std::fs::read_to_string(data.join("admin.token")).map_err(io_error("admin.token"))?;
        Ok(Self { child, log, api, apps, token: token.trim().to_owned(), exe })
    }

    pub(super) fn token_path(&self) -> PathBuf {
        self.log.with_file_name("admin.token")
    }

    /// One of our own commands, as the user would type it.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.exe);
        command.args(words).env("FLOWLINE_URL", &self.api).env("FLOWLINE_TOKEN", &self.token).stdin(Stdio::null());
        command
    }

    pub(super) fn has_code(&self, app: &str) -> Result<bool, DemoError> {
        let output = self.command(&["releases", "-a", app, "--json"]).stderr(Stdio::null()).output();
        let output = output.map_err(io_error("flowline releases"))?;
        let releases: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(releases.iter().any(|release| !release["slug"].is_null() && release["status"] == "succeeded"))
    }

    /// A command that is shown and may fail: did it succeed?
    pub(super) fn runs(&self, words: &[&str]) -> Result<bool, DemoError> {
        Ok(self.command(words).status().map_err(io_error("flowline"))?.success())
    }

    /// A command that is shown and has to succeed.
    pub(super) fn run(&self, words: &[&str]) -> Result<(), DemoError> {
        if self.runs(words)? { Ok(()) } else { Err(DemoError::Step(format!("flowline {}", words.join(" ")))) }
    }

    /// What a command prints.
    pub(super) fn output(&self, words: &[&str]) -> Result<String, DemoError> {
        let output = self.command(words).stderr(Stdio::null()).output().map_err(io_error("flowline"))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Commits everything in the folder and pushes it to an app. Real git, with the token where neither `ps` nor a config file shows
    /// it. `false`: the push was declined.
    pub(super) fn push(&self, folder: &Path, app: &str, message: &str) -> Result<bool, DemoError> {
        let git = |words: &[&str]| {
            let mut git = Command::new("git");
            git.current_dir(folder).args(["-c", "user.name=Flowline", "-c", "user.email=demo@localhost"]).args(words);
            git
        };
        if !folder.join(".git").exists() {
            done("git init", git(&["init", "--quiet", "--initial-branch=main"]).status())?;
        }
        done("git add", git(&["add", "--all"]).status())?;
        let unchanged = git(&["diff", "--cached", "--quiet"]).status().map_err(io_error("git diff"))?.success();
        if !unchanged {
            done("git commit", git(&["commit", "--quiet", "--message", message]).status())?;
        }
        let url = format!("{}/{app}.git", self.api);
        let helper = format!("!'{}' git:credentials", self.exe.display());
        let mut push = git(&["-c", "credential.helper=", "-c", &format!("credential.helper={helper}"), "push"]);
        push.args([&url, "HEAD:refs/heads/main"]).env("FLOWLINE_URL", &self.api).env("FLOWLINE_TOKEN", &self.token);
        Ok(push.env("GIT_TERMINAL_PROMPT", "0").status().map_err(io_error("git push"))?.success())
    }

    /// A visitor's request over the router, which holds it until the app is up.
    pub(super) fn visit(&self, app: &str) -> Result<String, DemoError> {
        let mut stream = TcpStream::connect(self.apps).map_err(io_error("The router"))?;
        stream.set_read_timeout(Some(VISIT_LIMIT)).map_err(io_error("The router"))?;
        let request = format!("GET / HTTP/1.1\r\nHost: {app}.localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(io_error("The router"))?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer).map_err(io_error("The app's answer"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if !status.contains(" 200 ") {
            return Err(DemoError::Answer(status.to_owned()));
        }
        let text = body.lines().find(|line| line.contains("<h1>")).unwrap_or(status);
        Ok(text.to_owned())
    }

    pub(super) fn wait_for_ctrl_c(&mut self) -> Result<(), DemoError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(io_error("Waiting for Ctrl-C"))?;
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(io_error("Waiting for a signal"))?;
            loop {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(1)) => {
                        if self.child.try_wait().map_err(io_error("The server"))?.is_some() {
                            return Err(DemoError::Ended(self.log.clone()));
                        }
                    }
                }
            }
        })
    }

    pub(super) fn stop(mut self) -> Result<(), DemoError> {
        if self.child.try_wait().map_err(io_error("The server"))?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::INT)
                .map_err(|error| DemoError::Io("The server cannot be stopped", error.into()))?;
        }
        self.child.wait().map_err(io_error("The server"))?;
        Ok(())
    }
}

fn done(what: &str, status: io::Result<std::process::ExitStatus>) -> Result<(), DemoError> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(DemoError::Step(what.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DemoError::Step(format!("{what} (is git installed?)")))
        }
        Err(error) => Err(DemoError::Step(format!("{what}: {error}"))),
    }
}

/// What the server wrote since it was started.
fn tail(log: &Path, from: u64) -> String {
    use std::io::Seek;
    let mut text = String::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(io::SeekFrom::Start(from))?;
        file.take(16 * 1024).read_to_string(&mut text)
    });
    match read {
        Ok(_) => text,
        Err(error) => format!("{}: {error}", log.display()),
    }
}
