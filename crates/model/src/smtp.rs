//! The server's own mail server: where mails are handed in, and in whose name.

use crate::account::Email;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// How the connection is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte (`smtps://`, port 465).
    Wrapped,
    /// STARTTLS, which the server must offer (`smtp://`, port 587).
    StartTls,
    /// None: only to this machine itself (`smtp://localhost?tls=none`, port 25).
    None,
}

/// Where mails are handed in.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from being read.
    pub tls: SmtpTls,
    /// User and password.
    pub login: Option<(String, String)>,
}

/// Never with the password.
impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.tls)
    }
}

/// What is no mail server. The address itself is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSmtp {
    /// Not of the form.
    #[error("write smtps://USER:PASSWORD@HOST (TLS) or smtp://USER:PASSWORD@HOST (STARTTLS); an @ in the user is %40")]
    Form,
    /// Readable by everybody on the way.
    #[error("tls=none is for a mail server on this machine only (localhost, 127.0.0.1)")]
    Open,
    /// Nobody to send as.
    #[error("the sender must be an e-mail address such as flowline@example.com")]
    From,
}

impl SmtpServer {
    /// Reads the address of a mail server.
    ///
    /// # Errors
    /// [`BadSmtp`].
    pub fn parse(text: &str) -> Result<Self, BadSmtp> {
        let url = Url::parse(text).map_err(|_| BadSmtp::Form)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(BadSmtp::Form)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match (url.scheme(), url.query()) {
            ("smtps", None) => (SmtpTls::Wrapped, 465),
            ("smtp", None) => (SmtpTls::StartTls, 587),
            ("smtp", Some("tls=none")) if is_here(&host) => (SmtpTls::None, 25),
            ("smtp", Some("tls=none")) => return Err(BadSmtp::Open),
            _ => return Err(BadSmtp::Form),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(BadSmtp::Form);
        }
        let login = match (decoded(url.username()), url.password().and_then(decoded)) {
            (Some(user), Some(password)) if !user.is_empty() => Some((user, password)),
            (Some(user), None) if user.is_empty() => None,
            _ => return Err(BadSmtp::Form),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), tls, login })
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// `%40` is `@`.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let hex = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// In whose name mails go.
///
/// # Errors
/// [`BadSmtp::From`].
pub fn sender(text: &str) -> Result<Email, BadSmtp> {
    text.parse().map_err(|_| BadSmtp::From)
}

/// The sender when nobody was named: `flowline` at the apps' domain.
#[must_use]
pub fn default_sender(domain: &str) -> String {
    let host = Host::parse(domain).map_or_else(|_| "localhost".to_owned(), |host| host.to_string());
    format!("flowline@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_servers_read() {
        let server = SmtpServer::parse("smtps://ada%40example.org:s%3Acret@mail.example.org").unwrap();
        assert_eq!((server.host.as_str(), server.port, server.tls), ("mail.example.org", 465, SmtpTls::Wrapped));
        assert_eq!(server.login, Some(("ada@example.org".into(), "s:cret".into())));
        assert!(!format!("{server:?}").contains("cret"));
        let server = SmtpServer::parse("smtp://mail.example.org:2525/").unwrap();
        assert_eq!((server.port, server.tls, server.login), (2525, SmtpTls::StartTls, None));
        let server = SmtpServer::parse("smtp://[::1]?tls=none").unwrap();
        assert_eq!((server.host.as_str(), server.port, server.tls), ("::1", 25, SmtpTls::None));
    }

    #[test]
    fn what_is_no_mail_server() {
        let far = SmtpServer::parse("smtp://mail.example.org?tls=none");
        assert_eq!(far, Err(BadSmtp::Open));
        for wrong in [
            "",
            "mail.example.org",
            "http://x",
            "smtp://",
            "smtp://x?tls=maybe",
            "smtp://user@x",
            "smtps://x/y",
            "smtps://:p@x",
            "smtp://u%4:p@x",
        ] {
            assert_eq!(SmtpServer::parse(wrong), Err(BadSmtp::Form), "{wrong}");
        }
        assert_eq!(sender("Flowline").map(|email| email.to_string()), Err(BadSmtp::From));
        assert_eq!(default_sender("apps.example.org"), "flowline@apps.example.org");
        assert_eq!(default_sender("a b"), "flowline@localhost");
    }
}
