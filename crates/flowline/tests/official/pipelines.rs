//! Pipelines: apps at their stages, promotion to one and to several apps, handing over.

use crate::checklist;
use crate::command_line::CommandLine;
use serde_json::json;

const SERVER: &str = "import http.server, os\nhttp.server.test(port=int(os.environ['PORT']))\n";

/// It takes the end of a git that ends before its words have come for its words.
const MISREAD: &str = "ambiguous argument '0'";

/// Fails in the release phase of whoever has `BROKEN` set, and takes a moment.
const PROCFILE: &str = "web: python3 server.py\nrelease: echo checking the tables; sleep 1; test -z \"$BROKEN\"\n";

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    places(&heroku).await;
    tests(&heroku).await;
    promotion(&heroku).await;
    several(&heroku).await;
    refusals(&heroku).await;
    owners(&heroku).await;
    checklist::lane(&heroku).await;
}

async fn places(heroku: &CommandLine<'_>) {
    for app in ["line-dev", "line-staging", "line", "line-2", "line-gift"] {
        heroku.done(&["apps:create", app, "--no-remote"], &["done"]).await;
    }
    heroku
        .done(&["pipelines:create", "line", "-a", "line-staging", "--stage", "staging"], &["Creating line", "done"])
        .await;
    heroku.done(&["pipelines:add", "line", "-a", "line", "--stage", "production"], &["done"]).await;
    heroku.done(&["pipelines:add", "line", "-a", "line-dev", "--stage", "staging"], &["done"]).await;
    heroku.done(&["pipelines:update", "-a", "line-dev", "--stage", "development"], &["done"]).await;
    heroku.done(&["pipelines"], &["line"]).await;
    heroku.done(&["pipelines:info", "line"], &["line-dev", "development", "line-staging", "line", "production"]).await;
    heroku.done(&["apps:info", "-a", "line"], &["Pipeline", "line - production"]).await;
}

/// The config vars that tests get, and the list of runs.
async fn tests(heroku: &CommandLine<'_>) {
    heroku.done(&["ci:config:set", "GREETING=hello", "-p", "line"], &["GREETING"]).await;
    heroku.done(&["ci:config", "-p", "line"], &["GREETING", "hello"]).await;
    heroku.done(&["ci:config:get", "GREETING", "-p", "line"], &["hello"]).await;
    let run = json!({ "pipeline": "line", "commit_branch": "main", "commit_message": "m", "commit_sha": "c0ffee1234",
        "source_blob_url": "http://127.0.0.1:9/nothing" });
    let begun = heroku.flow.post("/test-runs", &run).await;
    heroku.holds(begun.status == 201, &begun.text());
    heroku.done(&["ci", "-p", "line"], &["main", "c0ffee1"]).await;
    heroku.done(&["ci:config:unset", "GREETING", "-p", "line"], &["GREETING"]).await;
    heroku.done(&["pipelines:open", "line"], &["Opening https://dashboard.heroku.com/pipelines/"]).await;
    heroku.done(&["ci:open", "-p", "line"], &[]).await;
}

/// What is committed here is sent there and tested, and every word of it comes back.
async fn test_runs(heroku: &CommandLine<'_>) {
    let manifest =
        json!({ "environments": { "test": { "scripts": { "test": "echo tested run $HEROKU_TEST_RUN_NUMBER" } } } });
    heroku.commit(&[("app.json", &manifest.to_string())]).await;
    let ran = ["tested run 2", "#2 ", "succeeded"];
    heroku.despite(MISREAD, &["ci:run", "-p", "line"], 0, &ran).await;
    heroku.done(&["ci:last", "-p", "line"], &ran).await;
    heroku.done(&["ci:info", "2", "-p", "line"], &ran).await;
    let again = ["Rerunning test run #2", "tested run 3", "#3 ", "succeeded"];
    heroku.despite(MISREAD, &["ci:rerun", "-p", "line"], 0, &again).await;
    let failing = json!({ "environments": { "test": { "scripts": { "test": "echo one is wrong; exit 3" } } } });
    heroku.commit(&[("app.json", &failing.to_string())]).await;
    heroku.despite(MISREAD, &["ci:run", "-p", "line"], 3, &["one is wrong", "#4 ", "failed"]).await;
    // An older manifest becomes a part of the newer one.
    std::fs::write(heroku.folder.join("app-ci.json"), manifest["environments"]["test"].to_string()).unwrap();
    heroku.done(&["ci:migrate-manifest"], &["Deleting app-ci.json file... done", "You're all set!"]).await;
    let migrated = std::fs::read_to_string(heroku.folder.join("app.json")).unwrap();
    let migrated: serde_json::Value = serde_json::from_str(&migrated).unwrap_or_default();
    heroku.holds(migrated == manifest, &format!("the manifest: {migrated}"));
}

/// The checklist's first item: the same slug, described as a promotion, the target's config as it was.
async fn promotion(heroku: &CommandLine<'_>) {
    heroku.commit(&[("server.py", SERVER), ("Procfile", PROCFILE)]).await;
    heroku.done(&["git:remote", "-a", "line-staging"], &["set git remote heroku"]).await;
    let pushed = heroku.git(&["push", "heroku", "main"]).await;
    heroku.holds(pushed.contains("Released v3"), &pushed);
    heroku.done(&["config:set", "COLOR=red", "-a", "line"], &["done"]).await;
    let says = ["checking the tables", "Promotion successful", "succeeded"];
    heroku.done(&["pipelines:promote", "-a", "line-staging"], &says).await;
    let newest = async |app: &str| heroku.flow.known_app(app).latest_release().await;
    let (from, to) = (newest("line-staging").await, newest("line").await);
    heroku.holds(from["slug"]["id"] == to["slug"]["id"], "pipe_30: the same slug");
    let described = to["description"].as_str().unwrap_or_default();
    heroku.holds(described.starts_with("Promote line-staging v3 "), &format!("pipe_42: {described}"));
    heroku.done(&["config", "-a", "line"], &["COLOR: red"]).await;
    heroku.done(&["releases", "-a", "line"], &["Promote line-staging v3"]).await;
    heroku.done(&["releases:output", "-a", "line"], &["checking the tables"]).await;
    test_runs(heroku).await;
}

