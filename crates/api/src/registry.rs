//! `/buildpacks`: the names that `buildpacks:set` looks up. This server's registry has the packs that come with it.

use crate::error::ApiError;
use axum::Json;
use axum::extract::{Path, Query};
use serde::Serialize;
use serde_json::{Value, json};

/// Where clients know a name to live; they show such an address as the name, and so do installations.
const BLOBS: &str = "https://buildpack-registry.s3.amazonaws.com/buildpacks";

const NAMESPACE: &str = "heroku";

/// Name and what it builds.
const PACKS: [(&str, &str); 4] = [
    ("nodejs", "Node.js, with npm, Yarn or pnpm"),
    ("procfile", "Whatever a Procfile starts"),
    ("python", "Python, with pip, Pipenv, Poetry or uv"),
    ("static", "Static files"),
];

/// A pack in a list and by itself.
#[derive(Debug, Serialize)]
pub(crate) struct PackView {
    name: &'static str,
    namespace: &'static str,
    description: &'static str,
    category: &'static str,
    blob_url: String,
    source: Value,
    support: Value,
}

fn view((name, description): &(&'static str, &'static str)) -> PackView {
    PackView {
        name,
        namespace: NAMESPACE,
        description,
        category: "languages",
        blob_url: format!("{BLOBS}/{NAMESPACE}/{name}.tgz"),
        source: json!({ "type": "server" }),
        support: json!({ "method": "website", "address": "the operator of this server" }),
    }
}

fn find(name: &str) -> Result<PackView, ApiError> {
    let short = name.split_once('/').filter(|(namespace, _)| *namespace == NAMESPACE).map(|(_, name)| name);
    let found = PACKS.iter().find(|(pack, _)| short == Some(*pack));
    found.map(view).ok_or_else(|| ApiError::not_found("buildpack"))
}

/// GET /buildpacks - those whose namespace, name or description the query asks for.
pub(crate) async fn list(Query(asked): Query<Vec<(String, String)>>) -> Json<Vec<PackView>> {
    let fits = |pack: &PackView| {
        asked.is_empty()
            || asked.iter().any(|(key, value)| match key.as_str() {
                "in[namespace][]" => pack.namespace == value,
                "in[name][]" => pack.name == value,
                "like[description]" => pack.description.to_lowercase().contains(&value.to_lowercase()),
                _ => false,
            })
    };
    Json(PACKS.iter().map(view).filter(fits).collect())
}

/// GET /buildpacks/{buildpack} - `heroku%2Fnodejs`.
pub(crate) async fn show(Path(name): Path<String>) -> Result<Json<PackView>, ApiError> {
    find(&name).map(Json)
}

/// GET /buildpacks/{buildpack}/revisions - the one that comes with the server.
pub(crate) async fn revisions(Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    find(&name)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(json!([{ "release": version, "created_at": null, "status": "published", "license": "Apache-2.0" }])))
}

/// GET /buildpacks/{buildpack}/readme - none.
pub(crate) async fn readme(Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    find(&name).map(|_| Json(json!({ "content": null, "encoding": "base64" })))
}
