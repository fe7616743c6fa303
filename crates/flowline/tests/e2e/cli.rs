//! The command line against a running server, as people and scripts use it.

use crate::flow;
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};
use testkit::{App, Flow, Source, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// How a command ended and what it said.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    /// Nothing here is a terminal, so nothing may be coloured.
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let ran = Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "colour in a pipe: {ran:?}");
        ran
    }
}

async fn run(flow: &Flow, words: &[&str]) -> Ran {
    flow.cli(words).await.into()
}

/// A command that must succeed; what it printed on stdout.
async fn done(flow: &Flow, words: &[&str]) -> String {
    let ran = run(flow, words).await;
    assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
    ran.out
}

/// The same with `--json`, whose whole stdout must be one JSON value.
async fn json(flow: &Flow, words: &[&str]) -> Value {
    let out = done(flow, &[words, &["--json"]].concat()).await;
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
}

async fn in_folder(flow: &Flow, folder: &Path, words: &[&str]) -> Ran {
    within("the command's end", flow.cli_command(words).current_dir(folder).output()).await.unwrap().into()
}

/// With nothing but what `flowline login` stored.
fn stored_login_only<'c>(command: &'c mut Command, flow: &Flow) -> &'c mut Command {
    command.env_remove("FLOWLINE_TOKEN").env_remove("FLOWLINE_URL").env("HOME", flow.dir().join("home"))
}

/// An app that answers `one`, has a worker and a release command; its newest release is v3.
async fn shop(flow: &Flow) -> App<'_> {
    let app = flow.app("shop").await;
    let procfile = "web: python3 server.py\nworker: echo working; cat\nrelease: echo the tables are made\n";
    app.push(Source::answering("one").with("Procfile", procfile)).await.released("v3");
    app
}

#[tokio::test]
async fn from_login_to_a_push_with_plain_git() {
    let flow = flow().await;
    let url = format!("http://{}", flow.api);
    let mut login = flow.cli_command(&["login", "--url", &url]);
    let mut login = stored_login_only(&mut login, &flow).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    login.stdin.take().unwrap().write_all(format!("{}\n", flow.token).as_bytes()).await.unwrap();
    let login = Ran::from(within("the login", login.wait_with_output()).await.unwrap());
    assert!(login.code == 0 && login.err.contains("as admin@localhost"), "{login:?}");
    let app = flow.known_app("shop");
    app.commit(Source::answering("one")).await;
    let folder = app.working_copy();
    let flowline = async |words: &[&str]| {
        let mut command = flow.cli_command(words);
        let ran = stored_login_only(&mut command, &flow).current_dir(&folder).output();
        Ran::from(within("the command's end", ran).await.unwrap())
    };
    let created = flowline(&["create", "shop"]).await;
    assert_eq!(
        (created.code, created.out),
        (0, format!("http://shop.localhost:{}/ | {url}/shop.git\n", flow.apps.port()))
    );
    assert_eq!(created.err, "Creating ⬢ shop... done\nGit remote flowline added\n");
    let push = async || {
        let mut git = app.git_command(&["push", "flowline", "HEAD:main"]);
        // Without the header that a test's own pushes carry: git has to ask for the token.
        git.env_remove("GIT_CONFIG_COUNT");
        Ran::from(within("the push", stored_login_only(&mut git, &flow).output()).await.unwrap())
    };
    let pushed = push().await;
    assert!(pushed.code == 0 && pushed.err.contains("Released v3"), "{pushed:?}");
    assert_eq!(app.get("/").await.text(), "one");
    // The folder's remote says which app is meant.
    let ps = flowline(&["ps"]).await;
    assert!(ps.code == 0 && ps.out.contains("web.1: up"), "{ps:?}");
    let renamed = flowline(&["apps:rename", "store"]).await;
    assert!(renamed.code == 0 && renamed.err.contains("Git remote flowline updated"), "{renamed:?}");
    assert_eq!(flow.known_app("store").get("/").await.text(), "one", "app_2: it answers under its new name");
    app.commit(Source::answering("two")).await;
    let pushed = push().await;
    assert!(pushed.code == 0 && pushed.err.contains("Released v4"), "{pushed:?}");
    let destroyed = flowline(&["apps:destroy", "--confirm", "store"]).await;
    assert_eq!((destroyed.code, destroyed.err.as_str()), (0, "Destroying ⬢ store... done\n"));
    let remotes = app.git(&["remote"]).await;
    assert_eq!(String::from_utf8_lossy(&remotes.stdout), "", "the remote of an app that is gone");
    assert_eq!(flowline(&["apps"]).await.out, "You have no apps.\n");
    assert_eq!(flowline(&["logout"]).await.code, 0);
    assert_eq!(flowline(&["apps"]).await.code, 3, "nobody is logged in any more");
}

