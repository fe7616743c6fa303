//! The SSH door: who comes in by which reservation, and what they reach from there.

use crate::flow;
use bytes::Bytes;
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg};
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::{App, Flow, Source, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Believes the key that came with the reservation, and no other.
struct Trust(String);

impl client::Handler for Trust {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(key.to_openssh().unwrap() == self.0)
    }
}

/// A connection of the API that has become one to the SSH door; or what it answered instead.
async fn tunnel(flow: &Flow, authorization: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(flow.api).await.unwrap();
    let request = format!(
        "GET /ssh HTTP/1.1\r\nHost: {}\r\nAuthorization: {authorization}\r\nConnection: upgrade\r\nUpgrade: ssh\r\n\r\n",
        flow.api
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    within("the head of the answer", async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    let head = String::from_utf8(head).unwrap();
    if head.starts_with("HTTP/1.1 101 ") { Ok(stream) } else { Err(head) }
}

async fn reserve(app: &App<'_>, dyno: &str) -> Value {
    let body = json!({ "client_key": "ssh-rsa AAAA" });
    let answer = app.call("PUT", &format!("/reservations/{dyno}"), Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A connection, and whether the door let this user in.
async fn knock(flow: &Flow, reserved: &Value, user: &str) -> (Handle<Trust>, bool) {
    let stream = tunnel(flow, &format!("Bearer {}", flow.token)).await.unwrap();
    let trust = Trust(reserved["proxy_public_key"].as_str().unwrap().to_owned());
    let connected = within("the key exchange", client::connect_stream(Arc::default(), stream, trust)).await;
    let mut session = connected.unwrap();
    let said = within("the answer to a name", session.authenticate_none(user)).await.unwrap();
    (session, said == AuthResult::Success)
}

async fn enter(flow: &Flow, reserved: &Value) -> Handle<Trust> {
    let (session, entered) = knock(flow, reserved, reserved["client_user"].as_str().unwrap()).await;
    assert!(entered, "nobody is let in by {reserved}");
    session
}

/// What a program printed, and its exit status.
async fn ended(mut channel: Channel<Msg>) -> (String, Option<u32>) {
    let (mut printed, mut status) = (Vec::new(), None);
    let read = async {
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => printed.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
        }
    };
    within("the end of a program", read).await;
    (String::from_utf8(printed).unwrap(), status)
}

async fn exec(session: &Handle<Trust>, command: &str) -> (String, Option<u32>) {
    let channel = session.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    ended(channel).await
}

/// One request over a connection from inside the dyno; none when there is no connection.
async fn fetch(session: &Handle<Trust>, host: &str, port: u16) -> Option<String> {
    let opened = session.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 1);
    let channel = within("a connection to a port", opened).await.ok()?;
    let mut stream = channel.into_stream();
    let mut answer = String::new();
    let asked = async {
        stream.write_all(b"GET / HTTP/1.0\r\nHost: shop\r\n\r\n").await?;
        stream.read_to_string(&mut answer).await
    };
    within("an answer", asked).await.ok()?;
    Some(answer)
}

/// A file over SFTP; or why not.
async fn copy(session: &Handle<Trust>, path: &str) -> Result<Vec<u8>, String> {
    let channel = session.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let mut stream = channel.into_stream();
    let sized = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let mut ask = async |body: Vec<u8>| {
        stream.write_all(&sized(&body)).await.unwrap();
        let length = within("an answer of SFTP", stream.read_u32()).await.unwrap();
        let mut answer = vec![0; length as usize];
        within("an answer of SFTP", stream.read_exact(&mut answer)).await.unwrap();
        answer
    };
    let text = |answer: &[u8]| String::from_utf8_lossy(&answer[13..]).into_owned();
    assert_eq!(ask(vec![1, 0, 0, 0, 3]).await, [2, 0, 0, 0, 3]);
    let id = [0, 0, 0, 7];
    let open = ask([&[3][..], &id, &sized(path.as_bytes()), &[0, 0, 0, 1], &[0; 4]].concat()).await;
    if open[0] != 102 {
        return Err(text(&open));
    }
    let handle = open[5..].to_vec();
    let mut file = Vec::new();
    loop {
        let offset = (file.len() as u64).to_be_bytes();
        let read = ask([&[5][..], &id, &handle, &offset, &32_768_u32.to_be_bytes()].concat()).await;
        match read[0] {
            103 => file.extend_from_slice(&read[9..]),
            _ => break,
        }
    }
    let written = ask([&[3][..], &id, &sized(path.as_bytes()), &[0, 0, 0, 2], &[0; 4]].concat()).await;
    assert_eq!((written[0], written[8]), (101, 3), "writing is refused: {}", text(&written));
    Ok(file)
}

async fn shop(flow: &Flow) -> App<'_> {
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app
}

async fn port(app: &App<'_>) -> u16 {
    let session = enter(app.flow(), &reserve(app, "web.1").await).await;
    exec(&session, "echo $PORT").await.0.trim().parse().unwrap()
}

#[tokio::test]
async fn cli_23_a_program_in_a_dyno_over_ssh() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let listed = app.read("/reservations").await;
    assert_eq!(listed, json!([{ "dyno_name": "web.1" }]));
    let session = enter(&flow, &reserve(&app, "web.1").await).await;
    let channel = session.channel_open_session().await.unwrap();
    channel.exec(true, "echo $DYNO; cat answer.txt; echo; wc -c; tty; exit 3").await.unwrap();
    channel.data(&b"12345"[..]).await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(ended(channel).await, ("web.1\none\n5\nnot a tty\n".to_owned(), Some(3)));
    // One connection, another program: in a terminal, which grows.
    let mut channel = session.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 100, 30, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel
        .data(&b"stty size; echo $TERM-$((6*7)); trap 'stty size; exit 4' WINCH; echo trap-$((1+1))\n"[..])
        .await
        .unwrap();
    let mut printed = String::new();
    let mut reads = async |channel: &mut Channel<Msg>, text: &str| {
        while !printed.contains(text) {
            match within(text, channel.wait()).await {
                Some(ChannelMsg::Data { data }) => printed.push_str(&String::from_utf8_lossy(&data)),
                Some(_) => {}
                None => panic!("it ended before `{text}`: {printed}"),
            }
        }
    };
    reads(&mut channel, "30 100").await;
    reads(&mut channel, "xterm-42").await;
    reads(&mut channel, "trap-2").await;
    channel.window_change(120, 40, 0, 0).await.unwrap();
    channel.data(&b"\n"[..]).await.unwrap();
    reads(&mut channel, "40 120").await;
    assert_eq!(ended(channel).await.1, Some(4));
    app.log_says("app[api]: Starting process with command `bash` in web.1 by user admin@localhost").await;
    let audit = flow.get("/audit-events").await.text();
    assert!(audit.contains("/reservations/web.1") && audit.contains("client_user"), "{audit}");
    assert!(!audit.contains(reserve(&app, "web.1").await["client_user"].as_str().unwrap()));
}

