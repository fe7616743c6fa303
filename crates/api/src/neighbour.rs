//! What clients ask of the services beside the platform's API, answered at the same place: favorites, notifications, status,
//! and lists of things that this server does not have, so that the commands that only look for them go on.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use control::{Control, push};
use serde::Serialize;

use crate::error::ApiError;

/// Nothing: add-ons, their attachments and services, spaces, favorites, notifications.
pub(crate) async fn none() -> Json<[(); 0]> {
    Json([])
}

/// `GET /api/v4/current-status`.
#[derive(Debug, Serialize)]
pub(crate) struct StatusView {
    status: [SystemView; 3],
    incidents: [(); 0],
    scheduled: [(); 0],
}

#[derive(Debug, Serialize)]
struct SystemView {
    system: &'static str,
    status: &'static str,
}

/// GET /api/v4/current-status - green as long as this answers; the tools are yellow while the disk is too full for pushes.
pub(crate) async fn status(State(control): State<Control>) -> Json<StatusView> {
    let tools = if push::admits(&control).is_ok() { "green" } else { "yellow" };
    let status = [("Apps", "green"), ("Data", "green"), ("Tools", tools)];
    let status = status.map(|(system, status)| SystemView { system, status });
    Json(StatusView { status, incidents: [], scheduled: [] })
}

/// Every path that no route has: what it would be about, where that is known.
pub(crate) async fn no_such_path(uri: Uri) -> ApiError {
    match absent(uri.path()) {
        Some(noun) => ApiError { message: format!("This server has no {noun}."), ..ApiError::no_such_path() },
        None => ApiError::no_such_path(),
    }
}

/// Things of the platform that are not here, by the paths that clients look for them at.
fn absent(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let word = match segments.as_slice() {
        ["apps" | "teams", _, word, ..] | ["actions" | "account", word, ..] | [word, ..] => *word,
        [] => return None,
    };
    match word {
        "addons" | "addon-attachments" | "addon-services" | "plans" | "usage" => Some("add-ons"),
        "review-app" | "review-apps" => Some("review apps"),
        "test-runs" | "test-nodes" | "socket" => Some("test runs"),
        "spaces" | "vpn-connections" => Some("private spaces"),
        "client" | "postgres" | "redis" | "data" | "reports" => Some("data services"),
        "telemetry-drains" => Some("telemetry drains"),
        "favorites" => Some("favorites"),
        "v2" => Some("container registry"),
        "github" => Some("repository integration"),
        "router-metrics" => Some("history of metrics"),
        "oci-images" => Some("container images"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_named() {
        for (path, noun) in [
            ("/pipelines/x/test-runs", None),
            ("/actions/addons/resolve", Some("add-ons")),
            ("/account/github/token", Some("repository integration")),
            ("/client/v11/databases/x", Some("data services")),
            ("/apps/addons", None),
            ("/nothing", None),
            ("/", None),
        ] {
            assert_eq!(absent(path), noun, "{path}");
        }
    }
}
