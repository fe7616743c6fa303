//! The app.json of a source, where it has one.

use model::app_json::{APP_JSON_LIMIT_BYTES, AppJson, AppJsonError, parse};
use std::path::Path;

/// An app.json that is there and cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusableAppJson {
    #[error("app.json cannot be used: {0}")]
    Content(#[from] AppJsonError),
    #[error("app.json cannot be read: {0}")]
    Disk(#[from] std::io::Error),
}

/// Reads it; without one nothing is said. A link is none: it may lead anywhere.
pub(crate) async fn read(source: &Path) -> Result<AppJson, UnusableAppJson> {
    let path = source.join("app.json");
    match tokio::fs::symlink_metadata(&path).await {
        Ok(meta) if meta.is_file() && meta.len() > APP_JSON_LIMIT_BYTES as u64 => Err(AppJsonError::TooLarge.into()),
        Ok(meta) if meta.is_file() => Ok(parse(&tokio::fs::read(&path).await?)?),
        Ok(_) | Err(_) => Ok(AppJson::default()),
    }
}
