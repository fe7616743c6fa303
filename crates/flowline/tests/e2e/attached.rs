//! Programs with a client: one-off dynos by the rendezvous, and commands inside dynos that run.

use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use testkit::{App, Attached, Flow, Source, Start, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn post(app: &App<'_>, path: &str, body: Value) -> Value {
    let answer = app.call("POST", path, Some(&body)).await;
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    answer.json()
}

async fn shop(flow: &Flow) -> App<'_> {
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app
}

/// What heroku's own command line sends for `run --no-tty`.
fn plain(command: &str) -> Value {
    json!({ "command": command, "attach": true, "force_no_tty": true, "env": { "TERM": "xterm" } })
}

/// And for `run` in a terminal.
fn terminal(command: &str) -> Value {
    let env = json!({ "TERM": "xterm", "COLUMNS": 100, "LINES": 30 });
    json!({ "command": command, "attach": true, "env": env })
}

#[tokio::test]
async fn dyno_52_a_client_meets_its_program() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let dyno = post(&app, "/dynos", plain("cat answer.txt; echo; tty; wc -c; exit 3")).await;
    let name = dyno["name"].as_str().unwrap();
    let mut client = Attached::saying(&flow, &dyno["attach_url"], " status").await.unwrap();
    client.prints("one\nnot a tty\n").await;
    client.type_in("12345").await;
    client.type_in("\u{4}").await;
    let said = client.ends().await;
    assert_eq!(said, "one\nnot a tty\n5\n\u{FFFF} heroku-command-exit-status: 3\n");
    app.log_says(&format!("heroku[{name}]: State changed from up to complete")).await;
    let log = app.logs().await;
    for line in [
        "app[api]: Starting process with command `cat answer.txt; echo; tty; wc -c; exit 3` by user ",
        &format!("heroku[{name}]: Awaiting client"),
        &format!("heroku[{name}]: Starting process with command `cat answer.txt"),
        &format!("heroku[{name}]: Process exited with status 3"),
    ] {
        assert!(log.contains(line), "`{line}` is not in {log}");
    }
    assert!(!log.contains(&format!("app[{name}]")), "dyno_55: what it printed is not logged: {log}");
}

#[tokio::test]
async fn dyno_54_heroku_s_exit_status_is_printed_by_the_shell() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let command = "bash -c 'exit 7' ; echo \"\u{FFFF} heroku-command-exit-status: $?\"";
    let dyno = post(&app, "/dynos", plain(command)).await;
    let said = Attached::to(&flow, &dyno["attach_url"]).await.ends().await;
    assert_eq!(said, "\u{FFFF} heroku-command-exit-status: 7\n");
}

#[tokio::test]
async fn dyno_57_a_terminal_has_the_size_of_the_clients() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let dyno = post(
        &app,
        "/dynos",
        terminal("stty size; echo $TERM; trap 'stty size' WINCH; until read -t 0.1 x; do :; done; echo got $x"),
    )
    .await;
    let mut client = Attached::to(&flow, &dyno["attach_url"]).await;
    client.prints("30 100\r\nxterm\r\n").await;
    for wrong in [" 0x0", " 9999x9999", " x", " status"] {
        assert!(Attached::saying(&flow, &dyno["attach_url"], wrong).await.is_none(), "{wrong}");
    }
    assert!(Attached::saying(&flow, &dyno["attach_url"], " 120x40").await.is_some());
    client.prints("40 120").await;
    client.type_in("abc\r").await;
    client.prints("got abc").await;
    client.ends().await;
}

