//! An app from its creation to its end: code, dynos, releases, config, logs.

use crate::command_line::CommandLine;
use crate::inside;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use testkit::{Source, within};
use tokio::io::{AsyncBufReadExt, BufReader};

const SERVER: &str = "import http.server, os\nhttp.server.test(port=int(os.environ['PORT']))\n";
const PROCFILE: &str = "web: python3 server.py\nworker: echo working; cat\nrelease: echo the tables are made\nconsole: read line; echo you said $line\n";

/// It tells the end of its input to a connection that the other side has ended.
const ENDED: &str = "This socket has been ended by the other party";

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    code(&heroku).await;
    dynos(&heroku).await;
    run(&heroku).await;
    inside::walk(&heroku, "server.py").await;
    config(&heroku).await;
    releases(&heroku).await;
    logs(&heroku).await;
    local(&heroku).await;
    apps(&heroku).await;
}

async fn code(heroku: &CommandLine<'_>) {
    heroku.commit(&[("server.py", SERVER), ("Procfile", PROCFILE)]).await;
    heroku.done(&["apps:create", "shop"], &["Creating shop... done", "shop.localhost"]).await;
    let remote = heroku.git(&["remote", "get-url", "heroku"]).await;
    heroku.holds(remote.trim() == format!("https://{}/shop.git", heroku.flow.tls), &remote);
    heroku.git(&["remote", "remove", "heroku"]).await;
    heroku.done(&["git:remote", "-a", "shop"], &["set git remote heroku"]).await;
    let pushed = heroku.git(&["push", "heroku", "main"]).await;
    heroku.holds(pushed.contains("Released v3"), &pushed);
    let asked = format!("protocol=https\nhost={}\n\n", heroku.flow.tls);
    heroku
        .fed(&["git:credentials", "get"], &asked, &["username=heroku", &format!("password={}", heroku.flow.token)])
        .await;
    // By its own helper, as its child.
    heroku.done(&["git:clone", "-a", "shop", "again"], &["Cloning into"]).await;
    heroku.holds(heroku.folder.join("again/server.py").exists(), "the clone has the code");
    std::fs::remove_dir_all(heroku.folder.join("again")).unwrap();
}

async fn dynos(heroku: &CommandLine<'_>) {
    heroku.done(&["ps"], &["web (Standard-1X): python3 server.py (1)", "web.1: up"]).await;
    heroku.done(&["ps:scale", "worker=1"], &["now running worker at 1:Standard-1X"]).await;
    heroku.done(&["ps:type", "web=standard-2x"], &["web Standard-2X 1"]).await;
    heroku.done(&["ps:restart"], &["Restarting all dynos on shop... done"]).await;
    heroku.done(&["ps:stop", "--dyno-name", "worker.1"], &["Stopping dyno worker.1 on shop... done"]).await;
    heroku.done(&["ps:scale", "worker=0"], &["now running worker at 0"]).await;
    errors(heroku).await;
    autoscale(heroku).await;
    heroku.done(&["ps:wait"], &[]).await;
}

/// It offers that for sizes that it calls Performance or Private only.
async fn autoscale(heroku: &CommandLine<'_>) {
    let small = "only available with Performance or Private dynos";
    heroku.refused(&["ps:autoscale:enable", "--min", "1", "--max", "2"], 1, &[small]).await;
    heroku.done(&["ps:type", "web=performance-m"], &["web Performance-M 1"]).await;
    heroku.done(&["ps:autoscale:enable", "--min", "1", "--max", "2"], &["Enabling dyno autoscaling... done"]).await;
    let own = heroku.of_flowline(&["ps:autoscale", "-a", "shop"]).await;
    heroku.holds(own.contains("from 1 to 2 web dynos, for a p95 below 1000 ms"), &own);
    // The one that is there is changed.
    let again = ["ps:autoscale:enable", "--min", "1", "--max", "3", "--p95", "400", "--notifications"];
    heroku.done(&again, &["Enabling dyno autoscaling... done"]).await;
    let monitors = heroku.flow.get("/apps/shop/formation/web/monitors").await.json();
    let one = [&monitors[0]["max_quantity"], &monitors[0]["value"], &monitors[0]["notification_channels"]];
    heroku.holds(*one[0] == 3 && *one[1] == 400 && one[2][0] == "app", &monitors.to_string());
    heroku.done(&["ps:autoscale:disable"], &["Disabling dyno autoscaling... done"]).await;
    let own = heroku.of_flowline(&["ps:autoscale", "-a", "shop"]).await;
    heroku.holds(own.contains("does not scale by itself"), &own);
    heroku.done(&["ps:type", "web=standard-2x"], &["web Standard-2X 1"]).await;
}

/// A request that nobody can answer is counted.
async fn errors(heroku: &CommandLine<'_>) {
    heroku.done(&["apps:errors"], &["No errors on shop in the last 24 hours"]).await;
    heroku.done(&["ps:scale", "web=0"], &["now running web at 0"]).await;
    let app = heroku.flow.known_app("shop");
    app.served_status("/", 503).await;
    app.log_says("code=H14").await;
    heroku
        .done(&["apps:errors"], &["Errors on shop in the last 24 hours", "router", "H14", "No web dynos running"])
        .await;
    heroku.done(&["ps:scale", "web=1"], &["now running web at 1"]).await;
}

