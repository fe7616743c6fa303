//! `/auth` and `/login`: how the official command line logs in by a browser. It asks for an address, opens it, and waits;
//! a person says there who they are, which makes a login like any other.

use crate::answer::Created;
use crate::body::JsonBody;
use crate::door::Door;
use crate::error::ApiError;
use crate::{audit, output};
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use control::Control;
use control::browser_login::{self, LoginOver};
use futures_util::stream;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tower_service::Service;

/// A login lasts 30 days, as with the official command line's own passwords.
const LOGIN_LIFE_S: u64 = 30 * 24 * 3600;

/// E-mail, password and code; more is no form of ours.
const FORM_LIMIT_BYTES: usize = 8 * 1024;

/// A space is sent after so much silence: the official command line gives up on quiet connections after a minute.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Nothing but the page itself: no script, no other host, in nobody's frame.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Body of `POST /auth`.
#[derive(Debug, Deserialize)]
pub(crate) struct BeginLogin {
    description: Option<String>,
}

/// Where to go.
#[derive(Debug, Serialize)]
pub(crate) struct BegunLogin {
    browser_url: String,
    cli_url: String,
    token: String,
}

/// What a person fills in.
#[derive(Default, Deserialize)]
struct Form {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
}

/// POST /auth - 201 with the page's address, and the one where the token will be; both have their secret in them.
pub(crate) async fn begin(State(control): State<Control>, JsonBody(body): JsonBody<BeginLogin>) -> Created<BegunLogin> {
    let begun = browser_login::begin(&control, body.description.as_deref().unwrap_or("A command line"));
    Created(BegunLogin {
        browser_url: format!("/login/browser/{}", begun.page),
        cli_url: format!("/login/token/{}", begun.waiting),
        token: begun.waiting,
    })
}

