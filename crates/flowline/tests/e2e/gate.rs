//! The one gate: every route of the list, for nobody, for somebody with a wrong token, for a stranger, for the owner.

use crate::flow;
use api::routes::{Access, ROUTES, Route};
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, App, Flow, KeyedCertificate, Source, path_of};

/// A secret of nothing, as long as the true ones.
const WRONG: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// With every process that runs once.
const PROCFILE: &str =
    "web: python3 server.py\nrelease: echo done\nverify: echo ok 1 - open > $FLOWLINE_REPORTS/a.tap\n";

/// An app with one of everything, and what nobody else may read of it.
struct Shop {
    build: String,
    setup: String,
    slug: String,
    release: String,
    source: Value,
    drain: String,
    telemetry: String,
    webhook: String,
    event: String,
    delivery: String,
    endpoint: String,
    pipeline: String,
    coupling: String,
    promotion: String,
    test_run: String,
    test_node: String,
    favorite: String,
    monitor: String,
    /// Of the app, of the pipeline, of the server.
    routes: [String; 3],
    verification: String,
    people: People,
    secrets: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A pipeline with the app in staging, and the coupling.
async fn line(flow: &Flow) -> (String, String) {
    let made = flow.post("/pipelines", &json!({ "name": "silver-line" })).await;
    let pipeline = text(&made.json()["id"]);
    let coupling = json!({ "app": "shop", "pipeline": pipeline, "stage": "staging" });
    let coupling = text(&flow.post("/pipeline-couplings", &coupling).await.json()["id"]);
    flow.app("shop-2").await;
    let next = json!({ "app": "shop-2", "pipeline": pipeline, "stage": "production" });
    assert_eq!(flow.post("/pipeline-couplings", &next).await.status, 201);
    (pipeline, coupling)
}

/// Who is told of the app, of the pipeline, of the server.
async fn routes(flow: &Flow, app: &App<'_>, pipeline: &str) -> [String; 3] {
    let to_log = json!({ "to": ["log"] });
    let of_app = app.call("POST", "/notification-routes", Some(&to_log)).await.json()["id"].take();
    let of_pipeline = flow.post(&format!("/pipelines/{pipeline}/notification-routes"), &to_log).await;
    let of_server = flow.post("/notification-routes", &to_log).await.json()["id"].take();
    [of_app, of_pipeline.json()["id"].take(), of_server].map(|id| text(&id))
}

async fn telemetry(flow: &Flow, app: &str) -> String {
    let exporter = json!({ "type": "otlphttp", "endpoint": "http://127.0.0.1:9", "headers": { "Key": "otel-key" } });
    let drain = json!({ "owner": { "type": "app", "id": app }, "signals": ["logs"], "exporter": exporter });
    flow.post("/telemetry-drains", &drain).await.json()["id"].as_str().unwrap().to_owned()
}

/// What nobody sees who may not.
const PLAIN: [&str; 9] = [
    "secret-branch",
    "correct horse battery",
    "wrong horse battery",
    "drain-pass",
    "otel-key",
    "some code",
    "admin@localhost",
    "treasure",
    "silver-line",
];

impl Shop {
    async fn open(flow: &Flow, app: &App<'_>) -> Self {
        app.config(json!({ "PASSWORD": "correct horse battery" })).await;
        let hook = json!({ "include": ["api:build"], "level": "notify", "url": "http://127.0.0.1:9/treasure" });
        let webhook = app.call("POST", "/webhooks", Some(&hook)).await.json()["id"].take();
        let release = Source::answering("one").with("Procfile", PROCFILE);
        app.push(release).await.released("v4");
        let (build, release) = (app.read("/builds").await[0].clone(), app.latest_release().await);
        let source = flow.post("/sources", &json!({})).await.json()["source_blob"]["put_url"].take();
        assert_eq!(flow.upload(&source, Bytes::from_static(b"some code")).await.status, 200);
        let (build, slug, release) = (text(&build["id"]), text(&release["slug"]["id"]), text(&release["id"]));
        let (webhook, event) = (text(&webhook), text(&app.read("/webhook-events").await[0]["id"]));
        let delivery = text(&app.read("/webhook-deliveries").await[0]["id"]);
        let verification = text(&app.read("/verifications").await[0]["id"]);
        let id = text(&app.read("").await["id"]);
        let drain = json!({ "url": "https://user:drain-pass@127.0.0.1:9/" });
        let drain = text(&app.call("POST", "/log-drains", Some(&drain)).await.json()["id"]);
        let telemetry = telemetry(flow, &id).await;
        let setup = json!({ "source_blob": { "url": "http://127.0.0.1:9/x.tgz" }, "app": { "name": "set-up" } });
        let setup = text(&flow.post("/app-setups", &setup).await.json()["id"]);
        let certificate = KeyedCertificate::make(&["www.example.com"], 2400);
        let endpoint = json!({ "certificate_chain": certificate.chain, "private_key": certificate.key });
        let endpoint = text(&app.call("POST", "/sni-endpoints", Some(&endpoint)).await.json()["id"]);
        let (pipeline, coupling) = line(flow).await;
        let promotion = json!({ "pipeline": { "id": pipeline }, "source": { "app": { "id": "shop" } },
            "targets": [{ "app": { "id": "shop-2" } }] });
        let promotion = text(&flow.post("/pipeline-promotions", &promotion).await.json()["id"]);
        let secret = json!({ "SECRET": "wrong horse battery" });
        let kept = flow.patch(&format!("/pipelines/{pipeline}/stage/test/config-vars"), &secret).await;
        assert_eq!(kept.status, 200, "{}", kept.text());
        let run = json!({ "pipeline": pipeline, "commit_branch": "secret-branch", "commit_message": "m", "commit_sha": "c0ffee",
            "source_blob_url": source.as_str().unwrap() });
        let test_run = text(&flow.post("/test-runs", &run).await.json()["id"]);
        let test_node = text(&flow.get(&format!("/test-runs/{test_run}/test-nodes")).await.json()[0]["id"]);
        let favorite = flow.post("/favorites", &json!({ "resource_id": app.name(), "type": "app" })).await;
        let favorite = text(&favorite.json()["id"]);
        let monitor = json!({ "is_active": false, "min_quantity": 1, "max_quantity": 2 });
        let monitor = app.call("POST", "/formation/web/monitors", Some(&monitor)).await;
        assert_eq!(monitor.status, 201, "{}", monitor.text());
        let monitor = text(&monitor.json()["id"]);
        let routes = routes(flow, app, &pipeline).await;
        let plain = PLAIN.map(str::to_owned);
        let people = People::gather(flow).await;
        let secrets = [plain.to_vec(), vec![build.clone(), slug.clone(), release.clone(), id]].concat();
        Self {
            build,
            setup,
            slug,
            release,
            source,
            drain,
            telemetry,
            endpoint,
            webhook,
            event,
            delivery,
            pipeline,
            coupling,
            promotion,
            test_run,
            test_node,
            favorite,
            monitor,
            routes,
            verification,
            people,
            secrets,
        }
    }

