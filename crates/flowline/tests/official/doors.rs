//! How an app meets the outside: domains, drains, buildpacks, features.

use crate::command_line::CommandLine;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testkit::{Frame, HookTarget, Identity, OtlpTarget, Received, Receiver};

/// A signing secret is at least so long: nothing else of what is printed has so many letters and no space.
const SECRET_LETTERS: usize = 32;

/// `identity`: whom the server believes beside the world's authorities.
pub(crate) async fn lane(heroku: CommandLine<'_>, identity: &Identity) {
    heroku.commit(&[("Procfile", "web: python3 -m http.server $PORT\n")]).await;
    heroku.done(&["apps:create", "edge"], &[]).await;
    heroku.git(&["push", "heroku", "main"]).await;
    certs(&heroku).await;
    domains(&heroku).await;
    webhooks(&heroku, identity).await;
    drains(&heroku, identity).await;
    telemetry(&heroku, identity).await;
    buildpacks(&heroku).await;
    features(&heroku).await;
}

async fn certs(heroku: &CommandLine<'_>) {
    let generated = ["certs:generate", "www.example.org", "--selfsigned", "--now", "--subject", "/CN=www.example.org"];
    heroku.done(&generated, &["Your key and self-signed certificate have been generated"]).await;
    heroku.done(&["certs:add", "www.example.org.crt", "www.example.org.key"], &["done"]).await;
    heroku.done(&["certs"], &["www.example.org"]).await;
    heroku.done(&["certs:info"], &["www.example.org"]).await;
    let update = ["certs:update", "www.example.org.crt", "www.example.org.key", "--confirm", "edge"];
    heroku.done(&update, &["done"]).await;
    heroku.done(&["certs:auto"], &["Automatic Certificate Management is disabled on edge"]).await;
    heroku.done(&["certs:auto:enable"], &["Enabling Automatic Certificate Management"]).await;
    heroku.done(&["certs:auto:refresh"], &["Refreshing Automatic Certificate Management"]).await;
    heroku.done(&["certs:auto:disable", "--confirm", "edge"], &["Disabling Automatic Certificate Management"]).await;
}

async fn domains(heroku: &CommandLine<'_>) {
    let name =
        heroku.flow.get("/apps/edge/sni-endpoints").await.json()[0]["name"].as_str().unwrap_or_default().to_owned();
    heroku
        .done(&["domains:add", "www.example.org", "--cert", &name], &["Adding www.example.org to edge... done"])
        .await;
    heroku.done(&["domains"], &["edge.localhost", "www.example.org"]).await;
    heroku.done(&["domains:info", "www.example.org"], &["www.example.org"]).await;
    heroku.done(&["domains:update", "www.example.org", "--cert", &name], &["done"]).await;
    heroku.done(&["domains:wait", "www.example.org"], &[]).await;
    heroku.done(&["domains:remove", "www.example.org"], &["Removing www.example.org from edge... done"]).await;
    heroku.done(&["certs:remove", "--confirm", "edge"], &["done"]).await;
    heroku.done(&["domains:add", "more.example.org"], &["done"]).await;
    heroku.done(&["domains:clear"], &["Removing all domains from edge... done"]).await;
}