#[tokio::test]
async fn conf_8_config_is_set_read_and_unset() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let set = run(&flow, &["config:set", "A=1", "B=two words", "-a", "shop"]).await;
    assert_eq!((set.code, set.err.as_str()), (0, "Setting A, B and restarting ⬢ shop... done, v3\n"));
    assert_eq!(done(&flow, &["config:get", "B", "-a", "shop"]).await, "two words\n");
    assert_eq!(done(&flow, &["config", "--shell", "-a", "shop"]).await, "A=1\nB='two words'\n");
    assert!(done(&flow, &["config", "-a", "shop"]).await.starts_with("=== ⬢ shop Config Vars\n\nA:  1\n"));
    let unset = run(&flow, &["config:unset", "A", "-a", "shop"]).await;
    assert_eq!((unset.code, unset.err.as_str()), (0, "Unsetting A and restarting ⬢ shop... done, v4\n"));
    assert_eq!(run(&flow, &["config:get", "A", "-a", "shop"]).await.code, 4);
    assert_eq!(app.read("/config-vars").await, serde_json::json!({ "B": "two words" }));
    let bad = run(&flow, &["config:set", "C", "-a", "shop"]).await;
    assert!(bad.code == 2 && bad.err.contains("C is invalid. Must be in the format FOO=bar."), "{bad:?}");
    let bad = run(&flow, &["config:set", "C-D=1", "-a", "shop"]).await;
    assert_eq!((bad.code, app.latest_release().await["version"].as_i64()), (2, Some(4)), "{bad:?}");
}

#[tokio::test]
async fn rls_9_releases_their_output_and_the_way_back() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let two = "web: python3 server.py\nrelease: echo and then it broke; exit 1\n";
    app.push(Source::answering("two").with("Procfile", two)).await.release_failed();
    let releases = done(&flow, &["releases", "-a", "shop"]).await;
    assert!(releases.starts_with("=== ⬢ shop Releases - Current: v3\n\nv4  Deploy "), "{releases}");
    assert!(releases.contains("(release command failed)") && releases.contains("v1  Initial release"), "{releases}");
    let output = done(&flow, &["releases:output", "v3", "-a", "shop"]).await;
    assert_eq!(output.lines().last(), Some("the tables are made"), "relph_42");
    let output = done(&flow, &["releases:output", "-a", "shop"]).await;
    assert!(output.contains("and then it broke"), "the newest without a version: {output}");
    let none = run(&flow, &["releases:output", "v1", "-a", "shop"]).await;
    assert!(none.code == 4 && none.err.contains("has no release output"), "{none:?}");
    app.push(Source::answering("three")).await.released("v5");
    assert!(done(&flow, &["releases:info", "v5", "-a", "shop"]).await.contains("Current: yes"));
    let back = run(&flow, &["rollback", "v3", "-a", "shop"]).await;
    assert!(back.code == 0 && back.err.contains("Rolling back ⬢ shop to v3... done, v6\n"), "{back:?}");
    assert!(back.out.contains("the tables are made"), "{back:?}");
    app.served("/", "one").await;
    let failed = run(&flow, &["rollback", "v4", "-a", "shop"]).await;
    assert!(failed.code == 2 && failed.err.contains("Cannot roll back to v4"), "rls_7: {failed:?}");
    let builds = done(&flow, &["builds", "-a", "shop"]).await;
    assert_eq!(builds.matches("succeeded").count(), 3, "{builds}");
}

