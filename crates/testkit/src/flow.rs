//! One running Flowline.

use crate::app::App;
use crate::disk::Disk;
use crate::http::{Answer, once, request};
use crate::{PATIENCE, Ports, within};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How a Flowline is started.
#[derive(Debug, Clone)]
pub struct Start {
    exe: PathBuf,
    domain: String,
    host_services: Vec<SocketAddr>,
    words: Vec<String>,
}

impl Start {
    /// The binary under test: `env!("CARGO_BIN_EXE_flowline")`.
    #[must_use]
    pub fn of(exe: &str) -> Self {
        Self { exe: exe.into(), domain: "localhost".into(), host_services: Vec::new(), words: Vec::new() }
    }

    /// With more words on its command line: `["--kept-slugs", "2"]`.
    #[must_use]
    pub fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Lets apps and builds use a service of this machine: one that the test made.
    #[must_use]
    pub fn with_host_service(mut self, at: SocketAddr) -> Self {
        self.host_services.push(at);
        self
    }
}

/// A running Flowline on a data folder of its own. Everything ends when it is dropped.
pub struct Flow {
    start: Start,
    // Before the folder: what is mounted there goes first.
    pub(crate) disk: Option<Disk>,
    dir: TempDir,
    ports: Ports,
    serve: Mutex<Option<Child>>,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where the router listens.
    pub apps: SocketAddr,
    /// Where the API and git listen by TLS.
    pub tls: SocketAddr,
    /// The admin's token.
    pub token: String,
}

struct Ready {
    child: Child,
    api: SocketAddr,
    apps: SocketAddr,
    tls: SocketAddr,
}

impl Flow {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(exe: &str) -> Self {
        Self::start_as(Start::of(exe)).await
    }

    /// Starts one in a certain way.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_as(start: Start) -> Self {
        let dir = tempfile::Builder::new().prefix("flowline-").tempdir().unwrap();
        Self::start_in(start, dir, None).await
    }

    pub(crate) async fn start_in(start: Start, dir: TempDir, disk: Option<Disk>) -> Self {
        let ports = Ports::take();
        let ready = within("the start of the server", spawn(&start, dir.path(), &ports)).await;
        let token = std::fs::read_to_string(dir.path().join("admin.token")).unwrap().trim().to_owned();
        let Ready { child, api, apps, tls } = ready;
        Self { start, disk, dir, ports, serve: Mutex::new(Some(child)), api, apps, tls, token }
    }

    /// The data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All files below a folder of the data folder, by their paths in it.
    #[must_use]
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir().join(folder)];
        while let Some(folder) = folders.pop() {
            // One that goes away meanwhile holds nothing.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path().strip_prefix(self.dir()).map_or(entry.path(), Path::to_owned));
                }
            }
        }
        found.sort();
        found
    }

    /// The server's process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.serve.try_lock().ok().and_then(|serve| serve.as_ref().and_then(Child::id)).expect("serve runs")
    }

    /// Ends the control plane only: `KILL`, or `TERM` in order. Apps go on.
    pub async fn end_serve(&mut self, signal: Signal) {
        let mut child = self.serve.get_mut().take().expect("serve runs");
        kill_process(pid(&child), signal).unwrap();
        within("the end of the server", child.wait()).await.unwrap();
    }

    /// Starts the control plane again, on the same folder and addresses.
    pub async fn start_serve(&mut self) {
        let ready = within("the start of the server", spawn(&self.start, self.dir.path(), &self.ports)).await;
        assert_eq!((ready.api, ready.apps, ready.tls), (self.api, self.apps, self.tls));
        *self.serve.get_mut() = Some(ready.child);
    }

    /// `kill -9` of the control plane, and its next start at once, as a service manager does it. `early`: the next one is
    /// killed so soon after its start, and another one follows. How long until one was ready.
    ///
    /// # Panics
    /// When none comes up.
    pub async fn replace_serve(&self, early: Option<Duration>) -> Duration {
        let mut serve = self.serve.lock().await;
        let began = Instant::now();
        let mut child = serve.take().expect("serve runs");
        child.kill().await.unwrap();
        if let Some(early) = early {
            let mut child = command(&self.start, self.dir.path(), &self.ports).spawn().unwrap();
            // However far it has come by then: that is the point.
            tokio::time::sleep(early).await;
            child.kill().await.unwrap();
        }
        let ready = within("the start of the server", spawn(&self.start, self.dir.path(), &self.ports)).await;
        *serve = Some(ready.child);
        began.elapsed()
    }

    /// Waits until the control plane that is being started is ready.
    pub async fn ready(&self) {
        drop(self.serve.lock().await);
    }

    /// From now on the control plane is started from this binary.
    pub fn change_exe(&mut self, exe: &Path) {
        exe.clone_into(&mut self.start.exe);
    }

    /// A new app.
    pub async fn app(&self, name: &str) -> App<'_> {
        let answer = self.post("/apps", &serde_json::json!({ "name": name })).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        App::new(self, name)
    }

    /// An app that is there.
    #[must_use]
    pub fn known_app(&self, name: &str) -> App<'_> {
        App::new(self, name)
    }

    /// A call of the API as the admin.
    pub async fn call(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Answer {
        self.call_as(&self.token, method, path, body).await
    }

    /// A call of the API as whoever has this token.
    pub async fn call_as(&self, token: &str, method: &str, path: &str, body: Option<&serde_json::Value>) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("accept", "application/vnd.heroku+json; version=3"),
            ("content-type", "application/json"),
        ];
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.raw(method, path, &headers, body).await
    }

    /// A call with these headers and body, as they are.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let call = once(self.api, request(method, path, &self.api.to_string(), headers, body));
        within(path, call).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A call of the API that may go wrong, as one of a client that lives with that.
    ///
    /// # Errors
    /// What the network says.
    pub async fn attempt(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Result<Answer, String> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", authorization.as_str()),
            ("accept", "application/vnd.heroku+json; version=3"),
            ("content-type", "application/json"),
        ];
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let call = once(self.api, request(method, path, &self.api.to_string(), &headers, body));
        tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    /// GET of the API.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// POST of the API.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    /// PATCH of the API.
    pub async fn patch(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    /// DELETE of the API.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    /// A visitor's request over the router.
    ///
    /// # Errors
    /// What the network says.
    pub async fn visit(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        once(self.apps, request(method, path, host, headers, body)).await
    }

    /// The binary's command line against this server, with `HOME` and `XDG_CONFIG_HOME` of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn cli(&self, words: &[&str]) -> std::process::Output {
        let command = self.cli_command(words).output();
        within("the command's end", command).await.unwrap()
    }

    /// The same, not yet started.
    #[must_use]
    pub fn cli_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.start.exe);
        command.args(words).current_dir(self.dir.path()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.env("PATH", std::env::var("PATH").unwrap_or_default()).env("HOME", self.dir.path().join("home"));
        command.env("FLOWLINE_URL", format!("http://{}", self.api)).env("FLOWLINE_TOKEN", &self.token);
        command
    }

    /// The value of an `Authorization: Basic` header with the token as password.
    #[must_use]
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("flowline:{}", self.token)))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // In order first, so that a test also tests the end; a test that already failed may not wait for ever.
        let Some(child) = self.serve.get_mut().take() else { return self.end_leftovers() };
        let pid = pid(&child);
        // It may have ended by itself.
        let _gone = kill_process(pid, Signal::INT).is_err();
        for _ in 0..400 {
            // Reaps it, without a runtime.
            match rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG) {
                Ok(None) => pause(),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        let _gone = kill_process(pid, Signal::KILL).is_err();
        self.end_leftovers();
    }
}