/// GET /login/token/{secret} - the token, as soon as somebody has logged in on the page: `{access_token}`, or `{error}`.
/// Spaces come before it, so that the connection lasts.
pub(crate) async fn token(State(control): State<Control>, Path(secret): Path<String>) -> Result<Response, ApiError> {
    browser_login::is_waited_for(&control, &secret).map_err(|_| ApiError::not_found("login"))?;
    let waiting = Box::pin(async move { browser_login::token(&control, &secret).await });
    let chunks = stream::unfold(Some(waiting), |waiting| async {
        let mut waiting = waiting?;
        Some(match tokio::time::timeout(HEARTBEAT, &mut waiting).await {
            Err(_) => (output::Chunk::Ok(Bytes::from_static(b" ")), Some(waiting)),
            Ok(Ok(token)) => (Ok(Bytes::from(json!({ "access_token": token }).to_string())), None),
            Ok(Err(over)) => (Ok(Bytes::from(json!({ "error": over.to_string() }).to_string())), None),
        })
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// GET /login/browser/{secret} - the page.
pub(crate) async fn page(State(control): State<Control>, Path(secret): Path<String>) -> Result<Response, ApiError> {
    let who = browser_login::description(&control, &secret).map_err(|_| ApiError::not_found("login"))?;
    Ok(html(StatusCode::OK, &form(&who, &Form::default(), false, None)))
}

/// POST /login/browser/{secret} - the form: makes a login as `POST /oauth/authorizations` does, and hands its token on.
pub(crate) async fn submit(
    State(door): State<Door>,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let who = browser_login::description(&door.control, &secret).map_err(|_| ApiError::not_found("login"))?;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, FORM_LIMIT_BYTES).await.unwrap_or_default();
    let filled = String::from_utf8(body.to_vec()).ok().and_then(|text| Uri::try_from(format!("/?{text}")).ok());
    let filled = filled.and_then(|uri| Query::<Form>::try_from_uri(&uri).ok());
    let Some(Query(filled)) = filled else {
        return Ok(html(StatusCode::BAD_REQUEST, &form(&who, &Form::default(), false, Some("That is no such form."))));
    };
    let (status, answer) = log_in(&door, &parts, &who, &filled).await;
    let Some(token) = answer["access_token"]["token"].as_str() else {
        let asks = answer["id"] == "two_factor";
        let why = answer["message"].as_str().unwrap_or("The login cannot be checked now; try again.");
        return Ok(html(status, &form(&who, &filled, asks, Some(why))));
    };
    Ok(match browser_login::give(&door.control, &secret, token.to_owned()) {
        Ok(()) => html(StatusCode::OK, "<h1>Logged in</h1><p>Go back to the terminal. You can close this page.</p>"),
        Err(over @ LoginOver) => html(StatusCode::GONE, &format!("<h1>Not logged in</h1><p>{over}</p>")),
    })
}

/// By the same way as every login: its limits, its second factor, its line in the audit log.
async fn log_in(door: &Door, parts: &axum::http::request::Parts, who: &str, filled: &Form) -> (StatusCode, Value) {
    let unready = (StatusCode::SERVICE_UNAVAILABLE, Value::Null);
    let Some(mut routes) = door.routes.get().cloned() else { return unready };
    let body = json!({ "description": who, "expires_in": LOGIN_LIFE_S, "scope": ["global"] });
    let mut request = Request::new(Body::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/oauth/authorizations");
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", filled.email.trim(), filled.password)));
    let mut headers = vec![
        (AUTHORIZATION, basic),
        (ACCEPT, "application/vnd.heroku+json; version=3".to_owned()),
        (CONTENT_TYPE, "application/json".to_owned()),
    ];
    if !filled.code.trim().is_empty() {
        headers.push((HeaderName::from_static("heroku-two-factor-code"), filled.code.trim().to_owned()));
    }
    for (name, value) in headers {
        // What cannot stand in a header is no code.
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers_mut().insert(name, value);
        }
    }
    audit::hand_on(parts, &mut request);
    let response = match routes.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    let bytes = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// The form; with what was filled in, but for the password, and what was wrong with it.
fn form(who: &str, filled: &Form, asks_code: bool, wrong: Option<&str>) -> String {
    let (who, email) = (escaped(who), escaped(&filled.email));
    let wrong = wrong.map(|why| format!("<p role=\"alert\"><strong>{}</strong></p>", escaped(why))).unwrap_or_default();
    let code = if asks_code {
        "<label>Code of your authenticator app, or one from paper<input name=\"code\" autocomplete=\"one-time-code\" autofocus \
         required></label>"
    } else {
        ""
    };
    format!(
        "<h1>Log in to Flowline</h1><p>For: {who}. Go on only if you began this yourself, just now, in a terminal.</p>{wrong}\
         <form method=\"post\"><label>E-mail<input name=\"email\" type=\"email\" autocomplete=\"username\" required \
         value=\"{email}\"></label><label>Password<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required></label>{code}<button>Log in</button></form>"
    )
}

fn html(status: StatusCode, content: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Flowline: log in</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;\
         padding:0 1rem}}label{{display:block;margin:1rem 0}}input{{display:block;width:100%;box-sizing:border-box;\
         font:inherit;padding:.4rem}}button{{font:inherit;padding:.4rem 1rem}}</style><body>{content}</body></html>"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        // The address is the secret.
        (REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, page).into_response()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_sent_becomes_part_of_the_page() {
        let evil = "\"><script>alert(1)</script>&'";
        let filled = Form { email: evil.to_owned(), password: evil.to_owned(), code: String::new() };
        for asks_code in [false, true] {
            let page = form(evil, &filled, asks_code, Some(evil));
            assert!(!page.contains("<script") && !page.contains("\"><sc"), "{page}");
            assert_eq!(page.contains("name=\"code\""), asks_code);
        }
        let filled = Form { password: "s3cret".to_owned(), ..Form::default() };
        assert!(!form("", &filled, true, None).contains("s3cret"), "a password is never sent back");
    }
}
