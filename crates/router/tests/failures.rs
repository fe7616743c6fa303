//! Every H code that the router gives, with its status, page and log line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use model::route::Web;
use router::Limits;
use router::link::RouterEvent;
use std::time::Duration;
use tokio::net::TcpListener;

const SHORT: Duration = Duration::from_millis(100);

/// The failed request's log line, after a look at the page.
async fn fails(flow: &mut Flow, status: u16, code: &str) -> String {
    let response = flow.get("/x").await;
    assert_eq!(response.status, status, "{}", response.head);
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(response.text().starts_with("<!DOCTYPE html>") && !response.text().contains("127.0.0.1"));
    let line = flow.log().await;
    assert_eq!((value(&line, "code"), value(&line, "status")), (code, status.to_string().as_str()), "{line}");
    line
}

#[tokio::test]
async fn route_15_states_without_a_dyno() {
    let mut flow = Flow::start().await;
    let cases = [
        (Web::Crashed, 503, "H10", "at=error code=H10 desc=\"App crashed\" "),
        (Web::NoWeb, 503, "H14", "at=error code=H14 desc=\"No web processes running\" "),
        (Web::Maintenance, 503, "H80", "at=info code=H80 desc=\"Maintenance mode\" "),
        (Web::Blank, 502, "H81", "at=info code=H81 desc=\"Blank app\" "),
    ];
    for (web, status, code, start) in cases {
        flow.shop(web).await;
        let line = fails(&mut flow, status, code).await;
        assert!(line.starts_with(start), "{line}");
        let id = value(&line, "request_id").to_owned();
        let rest = format!(
            "method=GET path=\"/x\" host=shop.localhost request_id={id} fwd=\"127.0.0.1\" dyno= connect= service= \
             status={status} bytes= protocol=http"
        );
        assert_eq!(line, format!("{start}{rest}"));
    }
}

#[tokio::test]
async fn h12_no_first_byte_in_time() {
    let mut flow = Flow::with(Limits { first_byte: SHORT, ..limits() }).await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
        client.rest().await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let line = fails(&mut flow, 503, "H12").await;
    assert!(line.starts_with("at=error code=H12 desc=\"Request timeout\" method=GET "), "{line}");
    let service: u64 = value(&line, "service").trim_end_matches("ms").parse().unwrap();
    assert!((100..1000).contains(&service), "{line}");
    assert_eq!((value(&line, "dyno"), value(&line, "bytes")), ("web.1", "0"));
}

#[tokio::test]
async fn h13_closed_without_a_response() {
    let mut flow = Flow::start().await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let line = fails(&mut flow, 503, "H13").await;
    assert!(line.starts_with("at=error code=H13 desc=\"Connection closed without response\" "), "{line}");
}

#[tokio::test]
async fn h17_and_h25_responses_that_are_no_good() {
    let mut flow = Flow::start().await;
    let cookie = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\nContent-Length: 0\r\n\r\n", "c".repeat(8200));
    for (response, status, code, desc) in [
        ("hello\r\n\r\n", 503, "H17", "Poorly formatted HTTP response"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            502,
            "H25",
            "HTTP restriction: invalid content length",
        ),
        (cookie.as_str(), 502, "H25", "HTTP restriction: oversized cookie"),
    ] {
        let upstream = Upstream::saying(response).await;
        flow.shop(up(&[upstream.addr])).await;
        let line = fails(&mut flow, status, code).await;
        assert_eq!(value(&line, "desc"), format!("\"{desc}\""), "{line}");
    }
}

#[tokio::test]
async fn h18_broken_off_in_the_middle() {
    let mut flow = Flow::start().await;
    for head in ["Content-Length: 100\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"] {
        let upstream = Upstream::start(move |mut client, _| async move {
            client.request().await;
            client.send(format!("HTTP/1.1 200 OK\r\n{head}")).await;
        })
        .await;
        flow.shop(up(&[upstream.addr])).await;
        let mut client = flow.client().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200 OK"));
        let rest = client.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "the client must see that it broke off");
        let line = flow.log().await;
        assert!(line.starts_with("sock=backend at=error code=H18 desc=\"Server Request Interrupted\" "), "{line}");
        assert_eq!(value(&line, "status"), "503");
    }
}

#[tokio::test]
async fn h15_the_dyno_falls_silent() {
    let mut flow = Flow::with(Limits { rolling: SHORT, ..limits() }).await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome").await;
        client.rest().await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    client.head().await.unwrap();
    assert_eq!(client.rest().await, b"some");
    assert!(flow.log().await.starts_with("at=error code=H15 desc=\"Idle connection\" "));
}

#[tokio::test]
async fn route_21_bytes_in_time_keep_it_open() {
    let mut flow = Flow::with(Limits { rolling: SHORT * 4, first_byte: SHORT * 4, ..limits() }).await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.request().await;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
        for _ in 0..10 {
            tokio::time::timeout(SHORT, std::future::pending::<()>()).await.unwrap_err();
            client.send("x").await;
        }
        client.rest().await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    assert_eq!(flow.get("/").await.text(), "xxxxxxxxxx");
    assert!(flow.log().await.starts_with("at=info method="));
}

#[tokio::test]
async fn h28_the_client_falls_silent() {
    let mut flow = Flow::with(Limits { rolling: SHORT, ..limits() }).await;
    let upstream = Upstream::mirror().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    client.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 10\r\n\r\nhalf").await;
    let line = flow.log().await;
    assert!(line.starts_with("sock=client at=warning code=H28 desc=\"Client Connection Idle\" "), "{line}");
    assert_eq!(value(&line, "status"), "499");
}