/// The second: one target whose release phase fails leaves the other promoted, and the command fails.
async fn several(heroku: &CommandLine<'_>) {
    heroku.done(&["pipelines:add", "line", "-a", "line-2", "--stage", "production"], &["done"]).await;
    heroku.done(&["config:set", "BROKEN=yes", "-a", "line-2"], &["done"]).await;
    let says = ["Promotion to some apps failed", "succeeded", "failed"];
    heroku.ended(&["pipelines:promote", "-a", "line-staging"], "", 1, &says).await;
    let list = heroku.flow.get("/pipelines/line/promotions").await.json();
    let promotion = list.as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
    heroku.holds(promotion["status"] == "completed", &format!("pipe_33: {promotion}"));
    heroku.holds(heroku.flow.known_app("line-2").latest_release().await["status"] == "failed", "the ledger agrees");
    // The third, a chosen old release: this command line has no word for it, the API has.
    let chosen = json!({
        "pipeline": { "id": "line" },
        "source": { "app": { "id": "line-staging" }, "release": { "id": "v3" } },
        "targets": [{ "app": { "id": "line" } }],
    });
    let newer = heroku.flow.known_app("line-staging");
    let set = newer.call("PATCH", "/config-vars", Some(&json!({ "NEWER": "yes" }))).await;
    heroku.holds(set.status == 200, &set.text());
    newer.settled(4).await;
    let begun = heroku.flow.post("/pipeline-promotions", &chosen).await;
    heroku.holds(begun.status == 201, &begun.text());
    heroku.flow.read_address(&begun.json()["event_stream_url"]).await;
    let made = heroku.flow.known_app("line").latest_release().await;
    let described = made["description"].as_str().unwrap_or_default();
    heroku.holds(described.starts_with("Promote line-staging v3 "), &format!("pipe_32: {described}"));
}

async fn refusals(heroku: &CommandLine<'_>) {
    let itself = "Cannot promote from an app to itself: line-staging";
    let to_itself = ["pipelines:promote", "-a", "line-staging", "--to", "line-staging"];
    heroku.refused(&to_itself, 1, &[itself]).await;
    heroku.refused(&["pipelines:promote", "-a", "line"], 1, &["Cannot promote line from 'production' stage"]).await;
    heroku.refused(&["pipelines:promote", "-a", "line-dev"], 2, &["has nothing to promote"]).await;
    heroku.refused(&["pipelines:diff", "-a", "line-staging"], 2, &["does not seem to be connected to GitHub"]).await;
}

async fn owners(heroku: &CommandLine<'_>) {
    let made = heroku.flow.post("/teams", &json!({ "name": "crew" })).await;
    heroku.holds(made.status == 201, &made.text());
    heroku.done(&["pipelines:rename", "line", "track"], &["done"]).await;
    heroku.done(&["pipelines:transfer", "crew", "-p", "track", "--confirm", "track"], &["done"]).await;
    let team = heroku.flow.get("/apps/line").await.json()["team"]["name"].clone();
    heroku.holds(team == "crew", "pipe_9: its apps go with it");
    to_a_person(heroku).await;
    heroku.done(&["pipelines:remove", "-a", "line-dev"], &["done"]).await;
    heroku.done(&["pipelines:destroy", "track"], &["done"]).await;
    heroku.holds(heroku.flow.get("/apps/line").await.status == 200, "pipe_7: its apps go on");
}

/// By e-mail, to somebody who works with every app of it; of nobody else is even told whether they are here.
async fn to_a_person(heroku: &CommandLine<'_>) {
    let token = heroku.flow.account("friend@example.org").await;
    heroku.done(&["pipelines:create", "gift", "-a", "line-gift", "--stage", "staging"], &["done"]).await;
    let transfer = ["pipelines:transfer", "friend@example.org", "-p", "gift", "--confirm", "gift"];
    let users = async |token: &str, who: &str| heroku.flow.call_as(token, "GET", &format!("/users/{who}"), None).await;
    let (unknown, known) = (users(&token, "nobody@example.org").await, users(&token, "admin@localhost").await);
    heroku.holds(known.status == 404 && known.text() == unknown.text(), &known.text());
    heroku.refused(&transfer, 2, &["does not work with line-gift"]).await;
    heroku.done(&["access:add", "friend@example.org", "-a", "line-gift"], &["done"]).await;
    let seen = users(&token, "admin@localhost").await.json();
    let mut keys: Vec<_> = seen.as_object().into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    heroku.holds(keys == ["email", "id", "name"], &format!("who it is, and nothing else: {seen}"));
    heroku.done(&transfer, &["Transferring gift pipeline to the friend@example.org account... done"]).await;
    let owner = heroku.flow.call_as(&token, "GET", "/apps/line-gift", None).await.json()["owner"]["email"].clone();
    heroku.holds(owner == "friend@example.org", &format!("pipe_9: its apps go with it: {owner}"));
}
