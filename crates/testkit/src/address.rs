//! The addresses that the API gives: log sessions, outputs, archives. Whoever holds one needs no token.

use crate::flow::Flow;
use crate::http::Answer;
use bytes::Bytes;
use serde_json::Value;

/// The path of an address, as the API wrote it into an answer.
///
/// # Panics
/// When it is no text.
#[must_use]
pub fn path_of(url: &Value) -> &str {
    let url = url.as_str().unwrap_or_else(|| panic!("{url} is not an address"));
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

impl Flow {
    /// GET of such an address, to the end.
    pub async fn read_address(&self, url: &Value) -> Answer {
        self.raw("GET", path_of(url), &[], Bytes::new()).await
    }

    /// PUT to such an address.
    pub async fn upload(&self, url: &Value, body: Bytes) -> Answer {
        self.raw("PUT", path_of(url), &[], body).await
    }
}