async fn run(heroku: &CommandLine<'_>) {
    heroku.ended(&["run", "--exit-code", "--no-tty", "--", "sh -c 'echo said; exit 3'"], "", 3, &["said"]).await;
    heroku.fed(&["run", "--no-tty", "--", "tr a-z A-Z"], "from stdin\n", &["FROM STDIN"]).await;
    heroku.despite(ENDED, &["run:inside", "web.1", "--", "ls"], 0, &["server.py"]).await;
    heroku.done(&["run:detached", "echo by itself"], &["done, run."]).await;
    heroku.done(&["rake", "--no-tty", "about"], &["on shop... up, run."]).await;
    let mut console = heroku.at_terminal(&["console"]);
    console.sees("up, run.").await;
    console.types("hello").await;
    heroku.ended_at(console, "console", 0, &["you said hello"]).await;
}

async fn config(heroku: &CommandLine<'_>) {
    heroku.done(&["config:set", "A=1", "B=two words"], &["Setting A, B and restarting shop... done, v4"]).await;
    heroku.done(&["config"], &["A: 1 B: two words"]).await;
    heroku.done(&["config:get", "B"], &["two words"]).await;
    heroku.done(&["config:unset", "A"], &["done, v5"]).await;
    let editor = heroku.flow.dir().join("editor");
    std::fs::write(&editor, "#!/bin/sh\nprintf '\\nC=\"edited\"\\n' >>\"$1\"\n").unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut edit = heroku.command(&["config:edit"]);
    edit.env("VISUAL", &editor).env("EDITOR", &editor);
    heroku.ends(edit, "config:edit", "y\n", 0, &["Updating config"]).await;
    heroku.done(&["config"], &["B: two words C: edited"]).await;
}

async fn releases(heroku: &CommandLine<'_>) {
    heroku.done(&["releases"], &["Deploy", "Initial release"]).await;
    heroku.done(&["releases:info", "v3"], &["Release v3", "admin@localhost"]).await;
    heroku.done(&["releases:output", "v3"], &["the tables are made"]).await;
    heroku.done(&["releases:rollback", "v3"], &["Rolling back shop to v3... done", "the tables are made"]).await;
    heroku.done(&["releases:retry"], &["Retrying", "the tables are made"]).await;
    heroku.done(&["maintenance:on"], &["done"]).await;
    heroku.done(&["maintenance"], &["on"]).await;
    heroku.done(&["maintenance:off"], &["done"]).await;
}

async fn logs(heroku: &CommandLine<'_>) {
    heroku.done(&["logs", "-n", "500"], &["app[run.", "by itself", "heroku[web.1]"]).await;
    let mut tail = heroku.command(&["logs", "--tail", "-n", "1"]);
    let mut tail = tail.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    within("the first line", lines.next_line()).await.unwrap();
    heroku.flow.known_app("shop").get("/nobody-has-this").await;
    let seen = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("nobody-has-this") {
                return;
            }
        }
        panic!("the tail ended");
    };
    within("the request in the tail", seen).await;
    tail.kill().await.unwrap();
}

async fn local(heroku: &CommandLine<'_>) {
    heroku.done(&["local:version"], &["."]).await;
    std::fs::write(heroku.folder.join("Procfile.local"), "web: echo ran here\n").unwrap();
    heroku.done(&["local", "-f", "Procfile.local"], &["ran here"]).await;
    heroku.done(&["local:run", "echo", "also here"], &["also here"]).await;
}

async fn apps(heroku: &CommandLine<'_>) {
    heroku.done(&["apps"], &["shop"]).await;
    heroku.done(&["apps:info"], &["Owner: admin@localhost", "Region: us", "Stack: heroku-24"]).await;
    heroku.done(&["apps:create", "other", "--no-remote"], &["Creating other... done"]).await;
    heroku.done(&["apps:diff", "shop", "other"], &["slug (checksum)"]).await;
    heroku.done(&["apps:stacks"], &["* heroku-24"]).await;
    heroku.done(&["apps:stacks:set", "heroku-24"], &["Setting stack to heroku-24... done"]).await;
    let mut open = heroku.command(&["apps:open"]);
    // No browser may start.
    open.env("BROWSER", "true");
    heroku.ends(open, "apps:open", "", 0, &["Opening http://shop.localhost"]).await;
    heroku.done(&["apps:rename", "store"], &["Renaming shop to store... done"]).await;
    heroku.done(&["apps:destroy", "-a", "other", "--confirm", "other"], &["Destroying other"]).await;
    favorites(heroku).await;
    notifications(heroku).await;
    heroku.done(&["status"], &["Apps: No known issues"]).await;
    heroku.done(&["regions"], &["us United States"]).await;
    heroku.done(&["version:info"], &[]).await;
    heroku.done(&["autocomplete", "bash"], &["Building the autocomplete cache... done"]).await;
    heroku.done(&["autocomplete:script", "bash"], &["heroku"]).await;
    heroku.done(&["autocomplete:create"], &[]).await;
    heroku.done(&["autocomplete:doctor", "bash"], &["bash shim file", "present", "apps completion cache"]).await;
    heroku.done(&["autocomplete:options", "heroku apps:info -a "], &["store"]).await;
    prompt(heroku).await;
    heroku.done(&["addons"], &["No add-ons"]).await;
    heroku.done(&["pipelines"], &["My Pipelines"]).await;
    heroku.refused(&["pg:info"], 0, &["no heroku-postgresql databases"]).await;
    heroku.refused(&["pipelines:info", "nothing"], 1, &["Pipeline not found"]).await;
    heroku.refused(&["data:maintenances"], 2, &["This server has no data services."]).await;
}