#[tokio::test]
async fn cli_23_a_reservation_opens_for_its_holder_once() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let reserved = reserve(&app, "web.1").await;
    let user = reserved["client_user"].as_str().unwrap();
    let closed = async |user: &str| !knock(&flow, &reserved, user).await.1;
    for wrong in ["", "root", &user[..user.len() - 1], &format!("{user}0")] {
        assert!(closed(wrong).await, "{wrong}");
    }
    // A fresh one: programs are started soon or never.
    let reserved = reserve(&app, "web.1").await;
    let user = reserved["client_user"].as_str().unwrap();
    let first = enter(&flow, &reserved).await;
    let second = enter(&flow, &reserved).await;
    assert_eq!(exec(&first, "echo mine").await, ("mine\n".to_owned(), Some(0)));
    assert!(closed(user).await, "it was used for a program");
    let (said, status) = exec(&second, "echo mine too").await;
    assert!(said.contains("was used before") && status == Some(255), "{said}");
    assert_eq!(fetch(&second, "localhost", 1).await, None);
    drop(first);
    assert!(closed(user).await, "it is used up");
    // What it stands for is asked again each time.
    let nobody = tunnel(&flow, "Bearer wrong").await.unwrap_err();
    assert!(nobody.starts_with("HTTP/1.1 401 "), "{nobody}");
    let off = json!({ "enabled": false });
    let reserved = reserve(&app, "web.1").await;
    let held = enter(&flow, &reserved).await;
    assert_eq!(app.call("PATCH", "/features/runtime-heroku-exec", Some(&off)).await.status, 200);
    assert!(!knock(&flow, &reserved, reserved["client_user"].as_str().unwrap()).await.1);
    assert!(exec(&held, "echo in").await.0.contains("Nobody is let into"));
    for (method, path) in [("PUT", "/reservations/web.1"), ("POST", "/dynos/web.1")] {
        let answer = app.call(method, path, Some(&json!({ "command": "true" }))).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    app.call("PATCH", "/features/runtime-heroku-exec", Some(&json!({ "enabled": true }))).await;
    let ended = enter(&flow, &reserve(&app, "web.1").await).await;
    assert_eq!(exec(&ended, "echo in").await.0, "in\n");
    assert_eq!(app.call("POST", "/dynos/web.1/actions/stop", None).await.status, 202);
    until("the end of the dyno", async || exec(&ended, "true").await.0.contains("dyno")).await;
    let missing = app.call("PUT", "/reservations/web.9", Some(&json!({}))).await;
    assert_eq!(missing.status, 404, "{}", missing.text());
}

