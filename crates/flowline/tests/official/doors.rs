//! How an app meets the outside: domains, drains, buildpacks, features.

use crate::command_line::CommandLine;

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    heroku.commit(&[("Procfile", "web: python3 -m http.server $PORT\n")]).await;
    heroku.done(&["apps:create", "edge"], &[]).await;
    heroku.git(&["push", "heroku", "main"]).await;
    certs(&heroku).await;
    domains(&heroku).await;
    webhooks(&heroku).await;
    drains(&heroku).await;
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

async fn webhooks(heroku: &CommandLine<'_>) {
    let add = ["webhooks:add", "-i", "api:release", "-l", "notify", "-u", "https://127.0.0.1:9/hook"];
    heroku.done(&add, &["done"]).await;
    let id = async |path: &str| {
        let list = heroku.flow.get(&format!("/apps/edge/{path}")).await.json();
        list[0]["id"].as_str().unwrap_or_default().to_owned()
    };
    let hook = id("webhooks").await;
    heroku.done(&["webhooks"], &[&hook, "api:release"]).await;
    heroku.done(&["webhooks:info", &hook], &["https://127.0.0.1:9/hook"]).await;
    heroku.done(&["config:set", "MADE=release"], &[]).await;
    heroku.done(&["webhooks:deliveries"], &[]).await;
    heroku.done(&["webhooks:deliveries:info", &id("webhook-deliveries").await], &["api:release"]).await;
    heroku.done(&["webhooks:events"], &[]).await;
    heroku.done(&["webhooks:events:info", &id("webhook-events").await], &["payload:"]).await;
    let update = ["webhooks:update", &hook, "-i", "api:build", "-l", "sync", "-u", "https://127.0.0.1:9/other"];
    heroku.done(&update, &["done"]).await;
    heroku.done(&["webhooks:remove", &hook], &["done"]).await;
}

async fn drains(heroku: &CommandLine<'_>) {
    heroku.done(&["drains:add", "https://127.0.0.1:9/lines"], &["Successfully added drain"]).await;
    heroku.done(&["drains"], &["https://127.0.0.1:9/lines"]).await;
    heroku.done(&["drains:remove", "https://127.0.0.1:9/lines"], &["Successfully removed drain"]).await;
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