/// Kept per account, and what the dashboard shows.
async fn favorites(heroku: &CommandLine<'_>) {
    heroku.done(&["apps:favorites"], &["Favorited Apps"]).await;
    heroku.done(&["apps:favorites:add", "-a", "store"], &["Adding store to favorites... done"]).await;
    heroku.refused(&["apps:favorites:add", "-a", "store"], 1, &["is already a favorite app"]).await;
    heroku.done(&["apps:favorites"], &["Favorited Apps store"]).await;
    let own = heroku.of_flowline(&["apps:favorites"]).await;
    heroku.holds(own.trim() == "store", &own);
    dashboard(heroku).await;
    let stranger = heroku.flow.account("stranger@example.org").await;
    let as_stranger = async |method: &str, path: &str, body| heroku.flow.call_as(&stranger, method, path, body).await;
    let theirs = as_stranger("GET", "/favorites", None).await.json();
    heroku.holds(theirs == serde_json::json!([]), &format!("favorites are one's own: {theirs}"));
    let body = serde_json::json!({ "resource_id": "store", "type": "app" });
    heroku.holds(as_stranger("POST", "/favorites", Some(&body)).await.status == 404, "an app that one does not see");
    let id = heroku.flow.get("/favorites").await.json()[0]["id"].as_str().unwrap_or_default().to_owned();
    heroku.holds(as_stranger("DELETE", &format!("/favorites/{id}"), None).await.status == 404, "somebody else's");
    heroku.done(&["apps:favorites:remove", "-a", "store"], &["Removing store from favorites... done"]).await;
    heroku.holds(heroku.flow.get("/favorites").await.json() == serde_json::json!([]), "none is left");
}

/// All that it tells of a favorite: also its requests, of which the log's part of this lane made some, and the H14 of another.
async fn dashboard(heroku: &CommandLine<'_>) {
    let of_app = ["store", "Owner: admin@localhost", "Dynos:", "Last release:"];
    let of_requests = ["Metrics:", " ms ", " rpm ", "last 24 hours rpm", "Errors:", "H14"];
    let rest = ["See all apps with heroku apps --all"];
    heroku.done(&["dashboard"], &[&of_app[..], &of_requests, &rest].concat()).await;
}

/// What broke, until it was read.
async fn notifications(heroku: &CommandLine<'_>) {
    // What crashed on the way here.
    heroku.done(&["notifications", "--all"], &[]).await;
    heroku.done(&["notifications"], &["No unread notifications on", "store"]).await;
    let bell = heroku.flow.app("bell").await;
    bell.push(Source::answering("broken").with("app.json", "{")).await.declined("Push rejected");
    heroku.done(&["notifications"], &["No unread notifications on", "store"]).await;
    heroku.done(&["dashboard"], &["You have 1 unread notifications"]).await;
    let unread = heroku.done(&["notifications", "--read", "--all", "--json"], &["bell: build broken"]).await;
    heroku.holds(unread.contains(r#""read": false"#), &unread);
    let says = ["Unread Notifications", "bell: build broken", "app.json cannot be used", "flowline builds -a bell"];
    heroku.done(&["notifications", "--all"], &says).await;
    heroku.done(&["notifications", "--all"], &["No unread notifications.", "heroku notifications --read"]).await;
    let read = heroku.flow.get("/user/notifications").await.json();
    let all_read = read.as_array().is_some_and(|all| all.iter().all(|one| one["read"] == true));
    heroku.holds(all_read, &format!("what was shown is read: {read}"));
    bell.push(Source::answering("one")).await.released("v3");
    let says = ["Read Notifications for", "bell: build broken", "bell: build fixed", "failed once."];
    heroku.done(&["notifications", "--read", "-a", "bell"], &says).await;
    heroku.done(&["apps:destroy", "-a", "bell", "--confirm", "bell"], &["Destroying bell"]).await;
}

/// Commands one after the other, at a prompt.
async fn prompt(heroku: &CommandLine<'_>) {
    let mut repl = heroku.at_terminal(&["repl"]);
    repl.answers("heroku >", "apps").await;
    repl.sees("store").await;
    repl.answers("heroku >", "apps:info --app store").await;
    repl.sees("Owner:").await;
    repl.answers("heroku >", "exit").await;
    heroku.ended_at(repl, "repl", 0, &["store"]).await;
}
