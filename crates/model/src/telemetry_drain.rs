//! A telemetry drain: an OpenTelemetry receiver of somebody else's that an app's logs, requests and figures are sent to (LOG-31).

use crate::id::{AppId, TelemetryDrainId};
use crate::log_drain::{DrainUrl, Transport};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// Drains of one app (LOG-31).
pub const TELEMETRY_DRAINS_LIMIT: usize = 5;

/// The longest address (schema of the Platform API, `exporter_endpoint`).
pub const ENDPOINT_LIMIT_CHARS: usize = 1000;

/// Headers of one drain (schema, `exporter_headers`).
pub const HEADERS_LIMIT: usize = 20;

/// The longest name of a header (schema).
pub const HEADER_NAME_LIMIT_CHARS: usize = 100;

/// The longest value of a header (schema).
pub const HEADER_VALUE_LIMIT_CHARS: usize = 1000;

/// What every request says of itself: no header of a drain may say otherwise.
const OWN_HEADERS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// One telemetry drain of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryDrain {
    /// Its id.
    pub id: TelemetryDrainId,
    /// Whose telemetry it gets.
    pub app: AppId,
    /// What it gets.
    pub signals: Signals,
    /// How it gets it.
    pub exporter: Exporter,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A kind of telemetry, by OpenTelemetry's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// A span for each request that the router saw.
    Traces,
    /// How long requests took, and what dynos use.
    Metrics,
    /// The lines of the log.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// As the Platform API says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// One signal at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals(BTreeSet<Signal>);

impl Signals {
    /// From their words; the same one twice counts once.
    ///
    /// # Errors
    /// [`BadTelemetryDrain::Signals`].
    pub fn read<T: AsRef<str>>(words: &[T]) -> Result<Self, BadTelemetryDrain> {
        let read = |word: &T| Signal::ALL.into_iter().find(|signal| signal.word() == word.as_ref());
        let signals: Option<BTreeSet<Signal>> = words.iter().map(read).collect();
        signals.filter(|signals| !signals.is_empty()).map(Self).ok_or(BadTelemetryDrain::Signals)
    }

    /// Is this one of them?
    #[must_use]
    pub fn has(&self, signal: Signal) -> bool {
        self.0.contains(&signal)
    }

    /// Their words.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        self.0.iter().map(|signal| signal.word()).collect()
    }
}

/// By which protocol, by the names of the Platform API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExporterKind {
    /// OTLP by gRPC.
    Otlp,
    /// OTLP by HTTP, in protobuf: `/v1/logs`, `/v1/metrics` and `/v1/traces` below the address.
    OtlpHttp,
}

impl ExporterKind {
    /// As the Platform API says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::OtlpHttp => "otlphttp",
        }
    }
}

impl FromStr for ExporterKind {
    type Err = BadTelemetryDrain;

    fn from_str(word: &str) -> Result<Self, BadTelemetryDrain> {
        [Self::Otlp, Self::OtlpHttp].into_iter().find(|kind| kind.word() == word).ok_or(BadTelemetryDrain::Kind)
    }
}

/// Where telemetry goes, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Exporter {
    /// By which protocol.
    pub kind: ExporterKind,
    /// Where: `http://` or `https://`.
    pub endpoint: DrainUrl,
    /// What every request says: mostly the receiver's key.
    pub headers: BTreeMap<String, String>,
}

impl Exporter {
    /// Checks what somebody wrote.
    ///
    /// # Errors
    /// [`BadTelemetryDrain`] for an address that is none of HTTP, and for headers that may not be.
    pub fn read(
        kind: ExporterKind,
        endpoint: &str,
        headers: BTreeMap<String, String>,
    ) -> Result<Self, BadTelemetryDrain> {
        if endpoint.chars().count() > ENDPOINT_LIMIT_CHARS {
            return Err(BadTelemetryDrain::Endpoint);
        }
        let endpoint: DrainUrl = endpoint.parse().map_err(|_| BadTelemetryDrain::Endpoint)?;
        match endpoint.transport() {
            Transport::Http | Transport::Https => {}
            Transport::Syslog | Transport::SyslogTls => return Err(BadTelemetryDrain::Endpoint),
        }
        // It would stand before the `/v1/logs`.
        if endpoint.target().contains(['?', '#']) {
            return Err(BadTelemetryDrain::Endpoint);
        }
        if headers.len() > HEADERS_LIMIT {
            return Err(BadTelemetryDrain::Headers);
        }
        headers.iter().try_for_each(|(name, value)| check_header(name, value))?;
        Ok(Self { kind, endpoint, headers })
    }
}