#[tokio::test]
async fn dyno_10_ps_scale_restart_and_stop() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let ps = done(&flow, &["ps", "-a", "shop"]).await;
    assert!(ps.starts_with("=== web (Standard-1X): python3 server.py (1)\n\nweb.1: up "), "{ps}");
    let scaled = run(&flow, &["ps:scale", "worker=1", "web+1", "-a", "shop"]).await;
    let now = "Scaling dynos... done, now running web at 2:Standard-1X, worker at 1:Standard-1X\n";
    assert_eq!((scaled.code, scaled.err.as_str()), (0, now));
    app.log_says("app[worker.1]: working").await;
    app.log_says("heroku[web.2]: State changed from starting to up").await;
    let shown = done(&flow, &["ps:scale", "-a", "shop"]).await;
    assert_eq!(shown, "release=0:Standard-1X web=2:Standard-1X worker=1:Standard-1X\n", "relph_2");
    let before = app.read("/dynos/web.1").await["id"].clone();
    let restarted = run(&flow, &["ps:restart", "web", "-a", "shop"]).await;
    assert_eq!((restarted.code, restarted.err.as_str()), (0, "Restarting all web dynos on ⬢ shop... done\n"));
    app.log_says("heroku[web.1]: State changed from up to down").await;
    assert_ne!(app.read("/dynos/web.1").await["id"], before);
    assert_eq!(done(&flow, &["ps:stop", "worker.1", "-a", "shop"]).await, "");
    let bad = run(&flow, &["ps:scale", "web=two", "-a", "shop"]).await;
    assert!(bad.code == 2 && bad.err.contains("Write TYPE=QUANTITY[:SIZE]"), "{bad:?}");
    let missing = run(&flow, &["ps:scale", "clock=1", "-a", "shop"]).await;
    assert!(missing.code == 4 && missing.err.contains("clock"), "cli_37: {missing:?}");
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn route_63_open_info_and_maintenance() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let web = format!("http://shop.localhost:{}", flow.apps.port());
    assert_eq!(done(&flow, &["open", "/about", "-a", "shop"]).await, format!("{web}/about\n"));
    let shown = done(&flow, &["apps:info", "shop"]).await;
    assert!(shown.contains(&format!("Web URL:     {web}/\n")) && shown.contains("Dynos:       web: 1\n"), "{shown}");
    assert!(done(&flow, &["info", "-s", "-a", "shop"]).await.contains("\nmaintenance=off\n"));
    let on = run(&flow, &["maintenance:on", "-a", "shop"]).await;
    assert_eq!((on.code, on.err.as_str()), (0, "Enabling maintenance mode for ⬢ shop... done\n"));
    assert_eq!(done(&flow, &["maintenance", "-a", "shop"]).await, "on\n");
    assert_eq!(app.get("/").await.status, 503);
    done(&flow, &["maintenance:off", "-a", "shop"]).await;
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn log_10_the_log_and_its_tail() {
    let flow = flow().await;
    let app = shop(&flow).await;
    app.log_says("app[web.1]: Listening on").await;
    let api = done(&flow, &["logs", "-n", "1500", "--source", "app", "--dyno", "api", "-a", "shop"]).await;
    assert!(api.lines().count() > 3 && api.lines().all(|line| line.contains(" app[api]: ")), "log_13: {api}");
    assert_eq!(done(&flow, &["logs", "-n", "2", "-a", "shop"]).await.lines().count(), 2);
    let mut tail = flow.cli_command(&["logs", "--tail", "-n", "0", "-d", "router", "-a", "shop"]);
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // The tail may open a moment after this visit: visits go on until one is seen.
    let line = async {
        loop {
            tokio::select! {
                line = lines.next_line() => return line.unwrap().expect("the tail goes on"),
                () = async { loop { app.get("/visited").await; } } => {}
            }
        }
    };
    let line = within("a line of the tail", line).await;
    assert!(line.contains(" heroku[router]: at=info method=GET path=\"/visited\" host=shop.localhost"), "{line}");
    tail.kill().await.unwrap();
}

#[tokio::test]
async fn dyno_50_run_prints_and_passes_the_exit_status_on() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let ran = run(&flow, &["run", "cat answer.txt; echo; echo $GREETING", "-e", "GREETING=hi", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "one\nhi\n"), "{ran:?}");
    let name = ran.err.split("done, ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert!(name.starts_with("run."), "{ran:?}");
    let failed = run(&flow, &["run", "-x", "-a", "shop", "--", "bash", "-c", "exit 7"]).await;
    assert_eq!(failed.code, 7, "{failed:?}");
    assert_eq!(run(&flow, &["run", "exit 7", "-a", "shop"]).await.code, 1, "without -x it only says that it failed");
    let detached = run(&flow, &["run:detached", "echo in the background", "-a", "shop"]).await;
    assert!(detached.code == 0 && detached.err.contains("flowline logs --tail --dyno run."), "{detached:?}");
    app.log_says("]: in the background").await;
    let blank = flow.app("blank").await;
    let nothing = run(&flow, &["run", "ls", "-a", blank.name()]).await;
    assert_eq!(nothing.code, 2, "an app without code: {nothing:?}");
}

