//! What the router's line of a request says (ROUTE-50), read back.

use std::time::Duration;

/// One request, as the router told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestLine {
    /// `info`, `warning` or `error`.
    pub grade: String,
    /// `H12`, where something went wrong.
    pub code: Option<String>,
    /// What went wrong, in words.
    pub description: Option<String>,
    /// `GET`.
    pub method: String,
    /// Path and query, as the visitor sent them.
    pub target: String,
    /// Which name was asked for.
    pub host: String,
    /// By which the app knows the request, too.
    pub request_id: String,
    /// The visitor's address, and those of proxies before it.
    pub forwarded_for: String,
    /// `web.1`; empty: none was asked.
    pub dyno: String,
    /// How long it took to reach the dyno.
    pub connect: Option<Duration>,
    /// How long the dyno took.
    pub service: Option<Duration>,
    /// Of the answer.
    pub status: u16,
    /// Of the answer's body.
    pub bytes: Option<u64>,
}

impl RequestLine {
    /// Reads a line; `None`: it is none of a request.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut line = Self::default();
        let mut ended = false;
        for (key, value) in Pairs(text) {
            match key {
                "at" => line.grade = value,
                "code" => line.code = Some(value),
                "desc" => line.description = Some(value),
                "method" => line.method = value,
                "path" => line.target = value,
                "host" => line.host = value,
                "request_id" => line.request_id = value,
                "fwd" => line.forwarded_for = value,
                "dyno" => line.dyno = value,
                "connect" => line.connect = milliseconds(&value),
                "service" => line.service = milliseconds(&value),
                "status" => line.status = value.parse().ok()?,
                "bytes" => line.bytes = value.parse().ok(),
                "protocol" => ended = true,
                _other => {}
            }
        }
        (ended && !line.method.is_empty()).then_some(line)
    }

    /// From the moment it was accepted to its end, as far as the line tells.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.connect.unwrap_or_default() + self.service.unwrap_or_default()
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis)
}

/// `key=value` and `key="value with \" in it"`, one after the other.
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = self.0.trim_start().split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (value, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                (value.to_owned(), rest)
            }
        };
        self.0 = rest;
        Some((key, value))
    }
}

/// What is between quotes, and what comes after them.
fn unquoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (out, &text[at + 1..]),
            '\\' => match letters.next() {
                Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                Some((_, other)) => out.extend(['\\', other]),
                None => {}
            },
            plain => out.push(plain),
        }
    }
    (out, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_50_every_field_of_a_line_is_read_back() {
        let text = "at=info method=GET path=\"/a b?c=d\\\"e status=1\\\\\" host=shop.localhost request_id=8601b555 \
                    fwd=\"203.0.113.7, 10.0.0.1\" dyno=web.1 connect=1ms service=18ms status=200 bytes=975 protocol=http";
        let line = RequestLine::read(text).expect("a request");
        assert_eq!((&*line.grade, &*line.method, &*line.target), ("info", "GET", "/a b?c=d\"e status=1\\"));
        assert_eq!(
            (&*line.host, &*line.request_id, &*line.forwarded_for),
            ("shop.localhost", "8601b555", "203.0.113.7, 10.0.0.1")
        );
        assert_eq!((&*line.dyno, line.status, line.bytes), ("web.1", 200, Some(975)));
        assert_eq!(line.took(), Duration::from_millis(19));
        assert_eq!((line.code, line.description), (None, None));
    }

    #[test]
    fn route_51_a_failure_has_a_code_and_may_have_no_dyno() {
        let text = "at=error code=H14 desc=\"No web processes running\" method=GET path=\"/\" host=shop.localhost \
                    request_id=1 fwd=\"1.2.3.4\" dyno= connect= service= status=503 bytes= protocol=http";
        let line = RequestLine::read(text).expect("a request");
        assert_eq!(
            (line.code.as_deref(), line.description.as_deref()),
            (Some("H14"), Some("No web processes running"))
        );
        assert_eq!((&*line.dyno, line.connect, line.service, line.bytes, line.status), ("", None, None, None, 503));
    }

    #[test]
    fn what_is_no_request_is_none() {
        for text in [
            "",
            "State changed from up to down",
            "at=info method=GET path=\"/",
            "a=b",
            "at=info status=200 protocol=http",
        ] {
            assert_eq!(RequestLine::read(text), None, "{text}");
        }
    }
}
