//! The one gate: every route of the list, for nobody, for somebody with a wrong token, for a stranger, for the owner.

mod people;
mod shop;

use crate::flow;
use api::routes::{Access, ROUTES, Route};
use bytes::Bytes;
use serde_json::{Value, json};
use shop::Shop;
use testkit::{Answer, App, Flow, path_of};

/// A secret of nothing, as long as the true ones.
const WRONG: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What an API client sends with every call.
async fn ask(flow: &Flow, route: &Route, path: &str, authorization: Option<&str>) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    let body = if route.method == "GET" || route.method == "DELETE" { "" } else { "{}" };
    flow.raw(route.method.as_str(), path, &headers, Bytes::from_static(body.as_bytes())).await
}

/// The routes for accounts and apps: those that begin with a token.
fn with_token() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| match route.access {
        Access::Account
        | Access::Free
        | Access::Login
        | Access::Operator
        | Access::Team(_)
        | Access::Pipeline(_)
        | Access::App(_) => true,
        Access::Signed | Access::Public | Access::Git | Access::Registry | Access::Repository(_) => false,
    })
}

/// What destroys comes last, and what destroys the most at the very end.
fn gentle_first(routes: impl Iterator<Item = &'static Route>) -> Vec<&'static Route> {
    let mut routes: Vec<_> = routes.collect();
    routes.sort_by_key(|route| (route.method == "DELETE", std::cmp::Reverse(route.path.matches('/').count())));
    routes
}

fn about_an_app() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.access.right().is_some())
}

fn of(access: Access) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| route.access == access)
}

/// Everything that a route could have changed.
async fn state(app: &App<'_>) -> Value {
    let mut parts = vec![app.read("").await];
    for path in ["/config-vars", "/builds", "/releases", "/formation", "/domains", "/log-drains", "/sni-endpoints"] {
        parts.push(app.read(path).await);
    }
    let dynos = app.read("/dynos").await;
    parts.push(dynos.as_array().unwrap().iter().map(|dyno| dyno["id"].clone()).collect());
    Value::Array(parts)
}

#[tokio::test]
async fn api_2_without_a_good_token_every_route_is_401_and_changes_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let before = state(&app).await;
    let wrong =
        [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic Ondyb25n"), Some("Digest x"), Some("nonsense")];
    for route in with_token() {
        for authorization in wrong {
            let what = format!("{} {} with {authorization:?}", route.method, route.path);
            let answer = ask(&flow, route, &shop.path(route, "shop"), authorization).await;
            assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (401, Some("unauthorized")), "{what}");
            shop.is_not_in(&answer, &what);
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn cli_21_for_a_stranger_an_app_is_not_there_at_all() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let before = state(&app).await;
    let stranger = format!("Bearer {}", flow.account("stranger@example.org").await);
    let id = before[0]["id"].as_str().unwrap();
    for route in about_an_app() {
        let what = format!("{} {}", route.method, route.path);
        let nothing = ask(&flow, route, &shop.path(route, "no-such-app"), Some(&stranger)).await;
        for name in ["shop", id] {
            let answer = ask(&flow, route, &shop.path(route, name), Some(&stranger)).await;
            assert_eq!(answer.status, 404, "{what}");
            assert_eq!(answer.body, nothing.body, "{what} differs from an app that is not there");
            let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&answer), names(&nothing), "{what}");
            shop.is_not_in(&answer, &what);
        }
    }
    assert_eq!(state(&app).await, before);
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn a_stranger_has_a_world_of_their_own() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let token = flow.account("stranger@example.org").await;
    let theirs = format!("Bearer {token}");
    for route in gentle_first(with_token().filter(|route| route.access.right().is_none())) {
        let what = format!("{} {}", route.method, route.path);
        let answer = ask(&flow, route, &shop.path(route, "shop"), Some(&theirs)).await;
        let status = answer.status.as_u16();
        match route.access {
            Access::Operator => assert_eq!(status, 403, "{what}: {}", answer.text()),
            Access::Team(_) | Access::Pipeline(_) => assert_eq!(status, 404, "{what}: {}", answer.text()),
            Access::Login | Access::Account | Access::Free => {
                // What is another account's is not there.
                let known = answer.status.is_success() || matches!(status, 403 | 404 | 422);
                assert!(known, "{what}: {status} {}", answer.text());
            }
            Access::App(_)
            | Access::Signed
            | Access::Public
            | Access::Registry
            | Access::Repository(_)
            | Access::Git => unreachable!("{what}"),
        }
        shop.is_not_in(&answer, &what);
    }
    let token = flow.account("another@example.org").await;
    assert_eq!(flow.call_as(&token, "POST", "/apps", Some(&json!({}))).await.status, 201);
    let account = flow.call_as(&token, "GET", "/account", None).await.json();
    assert_eq!(account["email"], "another@example.org");
    let theirs = flow.call_as(&token, "GET", "/apps", None).await.json();
    assert_eq!(theirs.as_array().unwrap().len(), 1, "the one that POST /apps made: {theirs}");
    let owner = flow.get("/apps").await.json();
    let names: Vec<&str> = owner.as_array().unwrap().iter().filter_map(|app| app["name"].as_str()).collect();
    assert_eq!(names, ["gift", "set-up", "shop", "shop-2"]);
    // app_1: a name is taken for everybody, and that is all a stranger learns.
    let taken = flow.call_as(&token, "POST", "/apps", Some(&json!({ "name": "shop" }))).await;
    assert_eq!(taken.status, 422, "{}", taken.text());
    shop.is_not_in(&taken, "a taken name");
    for (path, body) in [("/releases", json!({ "slug": shop.slug })), ("/releases", json!({ "release": shop.release }))]
    {
        let name = theirs[0]["name"].as_str().unwrap();
        let answer = flow.call_as(&token, "POST", &format!("/apps/{name}{path}"), Some(&body)).await;
        assert_eq!(answer.status, 404, "bld_15, rls_5: {body}: {}", answer.text());
    }
}

