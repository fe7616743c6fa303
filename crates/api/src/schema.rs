//! `GET /schema` (API-16): which routes there are, as a JSON hyper-schema made of the route list.

use crate::routes::{Access, ROUTES, Route};
use axum::Json;
use axum::http::Method;
use serde_json::{Map, Value, json};
use std::future::{Ready, ready};

/// GET /schema - the links of every resource; no secret.
pub(crate) fn show() -> Ready<Json<Value>> {
    // No `async fn`: the list holds this handler, whose type must not depend on the list.
    ready(Json(document()))
}

fn document() -> Value {
    let mut definitions: Map<String, Value> = Map::new();
    for route in ROUTES.iter().filter(|route| is_platform(route)) {
        let definition = definitions.entry(resource(route.path)).or_insert_with(|| json!({ "links": [] }));
        if let Some(Value::Array(links)) = definition.get_mut("links") {
            links.push(link(route));
        }
    }
    json!({
        "$schema": "http://interagent.github.io/interagent-hyper-schema",
        "id": "flowline-platform-api",
        "title": "Flowline Platform API",
        "description": "The routes of this server. Shapes are those of the Platform API, version 3.",
        "type": ["object"],
        "definitions": definitions,
    })
}

/// Is it a route for API clients? The others are addresses with a secret in them, and git's.
fn is_platform(route: &Route) -> bool {
    match route.access {
        Access::Account
        | Access::Free
        | Access::Login
        | Access::Operator
        | Access::Team(_)
        | Access::Pipeline(_)
        | Access::App(_) => true,
        Access::Signed | Access::Public | Access::Git | Access::Registry | Access::Repository(_) => false,
    }
}

/// The noun that a path is about: its last word that is no placeholder and no action.
fn resource(path: &str) -> String {
    let path = path.split("/actions").next().unwrap_or(path);
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    words.last().copied().unwrap_or("server").to_owned()
}

fn link(route: &Route) -> Value {
    let one = route.path.ends_with('}');
    let rel = match &route.method {
        method if *method == Method::GET && one => "self",
        method if *method == Method::GET => "instances",
        method if *method == Method::POST => "create",
        method if *method == Method::DELETE => "destroy",
        _ => "update",
    };
    json!({ "href": route.path, "method": route.method.as_str(), "rel": rel, "title": format!("{} {}", route.method, route.path) })
}
