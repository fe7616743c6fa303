//! The Platform API: JSON in, JSON out, its errors in the user's words.

use crate::error::{CliError, root_cause};
use crate::printable::{cleaned, printable};
use crate::server::Server;
use crate::stream::Stream;
use crate::transport::Transport;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RANGE, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Larger answers are not ours: the longest list page is 1,000 small objects (API-5).
const BODY_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// The rest of an answer whose head is there.
const BODY_LIMIT: Duration = Duration::from_secs(60);

/// Pages of a list: 200 objects each (API-5), more than any list that is printed whole.
const PAGES_LIMIT: usize = 100;

const ACCEPT_V3: &str = "application/vnd.heroku+json; version=3";
const AGENT: &str = concat!("flowline/", env!("CARGO_PKG_VERSION"));

/// One server, for the length of a command.
pub(crate) struct Client {
    pub(crate) server: Server,
    transport: Transport,
}

/// The code of a second factor (API-14).
const TWO_FACTOR_CODE: &str = "heroku-two-factor-code";

/// One request.
#[derive(Default)]
struct Ask<'a> {
    method: Method,
    path: &'a str,
    range: Option<&'a str>,
    body: Option<&'a Value>,
    /// E-mail and password, instead of the token.
    login: Option<(&'a str, &'a str)>,
    /// What a second factor shows.
    code: Option<&'a str>,
    /// Everybody may ask: no token is sent.
    public: bool,
}

/// The body of an error (API-3).
#[derive(Deserialize)]
struct ErrorBody {
    id: Option<String>,
    message: String,
    resource: Option<String>,
}

/// How the registry says it (OCI distribution specification, "Error Codes").
#[derive(Deserialize)]
struct RegistryErrors {
    errors: [RegistryError; 1],
}

#[derive(Deserialize)]
struct RegistryError {
    message: String,
}

impl RegistryErrors {
    fn first_of(body: &[u8]) -> serde_json::Result<ErrorBody> {
        let Self { errors: [RegistryError { message }] } = serde_json::from_slice(body)?;
        Ok(ErrorBody { id: None, message, resource: None })
    }
}

/// Which media type a stream is asked for as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StreamKind {
    /// Bytes as they come.
    Plain,
    /// Server-sent events.
    Events,
}

