//! A log as it grows, line by line.

use crate::address::path_of;
use crate::app::App;
use crate::flow::Flow;
use crate::within;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An open stream of lines.
pub struct Tail {
    /// The status that it began with.
    pub status: StatusCode,
    /// The headers that it began with.
    pub headers: HeaderMap,
    body: Incoming,
    held: Vec<u8>,
}

impl App<'_> {
    /// Opens a log session with this wish (`lines`, `tail`, `source`, `dyno`) and follows it, in this form (`Accept`).
    ///
    /// # Panics
    /// When it is refused.
    pub async fn tail(&self, wish: &Value, accept: &str) -> Tail {
        let session = self.call("POST", "/log-sessions", Some(wish)).await;
        assert_eq!(session.status, 201, "{}", session.text());
        self.flow().follow(&session.json()["logplex_url"], accept).await
    }
}

impl Flow {
    /// Reads what grows at an address with a secret in it, in this form (`Accept`).
    ///
    /// # Panics
    /// When it is refused.
    pub async fn follow(&self, url: &Value, accept: &str) -> Tail {
        let tail = self.follow_with(url, &[("accept", accept)]).await;
        assert_eq!(tail.status, 200);
        tail
    }

    /// The same with any headers and whatever the answer; it has begun when this returns.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn follow_with(&self, url: &Value, headers: &[(&str, &str)]) -> Tail {
        let api = self.api;
        let opened = async {
            let stream = TcpStream::connect(api).await.unwrap();
            let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let mut request = Request::get(path_of(url)).header("host", api.to_string());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap()
        };
        let (head, body) = within("the tail", opened).await.into_parts();
        Tail { status: head.status, headers: head.headers, body, held: Vec::new() }
    }
}

impl Tail {
    /// The next line, as it is sent; `None` at the end.
    ///
    /// # Panics
    /// When the stream breaks off.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let frame = self.body.frame().await?.expect("the stream broke off");
            self.held.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        }
    }

    /// Waits for a line with these words; all lines up to it, itself included.
    ///
    /// # Panics
    /// When the stream ends before, or it does not come.
    pub async fn until(&mut self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let found = async {
            while lines.last().is_none_or(|line: &String| !line.contains(words)) {
                let line = self.line().await;
                lines.push(line.unwrap_or_else(|| panic!("the log ended before `{words}`")));
            }
        };
        within(words, found).await;
        lines
    }
}
