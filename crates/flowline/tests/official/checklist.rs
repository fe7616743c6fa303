//! The platform's acceptance checklist with its own command line: what a failing release command leaves, and what a rollback runs.
//! Its first three items are with the pipelines. The fifth, a change by an add-on's provider, waits for add-ons.

use crate::command_line::CommandLine;
use serde_json::Value;

const SERVER: &str = "import http.server, os\nhttp.server.test(port=int(os.environ['PORT']))\n";

/// A release phase that says whose code it is of, and what it found.
fn procfile(of: &str) -> String {
    format!("web: python3 server.py\nrelease: echo tables of {of} for $COLOR; test -z \"$BROKEN\"\n")
}

pub(crate) async fn lane(heroku: &CommandLine<'_>) {
    heroku.done(&["apps:create", "till", "--no-remote"], &["done"]).await;
    heroku.done(&["git:remote", "-a", "till"], &["set git remote heroku"]).await;
    push(heroku, "one", "Released v3").await;
    heroku.done(&["config:set", "COLOR=red", "-a", "till"], &["done, v4"]).await;
    a_failing_command(heroku).await;
    a_rollback(heroku).await;
}

async fn push(heroku: &CommandLine<'_>, of: &str, says: &str) -> String {
    heroku.commit(&[("server.py", SERVER), ("Procfile", &procfile(of))]).await;
    let pushed = heroku.git(&["push", "heroku", "main"]).await;
    heroku.holds(pushed.contains(says), &format!("`{says}` is not in: {pushed}"));
    pushed
}

async fn dynos(heroku: &CommandLine<'_>) -> Vec<Value> {
    let dynos = heroku.flow.get("/apps/till/dynos").await.json();
    let web = dynos.as_array().into_iter().flatten().filter(|dyno| dyno["type"] == "web");
    web.map(|dyno| dyno["id"].clone()).collect()
}

async fn current(heroku: &CommandLine<'_>) -> Value {
    let releases = heroku.flow.get("/apps/till/releases").await.json();
    releases.as_array().into_iter().flatten().find(|one| one["current"] == true).cloned().unwrap_or_default()
}

/// The fourth: RELPH-22.
async fn a_failing_command(heroku: &CommandLine<'_>) {
    heroku.done(&["ps:wait", "-a", "till"], &[]).await;
    let serving = dynos(heroku).await;
    heroku.done(&["config:set", "BROKEN=yes", "-a", "till"], &["done, v5"]).await;
    let now = current(heroku).await;
    heroku.holds(now["version"] == 4, &format!("relph_22: {now}"));
    heroku.holds(dynos(heroku).await == serving, "relph_22: no dyno was restarted");
    heroku.done(&["releases", "-a", "till"], &["v5", "release command failed"]).await;
    // The push is accepted, its exit is 0, and its end says how it went.
    let pushed = push(heroku, "two", "Waiting for release.... failed.").await;
    let last =
        pushed.lines().filter(|line| line.starts_with("remote:")).map(str::trim_end).rfind(|line| *line != "remote:");
    heroku.holds(last.is_some_and(|line| line.ends_with("Waiting for release.... failed.")), &pushed);
    let now = current(heroku).await;
    heroku.holds(now["version"] == 4, &format!("relph_22: {now}"));
    heroku.holds(dynos(heroku).await == serving, "relph_22: no dyno was restarted by the push");
    heroku.done(&["releases:output", "v6", "-a", "till"], &["tables of two for red"]).await;
    heroku.done(&["config:unset", "BROKEN", "-a", "till"], &["done, v7"]).await;
}

/// The sixth: RLS-6 and RELPH-10.
async fn a_rollback(heroku: &CommandLine<'_>) {
    heroku.done(&["config:set", "COLOR=blue", "SIZE=large", "-a", "till"], &["done"]).await;
    push(heroku, "three", "Released v9").await;
    heroku.done(&["releases:output", "v9", "-a", "till"], &["tables of three for blue"]).await;
    heroku
        .done(&["releases:rollback", "v4", "-a", "till"], &["Rolling back till to v4... done", "tables of one for red"])
        .await;
    let config = heroku.done(&["config", "-a", "till"], &["COLOR: red"]).await;
    heroku.holds(!config.contains("SIZE"), &format!("rls_6: {config}"));
    let now = current(heroku).await;
    heroku.holds(now["version"] == 10, &format!("rls_6: {now}"));
    let old = heroku.flow.get("/apps/till/releases/4").await.json();
    heroku.holds(now["slug"]["id"] == old["slug"]["id"], "rls_6: the old slug");
}