fn check_header(name: &str, value: &str) -> Result<(), BadTelemetryDrain> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let named = (1..=HEADER_NAME_LIMIT_CHARS).contains(&name.len()) && name.bytes().all(letters);
    let plain =
        value.chars().count() <= HEADER_VALUE_LIMIT_CHARS && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let lower = name.to_ascii_lowercase();
    if OWN_HEADERS.contains(&&*lower) || lower.starts_with("grpc-") {
        return Err(BadTelemetryDrain::OwnHeader(lower));
    }
    if named && plain { Ok(()) } else { Err(BadTelemetryDrain::Headers) }
}

impl fmt::Debug for Exporter {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&String> = self.headers.keys().collect();
        let mut shown = f.debug_struct("Exporter");
        shown.field("kind", &self.kind).field("endpoint", &self.endpoint).field("headers", &headers).finish()
    }
}

/// What is no telemetry drain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTelemetryDrain {
    /// A signal that there is not, or none.
    #[error("signals must be one or more of traces, metrics and logs")]
    Signals,
    /// Another protocol.
    #[error("The exporter's type must be otlphttp (HTTP) or otlp (gRPC)")]
    Kind,
    /// Not an address that telemetry can be sent to.
    #[error(
        "The exporter's endpoint is invalid: give an address that begins with http:// or https://, has a host and no query, of \
         at most {ENDPOINT_LIMIT_CHARS} characters"
    )]
    Endpoint,
    /// Headers that cannot be sent.
    #[error(
        "The exporter's headers must be at most {HEADERS_LIMIT}, with names of at most {HEADER_NAME_LIMIT_CHARS} letters, \
         digits, - and _, and values of at most {HEADER_VALUE_LIMIT_CHARS} printable ASCII characters"
    )]
    Headers,
    /// A header that the protocol itself sets.
    #[error("The exporter's headers may not have `{0}`: the protocol sets it")]
    OwnHeader(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporter(endpoint: &str, headers: &[(&str, &str)]) -> Result<Exporter, BadTelemetryDrain> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Exporter::read(ExporterKind::OtlpHttp, endpoint, headers)
    }

    #[test]
    fn log_31_signals_by_their_words() {
        let signals = Signals::read(&["logs", "traces", "logs"]).unwrap();
        assert_eq!(signals.words(), ["traces", "logs"]);
        assert!(signals.has(Signal::Logs) && !signals.has(Signal::Metrics));
        assert_eq!(Signals::read::<&str>(&[]), Err(BadTelemetryDrain::Signals));
        assert_eq!(Signals::read(&["logs", "Traces"]), Err(BadTelemetryDrain::Signals));
    }

    #[test]
    fn log_31_endpoints_are_of_http_and_have_no_query() {
        for good in ["http://127.0.0.1:4318", "https://otel.example.com/in", "https://key@otel.example.com"] {
            assert_eq!(exporter(good, &[]).unwrap().endpoint.as_str(), good);
        }
        let long = format!("https://a.example/{}", "x".repeat(ENDPOINT_LIMIT_CHARS));
        for bad in ["", "a", "syslog://a.example", "syslog+tls://a.example", "https://a.example/?key=1", &long] {
            assert_eq!(exporter(bad, &[]), Err(BadTelemetryDrain::Endpoint), "{bad}");
        }
    }

    #[test]
    fn headers_are_keys_of_receivers_and_never_the_protocols_own() {
        assert!(exporter("http://a.example", &[("Api-Key", "s3cret"), ("x_team", "a b")]).is_ok());
        let long = "x".repeat(HEADER_VALUE_LIMIT_CHARS + 1);
        for (name, value) in [("", "a"), ("a b", "c"), ("a:", "c"), ("key", "a\r\nb: c"), ("key", "ü"), ("key", &long)]
        {
            assert_eq!(exporter("http://a.example", &[(name, value)]), Err(BadTelemetryDrain::Headers), "{name}");
        }
        for own in ["Host", "content-type", "Transfer-Encoding", "grpc-timeout"] {
            let refused = exporter("http://a.example", &[(own, "a")]);
            assert_eq!(refused, Err(BadTelemetryDrain::OwnHeader(own.to_ascii_lowercase())));
        }
        let many: BTreeMap<String, String> = (0..=HEADERS_LIMIT).map(|n| (format!("h{n}"), String::new())).collect();
        let refused = Exporter::read(ExporterKind::Otlp, "http://a.example", many);
        assert_eq!(refused, Err(BadTelemetryDrain::Headers));
    }

    #[test]
    fn nothing_secret_is_in_what_is_printed() {
        let shown = format!("{:?}", exporter("https://u:pw@a.example/x", &[("key", "s3cret")]).unwrap());
        assert!(shown.contains("key") && !shown.contains("s3cret") && !shown.contains("pw"), "{shown}");
    }
}