    /// A route's path with everything in it but the secret.
    fn path(&self, route: &Route, app: &str) -> String {
        let session = "01234567-89ab-cdef-0123-456789abcdef";
        let source = path_of(&self.source).split('/').nth(2).unwrap();
        [
            ("{app}", app),
            ("{repository}", &format!("{app}.git")),
            ("{build}", &self.build),
            ("{setup}", &self.setup),
            ("{slug}", &self.slug),
            // As the owner would write it in one place, and by its id in the other.
            ("{release}", if route.access == Access::Signed { &self.release } else { "4" }),
            ("{type}", "web"),
            ("{dyno}", "web.1"),
            ("{domain}", "shop.localhost"),
            ("{drain}", &self.drain),
            ("{telemetry_drain}", &self.telemetry),
            ("{endpoint}", &self.endpoint),
            ("{stack}", "heroku-24"),
            ("{region}", "us"),
            (
                "{feature}",
                if route.path.starts_with("/teams") { "org-access-controls" } else { "runtime-dyno-metadata" },
            ),
            ("{generation}", "cedar"),
            ("{size}", "eco"),
            ("{source}", source),
            ("{webhook}", &self.webhook),
            ("{event}", &self.event),
            ("{delivery}", &self.delivery),
            ("{pipeline}", &self.pipeline),
            ("{coupling}", &self.coupling),
            ("{promotion}", &self.promotion),
            ("{test_run}", &self.test_run),
            ("{test_node}", &self.test_node),
            ("{number}", "1"),
            ("{stage}", "test"),
            ("{route}", self.route(route)),
            ("{verification}", &self.verification),
            ("{artifact}", "1"),
            ("{approved}", "shop-2"),
            ("{session}", session),
            ("{favorite}", &self.favorite),
            // Nothing broke here: what somebody may mark is tried where something does.
            ("{notification}", session),
            ("{monitor}", &self.monitor),
            ("{digest}", &format!("sha256:{WRONG}")),
            ("{upload}", session),
            ("{reference}", "latest"),
            ("{secret}", WRONG),
        ]
        .iter()
        .fold(self.people.path(route.path), |path, (name, value)| path.replace(name, value))
    }