#[tokio::test]
async fn h28_the_client_takes_nothing() {
    let mut flow = Flow::with(Limits { rolling: SHORT, ..limits() }).await;
    let length = 50_000_000;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let upstream = Upstream::saying([head, vec![b'x'; length]].concat()).await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
    let line = flow.log().await;
    assert!(line.starts_with("sock=client at=warning code=H28 "), "{line}");
}

#[tokio::test]
async fn h12_does_not_count_while_the_client_uploads() {
    let mut flow = Flow::with(Limits { first_byte: SHORT * 3, ..limits() }).await;
    let upstream = Upstream::mirror().await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    client.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 10\r\n\r\n").await;
    for _ in 0..10 {
        tokio::time::timeout(SHORT, std::future::pending::<()>()).await.unwrap_err();
        client.send("x").await;
    }
    assert_eq!(client.response().await.status, 200);
    assert!(flow.log().await.starts_with("at=info "));
}

#[tokio::test]
async fn h20_dynos_do_not_come_up() {
    let mut flow = Flow::with(Limits { held: SHORT, ..limits() }).await;
    flow.shop(Web::Starting).await;
    let line = fails(&mut flow, 503, "H20").await;
    assert!(line.starts_with("at=error code=H20 desc=\"App boot timeout\" "), "{line}");
    assert!(line.ends_with(" dyno= connect= service= status=503 bytes= protocol=http"), "{line}");
}

#[tokio::test]
async fn h11_too_many_wait() {
    let mut flow = Flow::with(Limits { held_per_app: 1, ..limits() }).await;
    flow.shop(Web::Starting).await;
    // One waits per thread; more than that are refused at once, whichever thread they reach.
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = flow.client().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        clients.push(client);
    }
    for _ in 0..18 {
        let line = flow.log().await;
        assert!(line.starts_with("at=error code=H11 desc=\"Backlog too deep\" "), "{line}");
    }
    flow.shop(Web::Crashed).await;
    for _ in 0..2 {
        assert_eq!(value(&flow.log().await, "code"), "H10");
    }
}

#[tokio::test]
async fn h21_refused_after_a_second_look() {
    let mut flow = Flow::start().await;
    let addr = nobody().await;
    flow.shop(up(&[addr])).await;
    let line = fails(&mut flow, 503, "H21").await;
    assert!(line.starts_with("at=error code=H21 desc=\"Backend connection refused\" "), "{line}");
    assert_eq!((value(&line, "dyno"), value(&line, "service")), ("web.1", ""));
}

#[tokio::test]
async fn route_11_a_dyno_that_refuses_is_passed_over() {
    let mut flow = Flow::start().await;
    let (good, bad) = (Upstream::hello("good").await, nobody().await);
    flow.shop(up(&[good.addr, bad])).await;
    for _ in 0..40 {
        assert_eq!(flow.get("/").await.text(), "good");
        assert_eq!(value(&flow.log().await, "dyno"), "web.1");
    }
}

#[tokio::test]
async fn h19_connecting_takes_too_long() {
    let mut flow = Flow::with(Limits { connect: SHORT, ..limits() }).await;
    // A listener whose backlog is full drops further SYNs: connecting to it hangs.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(addr)).await {
        fillers.push(stream);
    }
    flow.shop(up(&[addr])).await;
    let line = fails(&mut flow, 503, "H19").await;
    assert!(line.starts_with("at=error code=H19 desc=\"Backend connection timeout\" "), "{line}");
}

#[tokio::test]
async fn h27_the_client_leaves() {
    let mut flow = Flow::start().await;
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(8);
    let upstream = Upstream::start(move |mut client, _| {
        let asked = asked.clone();
        async move {
            let head = client.head().await.unwrap_or_default();
            if head.starts_with("GET /body") {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome").await;
            }
            asked.send(()).await.unwrap();
            client.rest().await;
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let requests = [
        "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
        "GET /body HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 100\r\n\r\nhalf",
    ];
    for request in requests {
        let mut client = flow.client().await;
        client.send(request).await;
        was_asked.recv().await.unwrap();
        if request.contains("/body") {
            client.head().await.unwrap();
        }
        drop(client);
        let line = flow.log().await;
        let start = "sock=client at=warning code=H27 desc=\"Client Request Interrupted\" ";
        assert!(line.starts_with(start) && value(&line, "status") == "499", "{line}");
    }
}

#[tokio::test]
async fn route_23_idle_clients_are_let_go() {
    let flow = Flow::with(Limits { client_idle: SHORT, ..limits() }).await;
    let upstream = Upstream::hello("hello").await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    assert_eq!(client.get("/").await.text(), "hello");
    assert!(client.is_closed().await);
    // One that never finishes its head, too.
    let mut slow = flow.client().await;
    slow.send("GET / HTTP/1.1\r\nHost: shop").await;
    slow.rest().await;
}

#[tokio::test]
async fn h22_one_app_does_not_get_everything() {
    let mut flow = Flow::with(Limits { open_per_app: 2, ..limits() }).await;
    let upstream = Upstream::start(|mut client, _| async move {
        client.rest().await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut waiting = Vec::new();
    // Each of two threads takes two; the fifth is too much for either.
    let refused = loop {
        let mut client = flow.client().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        waiting.push(client);
        if let Ok(Some(RouterEvent::Log { text, .. })) = tokio::time::timeout(SHORT, flow.events.recv()).await {
            break text;
        }
        assert!(waiting.len() < 20);
    };
    assert!(refused.starts_with("at=error code=H22 desc=\"Connection limit reached\""), "{refused}");
    assert_eq!(value(&refused, "status"), "503");
}
