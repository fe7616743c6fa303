//! A small HTTP server with scripted answers, and a command run against it. It stands at the HTTP boundary only.

use bytes::Bytes;
use clap::{CommandFactory, Parser};
use cli::{Command, Console, Env, HELP, Terminal};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use model::time::Timestamp;
use serde_json::Value;
use std::convert::Infallible;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// The program as the binary builds it.
#[derive(Parser)]
#[command(name = "flowline", after_help = HELP)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// One answer.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: vec![("content-type", "application/json".into())], body: body.to_string() }
    }

    pub(crate) fn error(status: u16, id: &str, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "id": id, "message": message }))
    }

    pub(crate) fn text(kind: &str, body: &str) -> Self {
        Self { status: 200, headers: vec![("content-type", kind.into())], body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server; it ends with the test.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Server {
    /// `answer` gets each request and the server's own URL.
    pub(crate) async fn start(answer: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, log, own) = (Arc::new(answer), seen.clone(), url.clone());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, log, own) = (answer.clone(), log.clone(), own.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, log, own) = (answer.clone(), log.clone(), own.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                        let seen = Seen { line: format!("{} {}", head.method, head.uri), headers: head.headers, body };
                        log.lock().unwrap().push(seen.clone());
                        let reply = answer(&seen, &own);
                        let mut response = Response::builder().status(reply.status);
                        for (name, value) in reply.headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from(reply.body))).unwrap())
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { url, seen, task: task.abort_handle() }
    }

    /// What came, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The request lines that came, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Runs a command against it, logged in, in an empty folder.
    pub(crate) async fn run(&self, words: &[&str]) -> Ran {
        Place::new().at(&self.url).run(words).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a command is typed.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) env: Env,
    stdin: String,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["work", "passing"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let env = Env {
            ca: None,
            url: None,
            token: None,
            app: None,
            home: Some(path("home")),
            config_home: None,
            cwd: path("work"),
            exe: PathBuf::from("/opt/it's/flowline"),
            terminal: Terminal::default(),
            no_color: false,
            term: Some("xterm".into()),
            node_options: None,
            engine: std::collections::BTreeMap::new(),
            docker_config: None,
            passing: path("passing"),
            desktop: false,
            now: Box::new(|| Timestamp::parse("2026-01-02T03:04:05Z").unwrap()),
            program: Program::command,
        };
        Self { folder, env, stdin: String::new() }
    }

    /// With this server's URL and a token.
    pub(crate) fn at(mut self, url: &str) -> Self {
        self.env.url = Some(url.into());
        self.env.token = Some("s3cret".into());
        self
    }

    pub(crate) fn typing(mut self, stdin: &str) -> Self {
        self.stdin = stdin.into();
        self
    }

    pub(crate) fn cwd(&self) -> &Path {
        &self.env.cwd
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.folder.path().join("home/.config/flowline/credentials.json")
    }

    /// Makes the folder a git repository.
    pub(crate) fn repository(self) -> Self {
        self.git(&["init", "--quiet"]);
        self
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = std::process::Command::new("git").args(args).current_dir(self.cwd()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Ran {
        let program =
            Program::try_parse_from([&["flowline"], words].concat()).unwrap_or_else(|error| panic!("{error}"));
        let (out, err) = (Captured::default(), Captured::default());
        let stdin = io::Cursor::new(self.stdin.clone().into_bytes());
        let mut console = Console::new(Box::new(stdin), Box::new(out.clone()), Box::new(err.clone()));
        let code = cli::run_on(program.command, &self.env, &mut console).await;
        Ran { code, out: out.text(), err: err.text() }
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