    fn route(&self, route: &Route) -> &str {
        let of = match route.access {
            Access::Operator => 2,
            Access::Pipeline(_) => 1,
            _ => 0,
        };
        &self.routes[of]
    }

    /// Nothing of the owner's stands in an answer.
    fn is_not_in(&self, answer: &Answer, what: &str) {
        let said = format!("{:?} {}", answer.headers, answer.text());
        for secret in &self.secrets {
            assert!(!said.contains(secret), "{what} gives `{secret}` away: {said}");
        }
    }
}

/// One of everything that people have.
struct People {
    account: String,
    authorizations: [String; 3],
    client: String,
    key: String,
    transfer: String,
    team: String,
    invitation: String,
    token: String,
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIQG1oxlcIjQ8fub+Vui3+zC15KRcgJ0k4QfE5igWH9+ ada@machine";

impl People {
    async fn gather(flow: &Flow) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let helper = flow.account("helper@example.org").await;
        let account = flow.call_as(&helper, "GET", "/account", None).await.json();
        let made = async |path: &str, body: Value| {
            let answer = flow.post(path, &body).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.text());
            answer.json()
        };
        let mut authorizations = [String::new(), String::new(), String::new()];
        for one in &mut authorizations {
            *one = text(&made("/oauth/authorizations", json!({ "scope": ["read"] })).await["id"]);
        }
        // A login of the operator, as what `/oauth/sessions` shows.
        let password = flow.post("/accounts/admin@localhost/actions/reset-password", &json!({})).await.json();
        let login = flow.login("admin@localhost", password["password"].as_str().unwrap(), None).await;
        authorizations[1] = text(&login.json()["id"]);
        let client = made("/oauth/clients", json!({ "name": "c", "redirect_uri": "https://example.org" })).await;
        let key = made("/account/keys", json!({ "public_key": KEY })).await;
        let gift = made("/apps", json!({ "name": "gift" })).await;
        let transfer = json!({ "app": gift["id"], "recipient": "helper@example.org" });
        let transfer = made("/account/app-transfers", transfer).await;
        let team = made("/teams", json!({ "name": "acme" })).await;
        let member = json!({ "email": "helper@example.org", "role": "member" });
        made("/teams/acme/members", member.clone()).await;
        let invited = json!({ "email": "invited@example.org", "role": "viewer" });
        let invitation = flow.call("PUT", "/teams/acme/invitations", Some(&invited)).await.json();
        flow.password("other@example.org").await;
        for email in ["helper@example.org", "other@example.org"] {
            made("/apps/shop/collaborators", json!({ "user": email })).await;
        }
        Self {
            account: text(&account["id"]),
            authorizations,
            client: text(&client["id"]),
            key: text(&key["id"]),
            transfer: text(&transfer["id"]),
            team: text(&team["id"]),
            invitation: text(&invitation["id"]),
            token: text(&invitation["token"]),
        }
    }

    fn path(&self, path: &str) -> String {
        let which = match path {
            path if path.starts_with("/oauth/sessions") => 1,
            path if path.starts_with("/oauth/tokens") => 2,
            _ => 0,
        };
        [
            ("{user}", "~"),
            ("{account}", &self.account),
            ("{authorization}", &self.authorizations[which]),
            ("{client}", &self.client),
            ("{key}", &self.key),
            ("{transfer}", &self.transfer),
            ("{team}", &self.team),
            ("{member}", "helper@example.org"),
            ("{collaborator}", if path.starts_with("/teams/") { "other@example.org" } else { "helper@example.org" }),
            ("{invitation}", &self.invitation),
            ("{token}", &self.token),
        ]
        .iter()
        .fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    }
}

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
