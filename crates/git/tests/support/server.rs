//! Smart HTTP on port 0, as the real door serves it.

use super::{LIMIT, Pushed, soon};
use git::hook::{Listener, PushSession};
use git::{Git, GitConfig, Output, RefUpdate, Service};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use model::id::AppId;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

/// One app's repository behind HTTP.
pub(crate) struct Server {
    pub(crate) git: Git,
    pub(crate) app: AppId,
    pub(crate) hook_sock: PathBuf,
    listener: Listener,
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    _dir: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_in("").await
    }

    /// With everything in a folder below the temporary one.
    pub(crate) async fn start_in(below: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let home = dir.path().join(below);
        std::fs::create_dir_all(&home).unwrap();
        let hook_sock = home.join("hook.sock");
        let listener = Listener::bind(&hook_sock).unwrap();
        let git = Git::open(GitConfig {
            repos_dir: home.join("repos"),
            exe: env!("CARGO_BIN_EXE_hook-under-test").into(),
            hook_sock: hook_sock.clone(),
            path: std::env::var_os("PATH").unwrap(),
            pack_limit_bytes: 8 << 20,
        });
        let git = git.await.unwrap();
        let app = AppId(uuid::Uuid::from_u128(7));
        git.init(app).await.unwrap();
        git.init(app).await.unwrap();

        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, connections) = (tcp.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(serve(tcp, git.clone(), app, connections.clone()));
        Self { git, app, hook_sock, listener, addr, connections, _dir: dir }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/app.git", self.addr)
    }

    /// The next push at the hook.
    pub(crate) async fn session(&mut self) -> PushSession {
        tokio::time::timeout(LIMIT, self.listener.accept()).await.expect("no push arrived at the hook")
    }

    /// Decides a push; what it wanted and how it ended.
    pub(crate) async fn decide(&mut self, push: JoinHandle<Pushed>, accept: bool) -> (Vec<RefUpdate>, Pushed) {
        let session = self.session().await;
        let updates = session.updates.clone();
        session.finish(accept).await.unwrap();
        (updates, push.await.unwrap())
    }

    pub(crate) async fn branch(&self, name: &str) -> Option<String> {
        let name = format!("refs/heads/{name}").parse().unwrap();
        self.git.branch(self.app, &name).await.unwrap().map(|commit| commit.to_string())
    }

    /// Waits until every client's connection has ended.
    pub(crate) async fn no_connections(&self) {
        soon("all connections ended", async || self.connections.load(Ordering::SeqCst) == 0).await;
    }
}

async fn serve(tcp: tokio::net::TcpListener, git: Git, app: AppId, connections: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = tcp.accept().await {
        let (git, connections) = (git.clone(), connections.clone());
        connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(git.clone(), app, request));
            let http = hyper::server::conn::http1::Builder::new();
            let _broken = http.serve_connection(TokioIo::new(stream), service).await;
            connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(git: Git, app: AppId, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let protocol = request.headers().get("git-protocol").map(|value| value.to_str().unwrap().to_owned());
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let service: Service = query.strip_prefix("service=").or(path.strip_prefix("/app.git/")).unwrap().parse().unwrap();
    let (output, kind) = if path.ends_with("/info/refs") {
        (git.advertise(app, service, protocol.as_deref()).await.unwrap(), service.advertisement_type())
    } else {
        let body = StreamReader::new(Box::pin(futures_util::TryStreamExt::map_err(
            BodyDataStream::new(request.into_body()),
            io::Error::other,
        )));
        let output = git.rpc(app, service, protocol.as_deref(), Some("token-of-the-push"), body).await.unwrap();
        (output, service.result_type())
    };
    Ok(Response::builder().header("content-type", kind).body(streamed(output)).unwrap())
}

fn streamed(output: Output) -> Body {
    let frames = futures_util::stream::unfold(output, async |mut output| {
        let chunk = output.chunk().await?;
        Some((chunk.map(Frame::data), output))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Folders of pushes that were not accepted and not cleaned up.
pub(crate) fn quarantines(server: &Server) -> usize {
    let objects = std::fs::read_dir(server.git.path(server.app).join("objects")).unwrap();
    objects.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("incoming")).count()
}

/// Kills the hook of this server: the one process whose environment names its socket and that runs the hook program.
pub(crate) fn kill_hook(server: &Server) {
    let mark = format!("FLOWLINE_HOOK_SOCK={}", server.hook_sock.display());
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
        let hook = String::from_utf8_lossy(&read("cmdline")).contains("hook-under-test");
        if hook && String::from_utf8_lossy(&read("environ")).contains(&mark) {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }
}