impl Client {
    pub(crate) fn new(server: Server) -> Self {
        let transport = Transport::default().trusting(server.ca.as_deref());
        Self { server, transport }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, CliError> {
        Ok(self.call(Ask { path, ..Ask::default() }).await?.0)
    }

    /// What the server tells everybody.
    pub(crate) async fn public(&self, path: &str) -> Result<Value, CliError> {
        Ok(self.call(Ask { path, public: true, ..Ask::default() }).await?.0)
    }

    /// What is no JSON, CSV for example; with nothing in it that moves a terminal.
    pub(crate) async fn text(&self, path: &str) -> Result<String, CliError> {
        let (body, _) = self.bytes(Ask { path, ..Ask::default() }).await?;
        Ok(String::from_utf8_lossy(&body).lines().map(printable).collect::<Vec<_>>().join("\n"))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.change(Method::POST, path, body, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.change(Method::PUT, path, body, None).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.change(Method::PATCH, path, body, None).await
    }

    /// A change that a second factor guards.
    pub(crate) async fn patch_with(&self, path: &str, body: &Value, code: Option<&str>) -> Result<Value, CliError> {
        self.change(Method::PATCH, path, body, code).await
    }

    /// The same as PUT.
    pub(crate) async fn put_with(&self, path: &str, body: &Value, code: Option<&str>) -> Result<Value, CliError> {
        self.change(Method::PUT, path, body, code).await
    }

    /// A POST of somebody who has no token.
    pub(crate) async fn post_openly(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let ask = Ask { method: Method::POST, path, body: Some(body), public: true, ..Ask::default() };
        Ok(self.call(ask).await?.0)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, CliError> {
        Ok(self.call(Ask { method: Method::DELETE, path, ..Ask::default() }).await?.0)
    }

    /// A token for an e-mail and a password.
    pub(crate) async fn log_in(
        &self,
        login: (&str, &str),
        body: &Value,
        code: Option<&str>,
    ) -> Result<Value, CliError> {
        let (path, body, login) = ("/oauth/authorizations", Some(body), Some(login));
        Ok(self.call(Ask { method: Method::POST, path, body, login, code, ..Ask::default() }).await?.0)
    }

    async fn change(&self, method: Method, path: &str, body: &Value, code: Option<&str>) -> Result<Value, CliError> {
        Ok(self.call(Ask { method, path, body: Some(body), code, ..Ask::default() }).await?.0)
    }

    /// POST: the answer, and one of its headers.
    pub(crate) async fn post_and_header(
        &self,
        path: &str,
        body: &Value,
        name: &str,
    ) -> Result<(Value, Option<String>), CliError> {
        let ask = Ask { method: Method::POST, path, body: Some(body), ..Ask::default() };
        let (answer, headers) = self.call(ask).await?;
        Ok((answer, text(&headers, name)))
    }

    /// One page, as `range` asks for it.
    pub(crate) async fn page(&self, path: &str, range: &str) -> Result<Vec<Value>, CliError> {
        let (body, _) = self.call(Ask { path, range: Some(range), ..Ask::default() }).await?;
        self.array(body)
    }

    /// A whole list: every page is followed to the next (API-5).
    pub(crate) async fn all(&self, path: &str) -> Result<Vec<Value>, CliError> {
        let mut list = Vec::new();
        let mut range: Option<String> = None;
        for _ in 0..PAGES_LIMIT {
            let (body, headers) = self.call(Ask { path, range: range.as_deref(), ..Ask::default() }).await?;
            let next = text(&headers, "next-range");
            list.extend(self.array(body)?);
            if next.is_none() || next == range {
                break;
            }
            range = next;
        }
        Ok(list)
    }

    /// Opens a stream that the API gave the address of. The address is the secret: no token goes there.
    pub(crate) async fn stream(&self, url: &str, kind: StreamKind) -> Result<Stream, CliError> {
        let accept = match kind {
            StreamKind::Plain => "text/plain",
            StreamKind::Events => "text/event-stream",
        };
        let request = Request::get(url).header(ACCEPT, accept).header(USER_AGENT, AGENT).body(Full::default());
        let request = request.map_err(|_| self.odd(format!("`{url}` is not the address of a stream")))?;
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            return Err(self.odd(format!("`{url}` is not the address of a stream")));
        }
        let answer = self.transport.send(request).await?;
        if answer.status() == StatusCode::OK {
            Ok(Stream::new(answer, self.server.url.clone()))
        } else {
            Err(self.refusal(answer).await)
        }
    }

    /// Puts bytes where the API said. The address is the secret: no token goes there.
    pub(crate) async fn upload(&self, url: &str, bytes: Bytes) -> Result<(), CliError> {
        let request = Request::put(url).header(USER_AGENT, AGENT).body(Full::new(bytes));
        let request = request.map_err(|_| self.odd(format!("`{url}` is not an address to upload to")))?;
        let answer = Transport::patient().send(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(self.refusal(answer).await) }
    }

    /// Who asks: a token, or e-mail and password as HTTP's Basic has them.
    fn authorization(&self, ask: &Ask<'_>) -> Result<Option<String>, CliError> {
        if ask.public {
            return Ok(None);
        }
        if let Some((email, password)) = ask.login {
            return Ok(Some(format!("Basic {}", STANDARD.encode(format!("{email}:{password}")))));
        }
        let url = &self.server.url;
        let token = self.server.token.as_ref().ok_or_else(|| CliError::LoggedOut { url: url.clone() })?;
        Ok(Some(format!("Bearer {token}")))
    }

    async fn call(&self, ask: Ask<'_>) -> Result<(Value, HeaderMap), CliError> {
        let (body, headers) = self.bytes(ask).await?;
        if body.is_empty() {
            return Ok((Value::Null, headers));
        }
        let body =
            serde_json::from_slice(&body).map_err(|error| self.odd(format!("its answer is no JSON ({error})")))?;
        Ok((body, headers))
    }

    /// The answer as it comes.
    async fn bytes(&self, ask: Ask<'_>) -> Result<(Bytes, HeaderMap), CliError> {
        let mut request = Request::builder()
            .uri(format!("{}{}", self.server.url, ask.path))
            .header(ACCEPT, ACCEPT_V3)
            .header(USER_AGENT, AGENT)
            .method(ask.method.clone());
        let authorization = self.authorization(&ask)?;
        let headers = [
            (AUTHORIZATION.as_str(), authorization.as_deref()),
            (RANGE.as_str(), ask.range),
            (TWO_FACTOR_CODE, ask.code),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let body = match ask.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Full::new(Bytes::from(body.to_string()))
            }
            None => Full::default(),
        };
        let request = request.body(body).map_err(|error| {
            CliError::usage(format!("That cannot be sent: {error}."), "Check FLOWLINE_TOKEN and what you typed.")
        })?;
        let answer = self.transport.send(request).await?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer).await);
        }
        let headers = answer.headers().clone();
        Ok((self.body(answer).await?, headers))
    }

    async fn body(&self, answer: Response<Incoming>) -> Result<Bytes, CliError> {
        let whole = Limited::new(answer.into_body(), BODY_LIMIT_BYTES).collect();
        match tokio::time::timeout(BODY_LIMIT, whole).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => {
                let error: &(dyn std::error::Error + 'static) = &*error;
                Err(CliError::Unreachable { url: self.server.url.clone(), why: root_cause(error) })
            }
            Err(_) => {
                let why = format!("the answer did not end within {} s", BODY_LIMIT.as_secs());
                Err(CliError::Unreachable { url: self.server.url.clone(), why })
            }
        }
    }

    /// The server's own words where it has them.
    async fn refusal(&self, answer: Response<Incoming>) -> CliError {
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("another address");
            return self.odd(format!("it sends us on to {to}"));
        }
        let body = match self.body(answer).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice::<ErrorBody>(&body).or_else(|_| RegistryErrors::first_of(&body)) {
            Ok(ErrorBody { id, message, resource }) => {
                CliError::Refused { status: status.as_u16(), id, resource, message: printable(&message) }
            }
            Err(_) if status.is_server_error() => CliError::Refused {
                status: status.as_u16(),
                id: None,
                resource: None,
                message: format!("{} answered with status {status}.", self.server.url),
            },
            Err(_) => self.odd(format!("status {status} without a reason")),
        }
    }

    fn array(&self, body: Value) -> Result<Vec<Value>, CliError> {
        match body {
            Value::Array(list) => Ok(list),
            _ => Err(self.odd("a list was expected".to_owned())),
        }
    }

    /// Reads what a command needs out of the API's answer, with nothing in it that moves a terminal.
    pub(crate) fn read<T: DeserializeOwned>(&self, value: &Value) -> Result<T, CliError> {
        self.exact(&cleaned(value))
    }

    /// The same to the letter: for values that scripts read.
    pub(crate) fn exact<T: DeserializeOwned>(&self, value: &Value) -> Result<T, CliError> {
        T::deserialize(value).map_err(|error| self.odd(printable(&error.to_string())))
    }

    fn odd(&self, why: String) -> CliError {
        CliError::NotFlowline { url: self.server.url.clone(), why }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// One element of a path: everything but letters, digits and `-_.~` is escaped.
pub(crate) fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_elements_stay_elements() {
        assert_eq!(segment("web.1"), "web.1");
        assert_eq!(segment("a/../b?c d"), "a%2F..%2Fb%3Fc%20d");
    }
}
