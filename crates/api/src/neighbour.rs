//! What clients ask of the services beside the platform's API, answered at the same place: status,
//! and lists of things that this server does not have, so that the commands that only look for them go on.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use control::{Control, push};
use serde::Serialize;

use crate::auth;
use crate::error::ApiError;

/// Nothing: add-ons, their attachments and services, spaces.
pub(crate) async fn none() -> Json<[(); 0]> {
    Json([])
}

/// `GET /pipelines/{pipeline}/repository`: where a pipeline's code is, of which nothing is known here.
#[derive(Debug, Serialize)]
pub(crate) struct RepositoryView {
    repository: Option<()>,
    organization: Option<()>,
    ci: bool,
}

/// GET /pipelines/{pipeline}/repository - none: tests run on what is sent with them.
pub(crate) async fn repository() -> Json<RepositoryView> {
    Json(RepositoryView { repository: None, organization: None, ci: false })
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

/// The paths of the host that lets the official command line into dynos: the app is the user name there.
pub(crate) fn exec_manager(uri: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let rest = uri.path().strip_prefix("/api/v2").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let app = auth::user(headers).filter(|app| !app.is_empty() && app.bytes().all(plain))?;
    format!("/apps/{app}/reservations{rest}").parse().ok()
}

/// Every path that no route has: what it would be about, where that is known.
pub(crate) async fn no_such_path(uri: Uri) -> ApiError {
    no_such_thing(uri.path()).unwrap_or_else(ApiError::no_such_path)
}

/// A route's path with a method that it does not have; the list of things that are not here can be read only.
pub(crate) async fn wrong_method(uri: Uri) -> ApiError {
    no_such_thing(uri.path()).unwrap_or_else(|| {
        let message = "This path exists, but not with this method; the `Allow` header has the ones that do.";
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    })
}

fn no_such_thing(path: &str) -> Option<ApiError> {
    let noun = absent(path)?;
    Some(ApiError { message: format!("This server has no {noun}."), ..ApiError::no_such_path() })
}

/// Things of the platform that are not here, by the paths that clients look for them at.
#[must_use]
pub fn absent(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let word = match segments.as_slice() {
        ["account", "features", _] => return Some("account features"),
        ["teams", _, "oauth", ..] => return Some("authorizations of teams"),
        ["teams", _, "apps", _, "usage"] => return Some("bills"),
        ["apps" | "teams" | "users" | "pipelines" | "regions", _, word, ..]
        | ["actions" | "account", word, ..]
        | [word, ..] => *word,
        [] => return None,
    };
    match word {
        "addons" | "addon-attachments" | "addon-services" | "plans" => Some("add-ons"),
        "addon-region-capabilities" | "allowed-addon-services" => Some("add-ons"),
        "invoices" | "invoice-address" | "credits" | "delinquency" | "payment-method" | "payments" => Some("bills"),
        "usage" | "resource" | "licenses" | "license-collections" => Some("bills"),
        "review-app" | "review-apps" | "review-app-config" => Some("review apps"),
        "test-nodes" | "socket" => Some("test runs"),
        "spaces" | "vpn-connections" => Some("private spaces"),
        "client" | "postgres" | "redis" | "data" | "reports" => Some("data services"),
        "enterprise-accounts" => Some("enterprise accounts"),
        "identity-providers" => Some("identity providers"),
        "github" => Some("repository integration"),
        "router-metrics" => Some("history of metrics"),
        "oci-images" => Some("container images"),
        "build-metadata" => Some("addresses of repositories and caches"),
        "config-vars-settings" => Some("settings of single config vars"),
        "preferences" => Some("preferences"),
        "capabilities" => Some("list of capabilities"),
        "gateway-tokens" => Some("gateway tokens"),
        "sms-number" => Some("text messages"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_23_the_user_name_is_the_app() {
        let led = |path: &str, authorization: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", authorization.parse().unwrap());
            exec_manager(&path.parse().unwrap(), &headers).map(|uri| uri.to_string())
        };
        // shop:t, :t, ../x:t
        let (shop, nobody, climber) = ("Basic c2hvcDp0", "Basic OnQ=", "Basic Li4veDp0");
        assert_eq!(led("/api/v2/web.1", shop).as_deref(), Some("/apps/shop/reservations/web.1"));
        assert_eq!(led("/api/v2", shop).as_deref(), Some("/apps/shop/reservations"));
        for (path, authorization) in
            [("/api/v2", nobody), ("/api/v2", climber), ("/api/v2", "Bearer t"), ("/api/v22", shop), ("/apps", shop)]
        {
            assert_eq!(led(path, authorization), None, "{path} {authorization}");
        }
    }

    #[test]
    fn what_is_absent_is_named() {
        for (path, noun) in [
            ("/pipelines/x/test-runs", None),
            ("/apps/x/builds", None),
            ("/account/features", None),
            ("/account/features/x", Some("account features")),
            ("/teams/x/invoices/5", Some("bills")),
            ("/teams/x/oauth/authorizations", Some("authorizations of teams")),
            ("/users/~/sms-number/actions/recover", Some("text messages")),
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
