//! `flowline static`: serves the files of a static app, started as its `web` process inside the dyno.

mod body;
mod conditional;
mod file;
mod glob;
mod media;
mod settings;
mod site;
#[cfg(test)]
mod tests;

use body::FileBody;
use conditional::Part;
use file::ServedFile;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use settings::SiteError;
use site::{Answer, Site};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at once: well below the usual 1,024 file descriptors, of which each takes two while a file is sent.
const CONNECTIONS_LIMIT: usize = 400;

/// Responses may be finished so long after SIGTERM; a dyno has 30 s until SIGKILL (R12).
const DRAIN_LIMIT: Duration = Duration::from_secs(25);

/// Files are read in the background by at most so many threads; a dyno is small.
const READERS: usize = 4;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StaticError {
    /// The environment has no usable `PORT`.
    #[error("PORT must be set to a port number, such as PORT=5000")]
    Port,
    /// What is to be served is not right.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The port is taken, or the machine gives no thread or signal.
    #[error("cannot serve on port {port}: {source}")]
    Serve {
        /// The wanted port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Serves the current folder on `PORT` until SIGTERM or SIGINT.
pub(crate) fn main() -> ExitCode {
    match serve_current_folder() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // To the app's log; nobody else hears it.
            let _unheard = writeln!(io::stderr(), " !     flowline static: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_current_folder() -> Result<(), StaticError> {
    let port = std::env::var_os("PORT").and_then(|port| port.to_str()?.parse().ok()).ok_or(StaticError::Port)?;
    let site = Site::open(Path::new("."))?;
    let failed = |source| StaticError::Serve { port, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await.map_err(failed)?;
        let (mut term, mut int) =
            (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?);
        for name in site.passed_over() {
            let _unheard = writeln!(io::stdout(), "static.json: `{name}` is not offered and is passed over");
        }
        let _unheard = writeln!(io::stdout(), "Serving {} on port {port}", site.root().display());
        let stop = async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        serve(listener, Arc::new(site), stop).await;
        Ok(())
    })
}

/// Accepts until `stop`, then finishes what is being answered.
async fn serve(listener: TcpListener, site: Arc<Site>, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_LIMIT));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = next_connection(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (site, stopped) = (site.clone(), stopped.clone());
                connections.spawn(async move {
                    attend(stream, site, stopped).await;
                    drop(place);
                });
            }
            // Out of file descriptors or the like: wait for a connection to end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop((stopping, listener));
    let finished = async { while connections.join_next().await.is_some() {} };
    // What is not finished by then is cut off by the end of the process.
    let _cut_off = tokio::time::timeout(DRAIN_LIMIT, finished).await;
}

async fn next_connection(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn attend(stream: TcpStream, site: Arc<Site>, mut stopped: watch::Receiver<()>) {
    let answer = service_fn(|request| {
        let response = answer(&site, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    tokio::select! {
        // A client that breaks off is its own affair.
        _ended = connection.as_mut() => return,
        // Resolves when the sender is dropped.
        _stopping = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

/// Finding a file is a few calls that the kernel answers from memory: done in place. Contents are read in the background.
fn answer(site: &Site, request: &Request<Incoming>) -> Response<FileBody> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let takes_gzip = conditional::takes_gzip(request.headers());
    let mut response = match site.find(request.uri().path(), takes_gzip) {
        Answer::File(file) => whole_or_part(&file, request),
        Answer::MissingPage(file) => {
            file.open(StatusCode::NOT_FOUND, None).unwrap_or_else(|_| plain(StatusCode::NOT_FOUND, "404 Not Found\n"))
        }
        Answer::Missing => plain(StatusCode::NOT_FOUND, "404 Not Found\n"),
        Answer::BadPath => plain(StatusCode::BAD_REQUEST, "400 Bad Request\n"),
        Answer::Folder { with_slash } => {
            let location = request.uri().query().map_or(with_slash.clone(), |query| format!("{with_slash}?{query}"));
            let mut response = plain(StatusCode::MOVED_PERMANENTLY, "");
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
    };
    for (name, value) in site.headers(request.uri().path()) {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    if request.method() == Method::HEAD {
        *response.body_mut() = FileBody::empty();
    }
    response
}

fn whole_or_part(file: &ServedFile, request: &Request<Incoming>) -> Response<FileBody> {
    if conditional::is_fresh(request.headers(), file) {
        return file.not_modified();
    }
    let opened = match conditional::part(request.headers(), file) {
        Part::Whole => file.open(StatusCode::OK, None),
        Part::Range(range) => file.open(StatusCode::PARTIAL_CONTENT, Some(range)),
        Part::Unsatisfiable => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, "416 Range Not Satisfiable\n");
            if let Ok(range) = HeaderValue::try_from(format!("bytes */{}", file.len)) {
                response.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return response;
        }
    };
    // Gone or unreadable since it was found.
    opened.unwrap_or_else(|_| plain(StatusCode::NOT_FOUND, "404 Not Found\n"))
}

fn plain(status: StatusCode, text: &'static str) -> Response<FileBody> {
    let mut response = Response::new(FileBody::text(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    response
}
