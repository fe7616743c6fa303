//! A log drain: an address of somebody else's that an app's log is sent to (LOG-20, LOG-21).

use crate::id::{AppId, LogDrainId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// Drains of one app (LOG-20).
pub const LOG_DRAINS_LIMIT: usize = 5;

/// Longer addresses are none of a drain: providers put a token into them.
pub const DRAIN_URL_LIMIT_BYTES: usize = 2048;

/// One drain of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDrain {
    /// Its id.
    pub id: LogDrainId,
    /// Whose log it gets.
    pub app: AppId,
    /// `d.<uuid>`: what the receiver tells apps apart by.
    pub token: String,
    /// Where it is.
    pub url: DrainUrl,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How lines travel (LOG-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Octet-counted frames on a TCP connection.
    Syslog,
    /// The same inside TLS.
    SyslogTls,
    /// POST requests.
    Http,
    /// The same inside TLS.
    Https,
}

impl Transport {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "syslog" => Some(Self::Syslog),
            "syslog+tls" => Some(Self::SyslogTls),
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Syslog => 601,
            Self::SyslogTls => 6514,
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Is it inside TLS?
    #[must_use]
    pub fn is_tls(self) -> bool {
        match self {
            Self::SyslogTls | Self::Https => true,
            Self::Syslog | Self::Http => false,
        }
    }
}

/// Where a drain is, taken apart. What somebody wrote stays as it is (CLI-27); it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DrainUrl {
    text: String,
    transport: Transport,
    host: String,
    port: u16,
    target: String,
    credentials: Option<String>,
}

/// Text that is no address of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "URL is invalid: give an address that begins with syslog://, syslog+tls://, http:// or https:// and has a host, of at \
     most {DRAIN_URL_LIMIT_BYTES} bytes"
)]
pub struct BadDrainUrl;

impl DrainUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How lines travel.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// A name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query of a POST.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// `user:password` for Basic authorization, where there is one.
    #[must_use]
    pub fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }

    /// `https://logs.example.com:443/`: without what may be secret, for people who may see the log.
    #[must_use]
    pub fn shown(&self) -> String {
        let scheme = self.text.split("://").next().unwrap_or_default();
        format!("{}://{}/", scheme.to_ascii_lowercase(), self.authority())
    }

    /// Host and port, as `Host` wants them.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for DrainUrl {
    type Err = BadDrainUrl;

    fn from_str(text: &str) -> Result<Self, BadDrainUrl> {
        // The parser takes line breaks out of an address; here they make it none.
        let odd = |letter: char| letter.is_control() || letter.is_whitespace();
        // And it takes the path of an address without a host for the host.
        let hostless = text.contains(":///");
        if text.len() > DRAIN_URL_LIMIT_BYTES || hostless || text.chars().any(odd) {
            return Err(BadDrainUrl);
        }
        let url = Url::parse(text).map_err(|_| BadDrainUrl)?;
        let transport = Transport::of(url.scheme()).ok_or(BadDrainUrl)?;
        let host = match url.host().ok_or(BadDrainUrl)? {
            Host::Domain("") => return Err(BadDrainUrl),
            // For syslog the parser leaves the host as it is.
            Host::Domain(name) => match Host::parse(name).map_err(|_| BadDrainUrl)? {
                Host::Domain(name) => name,
                Host::Ipv4(addr) => addr.to_string(),
                Host::Ipv6(addr) => addr.to_string(),
            },
            Host::Ipv4(addr) => addr.to_string(),
            Host::Ipv6(addr) => addr.to_string(),
        };
        let port = url.port().unwrap_or(transport.default_port());
        let path = if url.path().is_empty() { "/" } else { url.path() };
        let target = url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let named = !url.username().is_empty() || url.password().is_some();
        let credentials = format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default()));
        let credentials = named.then_some(credentials);
        if port == 0 {
            return Err(BadDrainUrl);
        }
        Ok(Self { text: text.to_owned(), transport, host, port, target, credentials })
    }
}

/// Without percent escapes.
fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl fmt::Debug for DrainUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DrainUrl").field(&self.shown()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DrainUrl {
        text.parse().unwrap()
    }

    #[test]
    fn log_21_addresses() {
        let plain = url("syslog://logs.example.com:514");
        assert_eq!((plain.transport(), plain.host(), plain.port()), (Transport::Syslog, "logs.example.com", 514));
        assert_eq!((url("syslog://a.example").port(), url("syslog+tls://a.example").port()), (601, 6514));
        assert_eq!((url("http://a.example").port(), url("https://a.example").port()), (80, 443));
        let full = url("https://us%40er:p%3Ass%2Fword@[::1]:8443/in?token=x%20y");
        assert_eq!((full.host(), full.authority().as_str()), ("::1", "[::1]:8443"));
        assert_eq!((full.target(), full.credentials()), ("/in?token=x%20y", Some("us@er:p:ss/word")));
        assert_eq!(full.shown(), "https://[::1]:8443/");
        assert_eq!(format!("{full:?}"), r#"DrainUrl("https://[::1]:8443/")"#);
        assert_eq!(url("https://token@a.example/x").credentials(), Some("token:"));
        assert_eq!(url("syslog://127.0.0.1:1").host(), "127.0.0.1");
        assert_eq!(url("HTTPS://A.example").as_str(), "HTTPS://A.example", "cli_27: as it was written");
        assert_eq!(url("syslog://[::1]:601").host(), "::1");
    }

    #[test]
    fn log_20_bad_addresses() {
        let long = format!("https://a.example/{}", "x".repeat(DRAIN_URL_LIMIT_BYTES));
        for bad in [
            "",
            "a",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "syslog://",
            "syslog:a.example",
            "https:///x",
            "syslog://:514",
            "https://a.example:99999",
            "https://a.example:0",
            "https://a\nb",
            "https://a.example/ x",
            "syslog://a b",
            "https://a.example/\u{1b}",
            "javascript:alert(1)",
            "syslog://a%00b",
            "https://$(id)^",
            &long,
        ] {
            assert_eq!(bad.parse::<DrainUrl>(), Err(BadDrainUrl), "{bad:?}");
        }
    }
}