/// Set up by the command line, told to a receiver behind TLS that knows nothing but the secret which the command line printed.
async fn webhooks(heroku: &CommandLine<'_>, identity: &Identity) {
    let mut receiver = HookTarget::start_tls(identity).await;
    let url = receiver.url("/hook?from=flowline");
    let add = ["webhooks:add", "-i", "api:release", "-l", "notify", "-u", &url, "-t", "Bearer of-the-receiver"];
    let said = heroku.done(&add, &["done", "Webhooks Signing Secret"]).await;
    let secret = said.lines().rfind(|line| line.len() >= SECRET_LETTERS && !line.contains(' ')).unwrap_or_default();
    let id = async |path: &str| {
        let list = heroku.flow.get(&format!("/apps/edge/{path}")).await.json();
        list[0]["id"].as_str().unwrap_or_default().to_owned()
    };
    let hook = id("webhooks").await;
    heroku.done(&["webhooks"], &[&hook, "api:release", "https://127.0.0.1:"]).await;
    heroku.done(&["webhooks:info", &hook], &["https://127.0.0.1:", "/hook?from=flowline"]).await;
    heroku.done(&["config:set", "MADE=release"], &[]).await;
    let told = receiver.next().await;
    let content = told.json();
    heroku.holds(told.line == "POST /hook?from=flowline", &format!("hook_5: {}", told.line));
    heroku.holds(signed(&told, secret), &format!("hook_5: `{secret}` does not sign {told:?}"));
    heroku.holds(!signed(&told, "another secret"), "hook_5: and no other secret does");
    heroku.holds(told.header("authorization") == "Bearer of-the-receiver", &format!("hook_2: {told:?}"));
    heroku.holds(content["resource"] == "release" && content["data"]["app"]["name"] == "edge", &content.to_string());
    heroku.holds(content["data"]["description"] == "Set MADE config vars", &content.to_string());
    heroku.done(&["webhooks:deliveries"], &["api:release"]).await;
    heroku.done(&["webhooks:deliveries:info", &id("webhook-deliveries").await], &["api:release"]).await;
    heroku.done(&["webhooks:events"], &[]).await;
    heroku.done(&["webhooks:events:info", &id("webhook-events").await], &["payload:"]).await;
    // Another secret, other events, and every one of them for sure.
    let url = receiver.url("/other");
    let update =
        ["webhooks:update", &hook, "-i", "api:app", "-l", "sync", "-s", "a secret of the receiver's", "-u", &url];
    heroku.done(&update, &["done"]).await;
    heroku.done(&["maintenance:on"], &["done"]).await;
    // The release may have had more to tell.
    let told = loop {
        let told = receiver.next().await;
        if told.json()["resource"] == "app" && told.json()["data"]["maintenance"] == true {
            break told;
        }
    };
    heroku.holds(told.line == "POST /other", &told.line);
    heroku.holds(signed(&told, "a secret of the receiver's"), &format!("hook_5: {told:?}"));
    heroku.done(&["maintenance:off"], &["done"]).await;
    heroku.done(&["webhooks:remove", &hook], &["done"]).await;
}

/// Is the raw body signed with this secret (HOOK-5)?
fn signed(received: &Received, secret: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = STANDARD.decode(received.header("heroku-webhook-hmac-sha256")).unwrap_or_default();
    hmac::verify(&key, &received.body, &signature).is_ok()
}

/// Set up by the command line; the receivers take every frame apart and end the test at one that is not as the format says.
async fn drains(heroku: &CommandLine<'_>, identity: &Identity) {
    let mut syslog = Receiver::syslog(Some(identity)).await;
    let mut https = Receiver::http(Some(identity), &[]).await;
    let (by_syslog, by_https) =
        (format!("syslog+tls://{}", syslog.addr), format!("https://drain:s3cret@{}/lines?of=edge", https.addr));
    heroku.done(&["drains:add", &by_syslog], &["Successfully added drain"]).await;
    heroku.done(&["drains:add", &by_https], &["Successfully added drain"]).await;
    heroku.done(&["drains"], &[&by_syslog, &by_https]).await;
    let tokens = heroku.flow.get("/apps/edge/log-drains").await.json();
    let token = |url: &str| {
        let found = tokens.as_array().into_iter().flatten().find(|drain| drain["url"] == url);
        found.and_then(|drain| drain["token"].as_str()).unwrap_or_default().to_owned()
    };
    heroku.flow.known_app("edge").get("/a-visit-for-the-drains").await;
    heroku.done(&["config:set", "FOR=drains"], &["done"]).await;
    let mut frames = Vec::new();
    while !all_there(&frames) {
        frames.push(syslog.frame().await);
    }
    let whose = token(&by_syslog);
    heroku.holds(frames.iter().all(|frame| frame.host == whose && is_whole(frame)), &format!("log_24: {frames:?}"));
    let (mut frames, whose) = (Vec::new(), token(&by_https));
    while !all_there(&frames) {
        let post = https.post().await;
        heroku.holds(post.target == "/lines?of=edge", &format!("log_26: {}", post.target));
        heroku.holds(post.header("content-type") == "application/logplex-1", &format!("log_26: {:?}", post.headers));
        heroku.holds(post.header("logplex-drain-token") == whose, &format!("log_26: {:?}", post.headers));
        heroku.holds(post.header("logplex-msg-count") == post.frames.len().to_string(), &format!("log_26: {post:?}"));
        let user = format!("Basic {}", STANDARD.encode("drain:s3cret"));
        heroku.holds(post.header("authorization") == user, &format!("log_26: {:?}", post.headers));
        heroku.holds(
            post.frames.iter().all(|frame| frame.host == "host" && is_whole(frame)),
            &format!("log_25: {post:?}"),
        );
        frames.extend(post.frames);
    }
    heroku.done(&["drains:remove", &by_syslog], &["Successfully removed drain"]).await;
    heroku.done(&["drains:remove", &by_https], &["Successfully removed drain"]).await;
    heroku.done(&["drains"], &[]).await;
}