#[tokio::test]
async fn cli_23_who_may_not_run_programs_reserves_nothing_and_loses_what_they_had() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let helper = flow.account("helper@example.org").await;
    let put = async || flow.call_as(&helper, "PUT", "/apps/shop/reservations/web.1", Some(&json!({}))).await;
    assert_eq!(put().await.status, 404);
    let invited = json!({ "user": "helper@example.org" });
    assert_eq!(app.call("POST", "/collaborators", Some(&invited)).await.status, 201);
    let reserved = put().await;
    assert_eq!(reserved.status, 200, "{}", reserved.text());
    let reserved = reserved.json();
    let held = enter(&flow, &reserved).await;
    assert_eq!(app.call("DELETE", "/collaborators/helper@example.org", None).await.status, 200);
    assert!(exec(&held, "echo in").await.0.contains("Couldn't find that app."));
    assert!(!knock(&flow, &reserved, reserved["client_user"].as_str().unwrap()).await.1);
    // As the official command line asks: the app is the user name, whatever the path says.
    for (user, status) in [("shop", 404), ("no-such-app", 404), ("", 404)] {
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{user}:{helper}"));
        let basic = format!("Basic {basic}");
        let answer = flow.raw("GET", "/api/v2", &[("authorization", &basic)], Bytes::new()).await;
        assert_eq!(answer.status, status, "{user}: {}", answer.text());
    }
}

#[tokio::test]
async fn cli_23_files_of_the_dyno_and_none_of_the_host() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let session = enter(&flow, &reserve(&app, "web.1").await).await;
    let token = flow.dir().join("admin.token").display().to_string();
    let made = exec(
        &session,
        &format!(
            "seq 1 200000 >long.txt; ln -s {token} token; ln -s /proc/self/root{token} magic; ln -s / root; mkfifo pipe; \
             ln -s /proc/1/environ environ; echo done"
        ),
    )
    .await;
    assert_eq!(made, ("done\n".to_owned(), Some(0)));
    let long: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(copy(&session, "long.txt").await.unwrap() == long.as_bytes(), "the copy is another one");
    assert_eq!(copy(&session, "/app/answer.txt").await, Ok(b"one".to_vec()));
    assert_eq!(copy(&session, "root/app/answer.txt").await, Ok(b"one".to_vec()));
    let climbing = format!("/app/../../../..{token}");
    for path in [
        token.as_str(),
        "token",
        "magic",
        &climbing,
        "environ",
        "pipe",
        "root",
        "missing",
        "/proc/self/environ",
        "/proc/self/mem",
        "/proc/self/fd/0",
        &format!("/proc/1/root{token}"),
        &format!("root{token}"),
        "a\0b",
    ] {
        let copied = copy(&session, path).await;
        assert!(copied.is_err(), "{path}: {copied:?}");
    }
    app.log_says("app[api]: Reading file `long.txt` in web.1 by user admin@localhost").await;
}

#[tokio::test]
async fn cli_23_ports_of_the_dyno_and_none_of_the_host() {
    let flow = flow().await;
    let app = shop(&flow).await;
    let own = port(&app).await;
    let reserved = reserve(&app, "web.1").await;
    let session = enter(&flow, &reserved).await;
    for host in ["0.0.0.0", "localhost", "127.0.0.1", "::1"] {
        let answer = fetch(&session, host, own).await.unwrap_or_default();
        assert!(answer.ends_with("one"), "{host}: {answer}");
    }
    let (said, status) = exec(&session, "echo in").await;
    assert!(said.contains("was used before") && status == Some(255), "it is for ports: {said}");
    let again = enter(&flow, &reserved).await;
    assert!(fetch(&again, "0.0.0.0", own).await.unwrap().ends_with("one"), "ports are for every visit");
    let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = host.local_addr().unwrap().port();
    for at in ["0.0.0.0", "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2"] {
        assert_eq!(fetch(&session, at, taken).await, None, "{at} is a service of the host");
        assert_eq!(fetch(&session, at, flow.api.port()).await, None, "{at} is the API");
    }
    for at in ["169.254.169.254", "fd00:ec2::254", "224.0.0.1", "no such name"] {
        assert_eq!(fetch(&session, at, 80).await, None, "{at}");
    }
    let host = host.into_std().unwrap();
    assert!(host.accept().is_err(), "a service of the host was reached");
    app.log_says("app[api]: Forwarding ports of web.1 by user admin@localhost").await;
    assert_eq!(app.logs().await.matches("Forwarding ports").count(), 1);
}

#[tokio::test]
async fn too_many_ssh_connections_are_closed_before_they_cost_anything() {
    let flow = flow().await;
    let owner = format!("Bearer {}", flow.token);
    let mut open = Vec::new();
    // They come one after another, because so few may be on their way at once; nobody of them says who it is.
    let refused = async {
        loop {
            match tunnel(&flow, &owner).await {
                Err(head) => assert!(head.starts_with("HTTP/1.1 503 "), "{head}"),
                Ok(mut stream) => match stream.read_u8().await {
                    Ok(_banner) => open.push(stream),
                    Err(_closed) => return,
                },
            }
        }
    };
    within("a connection that is closed", refused).await;
    assert!(open.len() >= 32, "{}", open.len());
    // With one gone there is room again.
    drop(open);
    let entered = async || match tunnel(&flow, &owner).await {
        Ok(mut stream) => stream.read_u8().await.is_ok(),
        Err(_refused) => false,
    };
    until("room for another connection", entered).await;
}
