//! A line as a log record, and the line of a request as a span. Attributes have the names of OpenTelemetry's semantic conventions
//! for HTTP, where there is one.

use crate::telemetry::otlp::{
    AnyValue, KeyValue, LogRecord, Severity, Span, SpanKind, Status, StatusCode, Value, int, text,
};
use model::log::{LogLine, LogSource};
use model::request_line::RequestLine;
use model::time::Timestamp;
use model::world::World;
use uuid::Uuid;

/// From here on a server has failed (semantic conventions for HTTP spans).
const SERVER_ERROR: u16 = 500;

/// One line, and the request that it tells of.
pub(crate) struct Read<'a> {
    pub(crate) line: &'a LogLine,
    pub(crate) request: Option<Request>,
}

/// A request with its place in traces.
pub(crate) struct Request {
    pub(crate) line: RequestLine,
    trace: [u8; 16],
    span: [u8; 8],
}

impl<'a> Read<'a> {
    pub(crate) fn of(line: &'a LogLine, world: &dyn World) -> Self {
        let is_request = line.source == LogSource::Platform && line.ps == "router";
        let request = is_request.then(|| RequestLine::read(&line.text)).flatten();
        Self { line, request: request.map(|line| Request::of(line, world)) }
    }

    /// The record of the line; that of a request names its span.
    pub(crate) fn record(&self, observed: Timestamp) -> LogRecord {
        let severity = self.severity();
        let severity_text = match severity {
            Severity::Unspecified => "",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        };
        let (trace, span) = self.request.as_ref().map(Request::ids).unwrap_or_default();
        LogRecord {
            time_unix_nano: nanoseconds(self.line.at),
            severity_number: severity.into(),
            severity_text: severity_text.to_owned(),
            body: Some(AnyValue { value: Some(Value::String(self.line.text.clone())) }),
            attributes: vec![text("log.source", self.line.source.word()), text("log.process", &*self.line.ps)],
            trace_id: trace,
            span_id: span,
            observed_time_unix_nano: nanoseconds(observed),
        }
    }

    /// What an app prints may be anything.
    fn severity(&self) -> Severity {
        match (&self.request, self.line.source) {
            (Some(request), _) => match &*request.line.grade {
                "error" => Severity::Error,
                "warning" => Severity::Warn,
                _info => Severity::Info,
            },
            (None, LogSource::Platform) if self.line.text.starts_with("Error ") => Severity::Error,
            (None, LogSource::Platform) => Severity::Info,
            (None, LogSource::App) => Severity::Unspecified,
        }
    }
}

impl Request {
    /// The id of its trace is the id of the request, which the app can log: what the two tell is found together.
    fn of(line: RequestLine, world: &dyn World) -> Self {
        let given = Uuid::parse_str(&line.request_id).ok().filter(|id| !id.is_nil());
        let trace = given.unwrap_or_else(|| world.new_id());
        let mut span = [0; 8];
        world.random(&mut span);
        Self { line, trace: trace.into_bytes(), span }
    }

    fn ids(&self) -> (Vec<u8>, Vec<u8>) {
        (self.trace.to_vec(), self.span.to_vec())
    }

    /// From its arrival to its end, which is when its line was written.
    pub(crate) fn span(&self, at: Timestamp) -> Span {
        let (trace_id, span_id) = self.ids();
        let end = nanoseconds(at);
        let took = u64::try_from(self.line.took().as_nanos()).unwrap_or(u64::MAX);
        let code = if self.line.status >= SERVER_ERROR { StatusCode::Error } else { StatusCode::Unset };
        let message = self.line.description.clone().filter(|_| code == StatusCode::Error).unwrap_or_default();
        Span {
            trace_id,
            span_id,
            name: self.line.method.clone(),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: end.saturating_sub(took),
            end_time_unix_nano: end,
            attributes: self.attributes(),
            status: Some(Status { message, code: code.into() }),
        }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let line = &self.line;
        let (path, query) = line.target.split_once('?').unwrap_or((&line.target, ""));
        let client = line.forwarded_for.rsplit(", ").next().unwrap_or_default();
        let texts = [
            ("http.request.method", &*line.method),
            ("url.path", path),
            ("url.query", query),
            ("server.address", &*line.host),
            ("client.address", client),
            ("dyno.name", &*line.dyno),
            ("http.request.id", &*line.request_id),
            ("error.type", line.code.as_deref().unwrap_or_default()),
        ];
        let mut all: Vec<KeyValue> =
            texts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| text(key, value)).collect();
        all.push(int("http.response.status_code", line.status.into()));
        all.extend(
            line.bytes.and_then(|bytes| i64::try_from(bytes).ok()).map(|bytes| int("http.response.body.size", bytes)),
        );
        all
    }
}

/// Since the epoch, as OTLP counts.
pub(crate) fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or_default().saturating_mul(1_000)
}