#[tokio::test]
async fn json_of_every_command_is_json() {
    let flow = flow().await;
    let app = shop(&flow).await;
    app.log_says("app[web.1]: Listening on").await;
    for words in [
        &["auth:whoami"][..],
        &["apps"],
        &["apps:create", "other"],
        &["apps:info", "-a", "shop"],
        &["apps:rename", "another", "-a", "other"],
        &["apps:destroy", "another", "--confirm", "another"],
        &["builds", "-a", "shop"],
        &["builds:info", "-a", "shop"],
        &["builds:output", "-a", "shop"],
        &["config:set", "A=1", "-a", "shop"],
        &["config", "-a", "shop"],
        &["config:get", "A", "-a", "shop"],
        &["config:unset", "A", "-a", "shop"],
        &["logs", "-a", "shop"],
        &["maintenance:on", "-a", "shop"],
        &["maintenance", "-a", "shop"],
        &["maintenance:off", "-a", "shop"],
        &["open", "-a", "shop"],
        &["ps", "-a", "shop"],
        &["ps:scale", "-a", "shop"],
        &["ps:scale", "web=2", "-a", "shop"],
        &["ps:restart", "-a", "shop"],
        &["ps:stop", "web.2", "-a", "shop"],
        &["releases", "-a", "shop"],
        &["releases:info", "v3", "-a", "shop"],
        &["releases:output", "v3", "-a", "shop"],
        &["rollback", "v3", "-a", "shop"],
        &["run:detached", "true", "-a", "shop"],
        &["doctor"],
    ] {
        let value = json(&flow, words).await;
        assert!(value.is_object() || value.is_array(), "{words:?}: {value}");
    }
    let lines = done(&flow, &["run", "echo hello", "--json", "-a", "shop"]).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.first().unwrap()["message"], "hello", "{lines:?}");
    assert_eq!(lines.last().unwrap()["exit_status"], 0, "{lines:?}");
}

#[tokio::test]
async fn exit_codes_that_scripts_can_use() {
    let flow = flow().await;
    flow.app("shop").await;
    let (nowhere, shop) = (tempfile::tempdir().unwrap(), ["-a", "shop"]);
    for (code, words) in [
        (4, &["apps:info", "-a", "nothing-of-mine"][..]),
        (4, &["releases:info", "v99", shop[0], shop[1]]),
        (4, &["ps:restart", "web.9", shop[0], shop[1]]),
        (2, &["no-such-command"]),
        (2, &["config:set", shop[0], shop[1]]),
        (2, &["ps", "--sideways"]),
        (2, &["apps:create", "Not A Name"]),
        (2, &["apps:create", "shop"]),
        (2, &["apps:destroy", shop[0], shop[1]]),
        (2, &["apps:destroy", shop[0], shop[1], "--confirm", "shoo"]),
        (2, &["ps"]),
    ] {
        let ran = in_folder(&flow, nowhere.path(), words).await;
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{words:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{words:?}");
    }
    for (code, name, value) in
        [(3, "FLOWLINE_TOKEN", "wrong"), (3, "FLOWLINE_TOKEN", ""), (5, "FLOWLINE_URL", "http://127.0.0.1:9")]
    {
        let ran = Ran::from(flow.cli_command(&["apps"]).env(name, value).output().await.unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{name}={value}: {ran:?}");
    }
    assert_eq!(flow.get("/apps").await.json().as_array().unwrap().len(), 1, "nothing was made or destroyed");
}

#[tokio::test]
async fn doctor_and_completions_need_no_server() {
    let flow = flow().await;
    let alone = async |words: &[&str]| {
        let ran = flow.cli_command(words).env("FLOWLINE_URL", "http://127.0.0.1:9").output().await.unwrap();
        Ran::from(ran)
    };
    let doctor = alone(&["doctor"]).await;
    assert_eq!(doctor.code, 0, "{doctor:?}");
    assert!(doctor.out.contains("This machine can run Flowline."), "{doctor:?}");
    let script = alone(&["completions", "bash"]).await;
    assert_eq!((script.code, script.err.as_str()), (0, ""));
    let typed = "\nCOMP_WORDS=(flowline ps:sc) COMP_CWORD=1 COMP_LINE='flowline ps:sc' COMP_POINT=14\n\
                 $(complete -p flowline | sed 's/.*-F \\([^ ]*\\).*/\\1/') flowline ps:sc flowline\necho \"${COMPREPLY[@]}\"\n";
    let file = flow.dir().join("tab.bash");
    std::fs::write(&file, script.out + typed).unwrap();
    let bash = Ran::from(Command::new("bash").args(["--norc"]).arg(&file).output().await.unwrap());
    assert!(bash.code == 0 && bash.out.contains("scale"), "{bash:?}");
}
