//! The rendezvous (DYNO-52): a client connects by TLS and says the secret that the API gave it, the server says
//! `rendezvous`, and from then on the bytes are the program's.
//!
//! Two things that only Flowline's own command line says: `SECRET status` asks for the exit status at the very end, and
//! `SECRET 100x30` over another connection tells of another size of the terminal.

use crate::authority::{Authority, AuthorityError};
use crate::serve::prepare;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use control::{Client, Control, Greeting};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Connections that have not said their secret: a TLS handshake costs some CPU and memory. One more is closed at once.
const GREETING_LIMIT: usize = 64;

/// Handshake and secret take an honest client some round trips.
const GREETING_TIMEOUT: Duration = Duration::from_secs(15);

/// A secret, a size and a line's end are far shorter.
const LINE_LIMIT_BYTES: usize = 256;

/// Between attempts to accept when the machine has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The first answer. Clients throw the whole first piece away that they read, so nothing may come with it.
const WELCOME: &[u8] = b"rendezvous\r\n";

/// Serves until `shutdown` resolves. Sessions end with it: their programs are hung up by the next server.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn serve(
    listener: TcpListener,
    authority: &Arc<Authority>,
    control: Control,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AuthorityError> {
    let tls = TlsAcceptor::from(authority.server_config()?);
    let room = Arc::new(Semaphore::new(GREETING_LIMIT));
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => {
                    let (tls, control) = (tls.clone(), control.clone());
                    tasks.spawn(async move {
                        let greeted = tokio::time::timeout(GREETING_TIMEOUT, greet(stream, &tls, &control)).await;
                        drop(permit);
                        if let Err(error) = attend(greeted.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))).await {
                            tracing::debug!(%error, %from, "A rendezvous did not come about");
                        }
                    });
                }
                Err(_full) => {
                    tracing::warn!(%from, "Too many connections at the rendezvous have not said their secret")
                }
            },
            Err(error) => {
                tracing::warn!(%error, "No connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A client that may have its program, and what it said behind its first line.
type Greeted = Option<(Client, TlsStream<TcpStream>, Vec<u8>)>;

async fn greet(stream: TcpStream, tls: &TlsAcceptor, control: &Control) -> io::Result<Greeted> {
    prepare(&stream)?;
    let mut stream = tls.accept(stream).await?;
    let (line, behind) = first_line(&mut stream).await?;
    match control.greet(&line) {
        Greeting::Client(client) => {
            stream.write_all(WELCOME).await?;
            stream.flush().await?;
            Ok(Some((client, stream, behind)))
        }
        Greeting::Resized => {
            stream.write_all(WELCOME).await?;
            stream.shutdown().await?;
            Ok(None)
        }
        Greeting::Unknown => {
            stream.shutdown().await?;
            Err(io::Error::new(ErrorKind::PermissionDenied, "the secret is unknown, used or too old"))
        }
    }
}

async fn attend(greeted: io::Result<Greeted>) -> io::Result<()> {
    let Some((client, stream, behind)) = greeted? else { return Ok(()) };
    let (from, to) = tokio::io::split(stream);
    client.attend(io::Cursor::new(behind).chain(from), to).await
}

/// Up to the line's end, and what came with it.
async fn first_line(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut line = Vec::with_capacity(LINE_LIMIT_BYTES);
    loop {
        if from.read_buf(&mut line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let behind = line.split_off(end + 1);
            return Ok((String::from_utf8_lossy(&line).into_owned(), behind));
        }
        if line.len() >= LINE_LIMIT_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

/// GET /ca.pem - what clients of the rendezvous and of the TLS listener have to trust. It is no secret, and whoever could change this answer could
/// change the address of the rendezvous too.
pub(crate) async fn certificate(State(authority): State<Arc<Authority>>) -> Response {
    ([(CONTENT_TYPE, "application/x-pem-file")], authority.certificate_pem().to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_line_and_what_is_behind_it() {
        let line = async |text: &[u8]| first_line(&mut &text[..]).await.map_err(|error| error.kind());
        assert_eq!(line(b"abc\r\n").await, Ok(("abc\r\n".into(), Vec::new())));
        assert_eq!(line(b"abc\nls\n").await, Ok(("abc\n".into(), b"ls\n".to_vec())));
        assert_eq!(line(b"abc").await, Err(ErrorKind::UnexpectedEof));
        assert_eq!(line(&[b'x'; 10_000]).await, Err(ErrorKind::InvalidData));
    }
}
