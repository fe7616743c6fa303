//! Somebody else's mail server: takes mails with or without TLS, keeps them, and answers as it was told.

use crate::receiver::Identity;
use crate::{Ports, within};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Mails that a test has not looked at.
const UNREAD_LIMIT: usize = 1024;

/// How one addressee is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailReply {
    /// 250.
    Take,
    /// 451: not now.
    Later,
    /// 550: nobody here.
    Never,
    /// Taken, but the connection ends before the client hears so.
    TakeAndCut,
}

/// Whether a mail server speaks TLS.
#[derive(Clone)]
pub enum MailTls {
    /// Not at all.
    None,
    /// After STARTTLS, and takes no mail before.
    StartTls(TlsAcceptor),
    /// From the first byte.
    Wrapped(TlsAcceptor),
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// In whose name.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Did it come by TLS?
    pub tls: bool,
    /// User and password that the client gave.
    pub login: Option<(String, String)>,
    /// Headers and text, without the dots that the protocol adds.
    pub raw: String,
}

impl ReceivedMail {
    /// A header, unfolded; empty when missing.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let head = self.raw.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let found = head.split("\r\n").find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    }

    /// What it says; tests write plain ASCII, which is not encoded but for long lines.
    #[must_use]
    pub fn text(&self) -> String {
        let text = self.raw.split_once("\r\n\r\n").map(|(_, text)| text.to_owned()).unwrap_or_default();
        text.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
    }
}

struct Shared {
    tls: MailTls,
    plan: Mutex<VecDeque<MailReply>>,
    told: mpsc::Sender<ReceivedMail>,
}

/// A mail server on a free port.
pub struct MailTarget {
    /// Where it listens.
    pub addr: SocketAddr,
    ports: Ports,
    received: mpsc::Receiver<ReceivedMail>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Identity {
    /// STARTTLS with this certificate.
    #[must_use]
    pub fn start_tls(&self) -> MailTls {
        MailTls::StartTls(self.acceptor())
    }

    /// TLS from the first byte with this certificate.
    #[must_use]
    pub fn wrapped(&self) -> MailTls {
        MailTls::Wrapped(self.acceptor())
    }
}

impl MailTarget {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(tls: MailTls) -> Self {
        Self::start_at(Ports::take(), tls).await
    }

    /// Starts one where an earlier one has listened.
    ///
    /// # Panics
    /// When somebody else listens there.
    pub async fn start_at(ports: Ports, tls: MailTls) -> Self {
        let (told, received) = mpsc::channel(UNREAD_LIMIT);
        let addr = ports.at(0);
        let listener = TcpListener::bind(addr).await.unwrap();
        let shared = Arc::new(Shared { tls, plan: Mutex::default(), told });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { addr, ports, received, shared, server }
    }

    /// The next addressees are answered so, one after the other; those after them are taken.
    #[must_use]
    pub fn answering(self, replies: impl IntoIterator<Item = MailReply>) -> Self {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner).extend(replies);
        self
    }

    /// The next mail, once it is there.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&mut self) -> ReceivedMail {
        within("a mail", self.received.recv()).await.expect("the mail server goes on")
    }

    /// All that came and was not looked at.
    pub fn unread(&mut self) -> Vec<ReceivedMail> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// Listens no more, so that the next one can.
    pub async fn end(self) -> Ports {
        self.server.abort();
        // Cancelled is what it is to be.
        let _cancelled = self.server.await.is_err();
        self.ports
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Its connections end with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A client that hangs up is none of the mail server's business.
        connections.spawn(async move { drop(talk(stream, &shared).await) });
    }
}

async fn talk(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    match &shared.tls {
        MailTls::None => drop(converse(stream, shared, false, false).await?),
        MailTls::Wrapped(acceptor) => drop(converse(acceptor.accept(stream).await?, shared, true, false).await?),
        MailTls::StartTls(acceptor) => {
            if let Some(stream) = converse(stream, shared, false, true).await? {
                converse_greeted(BufReader::new(acceptor.accept(stream).await?), shared, true, false).await?;
            }
        }
    }
    Ok(())
}

/// From the greeting to QUIT; the stream comes back when the client asks for TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
    tls: bool,
    offers_tls: bool,
) -> io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 mail.test ready").await?;
    converse_greeted(stream, shared, tls, offers_tls).await
}

async fn converse_greeted<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    shared: &Shared,
    tls: bool,
    offers_tls: bool,
) -> io::Result<Option<S>> {
    let (mut from, mut to, mut login, mut cut) = (String::new(), String::new(), None, false);
    loop {
        let line = read_line(&mut stream).await?;
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "EHLO" if offers_tls => say(&mut stream, "250-mail.test\r\n250 STARTTLS").await?,
            "EHLO" => say(&mut stream, "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN").await?,
            "STARTTLS" if offers_tls => {
                say(&mut stream, "220 go ahead").await?;
                return Ok(Some(stream.into_inner()));
            }
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return Ok(None);
            }
            "NOOP" | "RSET" => say(&mut stream, "250 ok").await?,
            // What must not be readable on the way is not taken.
            _ if offers_tls => say(&mut stream, "530 STARTTLS first").await?,
            "AUTH" => {
                let given = line.rsplit(' ').next().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
                let parts: Vec<&[u8]> = given.split(|byte| *byte == 0).collect();
                if let [_, user, password] = parts.as_slice() {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    login = Some((text(user), text(password)));
                }
                say(&mut stream, "235 welcome").await?;
            }
            "MAIL" => {
                from = address(&line);
                say(&mut stream, "250 ok").await?;
            }
            "RCPT" => {
                to = address(&line);
                let reply = shared.plan.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                cut = reply == Some(MailReply::TakeAndCut);
                match reply.unwrap_or(MailReply::Take) {
                    MailReply::Take | MailReply::TakeAndCut => say(&mut stream, "250 ok").await?,
                    MailReply::Later => say(&mut stream, "451 come back later").await?,
                    MailReply::Never => say(&mut stream, "550 nobody of that name").await?,
                }
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let raw = read_mail(&mut stream).await?;
                let mail = ReceivedMail { from: from.clone(), to: to.clone(), tls, login: login.clone(), raw };
                shared.told.send(mail).await.expect("somebody looks");
                if cut {
                    return Ok(None);
                }
                say(&mut stream, "250 taken").await?;
            }
            _ => say(&mut stream, "502 what?").await?,
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.get_mut().flush().await
}

async fn read_line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

async fn read_mail<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut raw = String::new();
    loop {
        let line = read_line(stream).await?;
        if line == "." {
            return Ok(raw);
        }
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
        raw.push_str("\r\n");
    }
}

/// `ada@example.org` of `MAIL FROM:<ada@example.org>`.
fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