#[tokio::test]
async fn dyno_52_a_secret_works_once_and_nothing_else_does() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let dyno = post(&app, "/dynos", plain("echo once; read x")).await;
    let url = dyno["attach_url"].as_str().unwrap().to_owned();
    let (address, secret) = url.strip_prefix("rendezvous://").unwrap().split_once('/').unwrap();
    for wrong in ["", "0", &"0".repeat(secret.len()), &secret[1..], &format!("{secret}0")] {
        let wrong = json!(format!("rendezvous://{address}/{wrong}"));
        assert!(Attached::saying(&flow, &wrong, "").await.is_none(), "{wrong}");
    }
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff, 1], format!("{secret}\r\n").as_bytes()] {
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(garbage).await.unwrap();
        plain.shutdown().await.unwrap();
        let mut said = Vec::new();
        // Closed, or reset because it did not want the rest.
        let _reset = within("the end", plain.read_to_end(&mut said)).await.is_err();
        assert!(!String::from_utf8_lossy(&said).contains("rendezvous"), "{said:?}");
    }
    let mut client = Attached::to(&flow, &dyno["attach_url"]).await;
    client.prints("once").await;
    assert!(Attached::saying(&flow, &dyno["attach_url"], "").await.is_none(), "a second time");
    client.type_in("\n").await;
    client.ends().await;
    assert!(Attached::saying(&flow, &dyno["attach_url"], "").await.is_none(), "after its end");
}

#[tokio::test]
async fn dyno_53_a_client_that_leaves_is_told_by_sighup_and_r16() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let dyno = post(&app, "/dynos", terminal("trap 'exit 9' HUP; echo ready; while :; do sleep 0.1; done")).await;
    let mut client = Attached::to(&flow, &dyno["attach_url"]).await;
    client.prints("ready").await;
    drop(client);
    let name = dyno["name"].as_str().unwrap();
    app.log_says(&format!("heroku[{name}]: Client connection closed. Sending SIGHUP to all processes")).await;
    app.log_says(&format!("heroku[{name}]: Process exited with status 9")).await;
    let stubborn = post(&app, "/dynos", plain("trap '' HUP PIPE; echo ready; while :; do sleep 0.1; done")).await;
    let mut client = Attached::to(&flow, &stubborn["attach_url"]).await;
    client.prints("ready").await;
    drop(client);
    let name = stubborn["name"].as_str().unwrap();
    app.log_says(&format!(
        "heroku[{name}]: Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed."
    ))
    .await;
    let dynos = app.read("/dynos").await;
    assert!(dynos.as_array().unwrap().iter().any(|dyno| dyno["name"] == name), "it may go on: {dynos}");
    app.call("POST", &format!("/dynos/{name}/actions/stop"), None).await;
    app.log_says(&format!("heroku[{name}]: Process exited with status 143")).await;
    assert!(app.read("/dynos").await.as_array().unwrap().iter().all(|dyno| dyno["type"] == "web"), "never restarted");
}

#[tokio::test]
async fn dyno_52_nobody_comes_is_r13() {
    let start = Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--attach-limit-s", "1"]);
    let flow = Flow::start_as(start).await;
    let app = shop(&flow).await;
    let dyno = post(&app, "/dynos", plain("echo never")).await;
    let name = dyno["name"].as_str().unwrap();
    app.log_says(&format!("heroku[{name}]: Error R13 (Attach error) -> Failed to attach to process")).await;
    app.log_says(&format!("heroku[{name}]: State changed from starting to complete")).await;
    assert!(Attached::saying(&flow, &dyno["attach_url"], "").await.is_none(), "too late");
    assert!(app.read("/dynos").await.as_array().unwrap().iter().all(|dyno| dyno["type"] == "web"));
}

#[tokio::test]
async fn a_dyno_that_waits_for_its_client_can_be_stopped() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let dyno = post(&app, "/dynos", plain("echo never")).await;
    let name = dyno["name"].as_str().unwrap();
    app.log_says(&format!("heroku[{name}]: Awaiting client")).await;
    app.call("POST", &format!("/dynos/{name}/actions/stop"), None).await;
    app.log_says(&format!("heroku[{name}]: State changed from starting to complete")).await;
    assert!(!app.logs().await.contains("R13"));
    assert!(Attached::saying(&flow, &dyno["attach_url"], "").await.is_none());
}

