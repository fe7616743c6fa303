//! Fetches source archives: from our own upload slots without a detour, else over http or https.

use crate::{Control, source};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::StatusCode;
use hyper::header::LOCATION;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use model::id::SourceId;
use model::source::SOURCE_SIZE_LIMIT_BYTES;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Code hosts answer with a redirect to their storage, sometimes with two.
const REDIRECT_LIMIT: usize = 5;

/// A source that does not come in this time will not come.
const FETCH_LIMIT: Duration = Duration::from_secs(300);

/// What a fetched archive is called in its folder.
pub(crate) const ARCHIVE: &str = "source";

/// Why an archive did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0} is not an address")]
    BadUrl(String),
    #[error("{url} answered {status}")]
    Status { url: String, status: StatusCode },
    #[error("{0} could not be reached: {1}")]
    Unreachable(String, String),
    #[error("it broke off: {0}")]
    BrokeOff(String),
    #[error("it is larger than {SOURCE_SIZE_LIMIT_BYTES} bytes")]
    TooLarge,
    #[error("it did not come within {} seconds", FETCH_LIMIT.as_secs())]
    TooSlow,
    #[error("too many redirects")]
    Redirects,
    #[error("its checksum is {found}, announced was {announced}")]
    Checksum { found: String, announced: String },
    #[error(transparent)]
    Source(#[from] source::SourceError),
    #[error("it could not be kept: {0}")]
    Disk(#[from] std::io::Error),
}

/// Brings an archive into `folder`, checks it, and opens it for reading.
pub(crate) async fn archive(
    control: &Control,
    url: &str,
    announced: Option<&str>,
    folder: &Path,
) -> Result<tokio::fs::File, FetchError> {
    let path = folder.join(ARCHIVE);
    let brought = async {
        let mut body = open(control, url).await?;
        let mut file = tokio::fs::File::create(&path).await?;
        let (mut hash, mut size_bytes) = (Context::new(&SHA256), 0);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(FetchError::BrokeOff)?;
            size_bytes += chunk.len() as u64;
            if size_bytes > SOURCE_SIZE_LIMIT_BYTES {
                return Err(FetchError::TooLarge);
            }
            hash.update(&chunk);
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        Ok(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let hex = tokio::time::timeout(FETCH_LIMIT, brought).await.map_err(|_| FetchError::TooSlow)??;
    let found = format!("SHA256:{hex}");
    match announced {
        Some(announced) if !announced.eq_ignore_ascii_case(&found) => {
            Err(FetchError::Checksum { found, announced: announced.to_owned() })
        }
        Some(_) | None => Ok(tokio::fs::File::open(&path).await?),
    }
}

async fn open(control: &Control, url: &str) -> Result<crate::objects::ByteStream, FetchError> {
    if let Some((id, secret)) = own_slot(url) {
        // Only the secret counts: a slot of another server has another one, and is then asked for over the network.
        if let Ok(body) = source::get(control, id, &secret).await {
            return Ok(body);
        }
    }
    over_http(url).await
}

/// `…/sources/<id>/<secret>`, as `api` makes them.
fn own_slot(url: &str) -> Option<(SourceId, String)> {
    let path = url.split_once("://")?.1.split_once('/')?.1;
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (word, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
    (word == "sources").then_some(())?;
    Some((id.parse().ok()?, secret.to_owned()))
}

async fn over_http(url: &str) -> Result<crate::objects::ByteStream, FetchError> {
    let connector = HttpsConnectorBuilder::new().with_native_roots();
    let connector = connector.map_err(|error| FetchError::Unreachable(url.to_owned(), error.to_string()))?;
    let client = Client::builder(TokioExecutor::new())
        .build::<_, Empty<Bytes>>(connector.https_or_http().enable_http1().build());
    let mut url: hyper::Uri = url.parse().map_err(|_| FetchError::BadUrl(url.to_owned()))?;
    for _ in 0..REDIRECT_LIMIT {
        let unreachable = |error: String| FetchError::Unreachable(url.to_string(), error);
        let request = hyper::Request::get(url.clone()).header("user-agent", "flowline").body(Empty::new());
        let answer = client.request(request.map_err(|error| unreachable(error.to_string()))?).await;
        let answer = answer.map_err(|error| unreachable(error.to_string()))?;
        if answer.status().is_redirection() {
            let next = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = next.ok_or_else(|| FetchError::Status { url: url.to_string(), status: answer.status() })?;
            url = next.parse().map_err(|_| FetchError::BadUrl(next.to_owned()))?;
            continue;
        }
        if !answer.status().is_success() {
            return Err(FetchError::Status { url: url.to_string(), status: answer.status() });
        }
        return Ok(answer.into_body().into_data_stream().map_err(|error| error.to_string()).boxed());
    }
    Err(FetchError::Redirects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_upload_slots_are_known_by_their_path() {
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        let (found, secret) = own_slot(&format!("http://127.0.0.1:7700/sources/{id}/abc")).unwrap();
        assert_eq!((found.to_string().as_str(), secret.as_str()), (id, "abc"));
        assert!(own_slot("https://example.org/archive.tar.gz").is_none());
    }
}
