//! Plain HTTP calls as a client makes them, and the few words of JSON that the benchmarks read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::BenchError;
use super::server::io;

/// How long one answer may take before the run is given up.
const ANSWER_LIMIT: Duration = Duration::from_secs(100);

/// Sends a request over a connection of its own; status and body. `head`: everything up to the empty line, but for the
/// length.
pub(super) fn call(url: &str, head: &str, body: &str) -> Result<(u16, String), BenchError> {
    let failed = io("cannot ask the server");
    let mut stream = TcpStream::connect(address(url)).map_err(&failed)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(&failed)?;
    let length = body.len();
    let request = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).map_err(&failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(&failed)?;
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    match (status, answer.split_once("\r\n\r\n")) {
        (Some(status), Some((_, body))) => Ok((status, body.to_owned())),
        _ => Err(BenchError::Unexpected(format!("the answer `{}`", answer.lines().next().unwrap_or_default()))),
    }
}

/// `127.0.0.1:80` of `http://127.0.0.1:80/`.
pub(super) fn address(url: &str) -> &str {
    url.split("://").nth(1).unwrap_or(url).trim_end_matches('/')
}

/// A string of an object, the first of that name.
pub(super) fn text(json: &str, name: &str) -> Option<String> {
    let value = value(json, name)?.strip_prefix('"')?;
    value.split('"').next().map(str::to_owned)
}

/// A number of an object, the first of that name.
pub(super) fn number(json: &str, name: &str) -> Option<f64> {
    let value = value(json, name)?;
    value.split([',', '}', ']', ' ', '\n']).next()?.parse().ok()
}

fn value<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strings_and_numbers() {
        let line = r#"{"api": "http://127.0.0.1:1", "apps":"http://127.0.0.1:2", "held":3,"cut_over_ms": 0.25}"#;
        assert_eq!(text(line, "apps").as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!([number(line, "held"), number(line, "cut_over_ms")], [Some(3.0), Some(0.25)]);
        assert_eq!((text(line, "nothing"), text(line, "held"), number(line, "api")), (None, None, None));
        assert_eq!(address("http://127.0.0.1:2/"), "127.0.0.1:2");
    }
}