impl Flow {
    /// Ends the processes of this data folder that outlived their server.
    fn end_leftovers(&self) {
        for pid in self.processes() {
            let _gone = kill_process(pid, Signal::KILL).is_err();
        }
    }

    /// The processes that run for this data folder: only they have its path in their arguments.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let path = self.dir.path().canonicalize().unwrap_or_else(|_| self.dir.path().to_owned());
        let ours = |process: &std::fs::DirEntry| {
            let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(path.to_string_lossy().as_ref())
        };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter(ours);
        processes.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// What the server logged so far.
    #[must_use]
    pub fn server_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default()
    }
}

/// 25 ms without a runtime: `Drop` cannot await.
fn pause() {
    let pause = rustix::time::Timespec { tv_sec: 0, tv_nsec: 25_000_000 };
    let _early = rustix::thread::nanosleep(&pause);
}

fn pid(child: &Child) -> Pid {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("the server runs")
}

fn command(start: &Start, dir: &Path, ports: &Ports) -> Command {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("serve.log")).unwrap();
    let mut serve = Command::new(&start.exe);
    serve.args(["serve", "--domain", &start.domain, "--data"]).arg(dir);
    for (number, flag) in (0..).zip(["--listen", "--apps", "--router-metrics", "--tls"]) {
        serve.arg(flag).arg(ports.at(number).to_string());
    }
    serve.args(&start.words);
    serve.args(start.host_services.iter().map(|at| format!("--allow-host-service={at}")));
    serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).process_group(0);
    serve
}

async fn spawn(start: &Start, dir: &Path, ports: &Ports) -> Ready {
    let mut child = command(start, dir, ports).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let said = || std::fs::read_to_string(dir.join("serve.log")).unwrap_or_default();
    let ready: serde_json::Value =
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server did not start:\n{}", said()));
    let addr = |name: &str| ready[name].as_str().unwrap().split_once("://").unwrap().1.parse().unwrap();
    Ready { api: addr("api"), apps: addr("apps"), tls: addr("tls"), child }
}