/// API-11, CLI-22, CLI-23: moments are RFC 3339 in UTC or null, ids are lower-case.
fn well_formed(value: &Value, what: &str) {
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| {
            if key.ends_with("_at") {
                let moment = value.as_str().map(|text| text.len() >= 20 && text.contains('T') && text.ends_with('Z'));
                assert!(value.is_null() || moment == Some(true), "{what}: {key} is {value}");
            }
            if key == "id"
                && let Some(id) = value.as_str()
            {
                assert_eq!(id, id.to_lowercase(), "{what}");
            }
            well_formed(value, what);
        }),
        Value::Array(all) => all.iter().for_each(|value| well_formed(value, what)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn api_11_cli_20_and_22_the_owner_passes_every_route_and_every_answer_is_well_formed_json() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let owner = format!("Bearer {}", flow.token);
    for route in gentle_first(with_token()) {
        let answer = ask(&flow, route, &shop.path(route, "shop"), Some(&owner)).await;
        // Somebody else was invited.
        let theirs = route.path.starts_with("/teams/invitations/");
        let passed =
            answer.status.is_success() || matches!(answer.status.as_u16(), 409 | 422) || theirs && answer.status == 404;
        assert!(passed, "{} {}: {} {}", route.method, route.path, answer.status, answer.text());
        let what = format!("{} {}", route.method, route.path);
        // Figures are text for Prometheus, or CSV where that is asked for.
        if route.path != "/metrics" {
            assert!(answer.header("content-type").starts_with("application/json"), "{what}: {:?}", answer.headers);
            well_formed(&answer.json(), &what);
        }
    }
    assert_eq!(app.call("GET", "", None).await.status, 404);
}

