//! static.json: what an app says about how its files are served.

use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// static.json is written by hand.
const SETTINGS_LIMIT_BYTES: u64 = 256 * 1024;

/// What is wrong with the files to serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    /// static.json is there but cannot be used.
    #[error("static.json: {0}")]
    Settings(String),
    /// There is nothing to serve.
    #[error("the folder {root} that is to be served cannot be read ({source}): set \"root\" in static.json")]
    Root {
        /// As in static.json.
        root: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `root` leads out of the app.
    #[error("\"root\" in static.json is {0}, which is outside of the app")]
    RootOutside(String),
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    root: Option<String>,
    #[serde(default)]
    clean_urls: bool,
    #[serde(default)]
    headers: BTreeMap<String, BTreeMap<String, String>>,
    error_page: Option<String>,
    #[serde(default)]
    routes: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

/// Headers for the paths that match a pattern.
pub(super) type HeaderRule = (String, Vec<(HeaderName, HeaderValue)>);

/// The file as it is used.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) root: Option<String>,
    pub(super) clean_urls: bool,
    /// The most exact pattern last, so that it wins.
    pub(super) headers: Vec<HeaderRule>,
    /// The most exact pattern first: an object of JSON has no order, and `/**` must not hide `/docs/**`.
    pub(super) routes: Vec<(String, String)>,
    pub(super) error_page: Option<String>,
    pub(super) passed_over: Vec<String>,
}

impl Settings {
    /// `None`: the app has no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, SiteError> {
        let failed = |error: io::Error| SiteError::Settings(error.to_string());
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(file) if file.len() > SETTINGS_LIMIT_BYTES => {
                return Err(SiteError::Settings(format!("is larger than {SETTINGS_LIMIT_BYTES} bytes")));
            }
            Ok(_) => {}
        }
        let text = std::fs::read(path).map_err(failed)?;
        let written: Written = serde_json::from_slice(&text).map_err(|error| SiteError::Settings(error.to_string()))?;
        Self::try_from(written).map(Some)
    }
}

impl TryFrom<Written> for Settings {
    type Error = SiteError;

    fn try_from(written: Written) -> Result<Self, SiteError> {
        // Serving without the password would show what is meant to be hidden.
        if written.rest.get("basic_auth").is_some_and(|wanted| *wanted != serde_json::Value::Bool(false)) {
            return Err(SiteError::Settings(
                "`basic_auth` is not offered: remove it, or serve the files yourself".into(),
            ));
        }
        let mut headers = Vec::new();
        for (pattern, fields) in written.headers {
            let fields: Result<_, _> = fields.iter().map(|(name, value)| field(name, value)).collect();
            headers.push((pattern, fields?));
        }
        headers.sort_by_key(|(pattern, _)| Reverse(exactness(pattern)));
        let mut routes: Vec<_> = written.routes.into_iter().collect();
        routes.sort_by_key(|(pattern, _)| exactness(pattern));
        Ok(Self {
            root: written.root,
            clean_urls: written.clean_urls,
            headers,
            routes,
            error_page: written.error_page,
            passed_over: written.rest.into_keys().collect(),
        })
    }
}

/// Smaller: more exact. Fewer `**`, then fewer `*`, then longer.
fn exactness(pattern: &str) -> (usize, usize, Reverse<usize>) {
    (pattern.matches("**").count(), pattern.matches('*').count(), Reverse(pattern.len()))
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), SiteError> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Err(_), _) | (_, Err(_)) => Err(SiteError::Settings(format!("`{name}: {value}` is not an HTTP header"))),
    }
}