/// A visit by the router's word, a change by the platform's.
fn all_there(frames: &[Frame]) -> bool {
    let said = |ps: &str, words: &str| frames.iter().any(|frame| frame.ps == ps && frame.rest.contains(words));
    said("router", "path=\"/a-visit-for-the-drains\"") && said("api", "Set FOR config vars")
}

/// The fields have what the format allows (LOG-24).
fn is_whole(frame: &Frame) -> bool {
    let facility = if frame.source == "app" { 23 } else { 19 };
    let moment = frame.at.len() >= "2026-01-02T03:04:05+00:00".len() && frame.at.as_bytes()[10] == b'T';
    ["app", "heroku"].contains(&frame.source.as_str()) && frame.priority / 8 == facility && moment
}

/// To a receiver behind TLS that decodes what it gets.
async fn telemetry(heroku: &CommandLine<'_>, identity: &Identity) {
    let mut target = OtlpTarget::start(Some(identity), "").await;
    let headers = "{\"x-team\": \"blue\"}";
    let add = ["telemetry:add", &target.http, "--app", "edge", "--signals", "logs,traces", "--headers", headers];
    heroku.done(&add, &["successfully added drain https://127.0.0.1:"]).await;
    let drains = heroku.flow.get("/apps/edge/telemetry-drains").await.json();
    let id = drains[0]["id"].as_str().unwrap_or_default().to_owned();
    heroku.done(&["telemetry", "--app", "edge"], &[&id, "https://127.0.0.1:"]).await;
    heroku.done(&["telemetry:info", &id], &["edge", "traces, logs", "HTTP", "blue"]).await;
    let traces = told(heroku, &mut target, ("traces", "http"), "/a-visit-for-the-spans").await;
    heroku.holds(traces["headers"]["x-team"] == "blue", &traces.to_string());
    let update = ["telemetry:update", &id, "--signals", "logs", "--transport", "grpc", "--endpoint", &target.grpc];
    heroku.done(&update, &["done", "gRPC"]).await;
    let logs = told(heroku, &mut target, ("logs", "grpc"), "/a-visit-for-the-log").await;
    heroku.holds(logs["headers"]["x-team"] == "blue", &logs.to_string());
    heroku.done(&["telemetry:remove", &id], &["done"]).await;
    heroku.done(&["telemetry", "--app", "edge"], &["There are no telemetry drains"]).await;
}

/// An export that tells of this visit.
async fn told(heroku: &CommandLine<'_>, target: &mut OtlpTarget, kind: (&str, &str), path: &str) -> Value {
    heroku.flow.known_app("edge").get(path).await;
    let wanted = async {
        loop {
            let export = target.next_of(kind.0).await;
            if export["transport"] == kind.1 && export.to_string().contains(path) {
                return export;
            }
        }
    };
    testkit::within("an export of a visit", wanted).await
}

async fn buildpacks(heroku: &CommandLine<'_>) {
    heroku.done(&["buildpacks"], &["edge has no Buildpacks"]).await;
    heroku.done(&["buildpacks:set", "heroku/procfile"], &["will use heroku/procfile"]).await;
    heroku.done(&["buildpacks:add", "--index", "1", "heroku/nodejs"], &["1. heroku/nodejs 2. heroku/procfile"]).await;
    heroku.done(&["buildpacks:remove", "heroku/nodejs"], &["will use heroku/procfile"]).await;
    heroku.commit(&[("more", "x")]).await;
    let pushed = heroku.git(&["push", "heroku", "main"]).await;
    heroku.holds(pushed.contains("Released v"), &pushed);
    heroku.done(&["buildpacks:clear"], &["Buildpacks cleared"]).await;
    heroku.done(&["buildpacks:search", "node"], &["heroku/nodejs", "1 buildpack found"]).await;
    heroku.done(&["buildpacks:info", "heroku/python"], &["category: languages"]).await;
    heroku.done(&["buildpacks:versions", "heroku/python"], &["published"]).await;
    heroku.refused(&["buildpacks:set", "somebody/unknown"], 2, &["missing field `buildpack`"]).await;
}

async fn features(heroku: &CommandLine<'_>) {
    heroku.done(&["labs"], &["runtime-dyno-metadata"]).await;
    heroku.done(&["labs:enable", "runtime-dyno-metadata"], &["done"]).await;
    heroku.done(&["labs:info", "runtime-dyno-metadata"], &["Enabled: true"]).await;
    heroku.done(&["labs:disable", "runtime-dyno-metadata"], &["done"]).await;
    heroku.done(&["features"], &["http-session-affinity"]).await;
    heroku.done(&["features:enable", "http-session-affinity"], &["done"]).await;
    heroku.done(&["features:info", "http-session-affinity"], &["Enabled: true"]).await;
    heroku.done(&["features:disable", "http-session-affinity"], &["done"]).await;
}