#[tokio::test]
async fn run_inside_shares_files_and_environment_of_the_dyno() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "GREETING": "hi" })).await;
    app.push(Source::answering("one")).await.released("v4");
    let command = "echo $DYNO $GREETING $EXTRA; pwd; pgrep -f 'server[.]py' >/dev/null && echo beside the server; echo new > shared.txt; exit 4";
    let body = json!({ "command": command, "env": { "EXTRA": "more" }, "force_no_tty": true });
    let inside = post(&app, "/dynos/web.1", body).await;
    assert_eq!(inside["name"], "web.1");
    let client = Attached::saying(&flow, &inside["attach_url"], " status").await.unwrap();
    let said = client.ends().await;
    assert_eq!(said, "web.1 hi more\n/app\nbeside the server\n\u{FFFF} heroku-command-exit-status: 4\n");
    let again = json!({ "command": "cat shared.txt; cat /etc/shadow; ls / /work /root; id -u", "env": {} });
    let inside = post(&app, "/dynos/web.1", again).await;
    let said = Attached::to(&flow, &inside["attach_url"]).await.ends().await;
    assert!(said.starts_with("new\r\n") && said.contains("shadow: No such file"), "{said}");
    assert!(!said.contains("master.key") && !said.contains("\n0\r"), "{said}");
    app.log_says("app[api]: Starting process with command `cat shared.txt").await;
    assert_eq!(app.get("/").await.text(), "one", "the dyno goes on");
    let nothing = app.call("POST", "/dynos/web.9", Some(&json!({ "command": "ls", "env": {} }))).await;
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn a_killed_server_leaves_no_attached_program_behind() {
    let mut flow = flow().await;
    let (name, waiting, mut client) = {
        let app = shop(&flow).await;
        let waiting = post(&app, "/dynos", plain("echo never")).await["name"].as_str().unwrap().to_owned();
        let dyno = post(&app, "/dynos", terminal("echo ready; while :; do sleep 0.1; done")).await;
        let client = Attached::to(&flow, &dyno["attach_url"]).await;
        (dyno["name"].as_str().unwrap().to_owned(), waiting, client)
    };
    client.prints("ready").await;
    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let app = flow.known_app("shop");
    app.log_says(&format!("heroku[{name}]: Client connection closed. Sending SIGHUP to all processes")).await;
    app.log_says(&format!("heroku[{name}]: Process exited with status 129")).await;
    app.log_says(&format!("heroku[{waiting}]: Flowline was stopped before a client came. The process was not started"))
        .await;
    app.log_says(&format!("heroku[{waiting}]: State changed from starting to complete")).await;
    assert!(app.read("/dynos").await.as_array().unwrap().iter().all(|dyno| dyno["type"] == "web"));
    let _key =
        std::fs::metadata(flow.dir().join("ca.key")).map(|key| assert_eq!(key.permissions().mode() & 0o777, 0o600));
}

#[tokio::test]
async fn the_command_line_is_attached() {
    let flow = flow().await;
    shop(&flow).await;
    let run = async |words: &[&str], stdin: &[u8]| {
        let mut child = flow.cli_command(words);
        child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(stdin).await.unwrap();
        drop(input);
        let output = within("the end of the command", child.wait_with_output()).await.unwrap();
        (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    // Every byte goes through, also the one that stands for the end.
    let bytes: Vec<u8> = (0..100_000_u32).map(|number| (number % 256) as u8).collect();
    let (code, out, err) = run(&["run", "cat", "-a", "shop"], &bytes).await;
    assert!(code == 0 && out == bytes, "{code} {} {err}", out.len());
    let (code, out, _) =
        run(&["run:inside", "web.1", "-x", "-a", "shop", "--", "sh", "-c", "wc -l; exit 5"], b"a\nb\n").await;
    assert_eq!((code, out.as_slice()), (5, &b"2\n"[..]));
    let (code, out, err) = run(&["ps:exec", "-a", "shop"], b"cat answer.txt; exit 6\n").await;
    assert_eq!((code, out.as_slice()), (1, &b"one"[..]), "{err}");
    let (code, _, err) = run(&["exec", "-d", "web.9", "-a", "shop", "ls"], b"").await;
    assert_eq!(code, 4, "{err}");
}