#[tokio::test]
async fn cli_33_a_signed_address_opens_with_its_own_secret_only() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let session = app.call("POST", "/log-sessions", Some(&json!({ "lines": 5 }))).await.json()["logplex_url"].take();
    let build = app.read("/builds").await[0]["output_stream_url"].take();
    let slug = app.read(&format!("/slugs/{}", shop.slug)).await["blob"]["url"].take();
    let release = app.latest_release().await["output_stream_url"].take();
    let verify = app.read("/verifications/1").await["output_stream_url"].take();
    let report = app.read("/verifications/1/artifacts").await[0]["url"].take();
    let true_ones = [&session, &build, &slug, &release, &verify, &shop.source];
    assert_eq!(flow.read_address(&report).await.text(), "ok 1 - open\n");
    let owner = format!("Bearer {}", flow.token);
    for route in of(Access::Signed) {
        for authorization in [None, Some(owner.as_str())] {
            let answer = ask(&flow, route, &shop.path(route, "shop"), authorization).await;
            assert_eq!(answer.status, 404, "{} {}: {}", route.method, route.path, answer.text());
            shop.is_not_in(&answer, route.path);
        }
    }
    for url in true_ones {
        let (place, secret) = path_of(url).rsplit_once('/').unwrap();
        for wrong in [&secret[1..], &format!("{secret}0"), "", &secret.to_uppercase(), "%00", "..%2f"] {
            let answer = flow.raw("GET", &format!("{place}/{wrong}"), &[], Bytes::new()).await;
            assert_eq!(answer.status, 404, "{place}/{wrong}");
        }
        for other in true_ones.into_iter().filter(|other| *other != url) {
            let (_, secret) = path_of(other).rsplit_once('/').unwrap();
            let answer = flow.raw("GET", &format!("{place}/{secret}"), &[], Bytes::new()).await;
            assert_eq!(answer.status, 404, "the secret of {other} opens {place}");
        }
        assert_eq!(flow.read_address(url).await.status, 200, "{url}");
    }
}

#[tokio::test]
async fn git_asks_for_credentials_and_hides_what_is_not_yours() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let stranger = format!("Bearer {}", flow.account("stranger@example.org").await);
    for route in of(Access::Git) {
        let path = |name: &str| format!("{}?service=git-receive-pack", shop.path(route, name));
        for authorization in [None, Some("Basic Ondyb25n"), Some("Bearer wrong")] {
            for name in ["shop", "no-such-app"] {
                let answer = ask(&flow, route, &path(name), authorization).await;
                assert_eq!(answer.status, 401, "{} {name} {authorization:?}", route.path);
                assert!(answer.header("www-authenticate").starts_with("Basic "));
                shop.is_not_in(&answer, route.path);
            }
        }
        let theirs = ask(&flow, route, &path("shop"), Some(&stranger)).await;
        let nothing = ask(&flow, route, &path("no-such-app"), Some(&stranger)).await;
        assert_eq!((theirs.status.as_u16(), &theirs.body), (404, &nothing.body), "{}", route.path);
        // 415 is git's own: it has passed the gate with something that is no push.
        let owner = ask(&flow, route, &path("shop"), Some(&flow.basic())).await;
        assert!(matches!(owner.status.as_u16(), 200 | 415), "{}: {}", route.path, owner.status);
    }
    assert_eq!(app.latest_release().await["version"], 4);
}

#[tokio::test]
async fn registries_ask_for_credentials_and_an_owner_passes() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let shop = Shop::open(&flow, &app).await;
    let owner = format!("Bearer {}", flow.token);
    let routes = ROUTES.iter().filter(|route| matches!(route.access, Access::Registry | Access::Repository(_)));
    for route in routes {
        for authorization in [None, Some("Basic Ondyb25n"), Some("Bearer wrong")] {
            let answer = ask(&flow, route, &shop.path(route, "shop"), authorization).await;
            assert_eq!(answer.status, 401, "{} {} {authorization:?}", route.method, route.path);
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Flowline\"", "{}", route.path);
            shop.is_not_in(&answer, route.path);
        }
        // Nothing was pushed: what is not there is told in the registry's own words.
        let answer = ask(&flow, route, &shop.path(route, "shop"), Some(&owner)).await;
        let known = answer.status.is_success() || answer.json()["errors"][0]["code"].is_string();
        assert!(known && !matches!(answer.status.as_u16(), 401 | 403 | 500..), "{}: {}", route.path, answer.text());
    }
    assert_eq!(app.latest_release().await["version"], 4);
}
