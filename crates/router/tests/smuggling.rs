//! Requests that two servers could read differently are refused, or reach the dyno in one unmistakable form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
use common::*;
use tokio::sync::mpsc;

/// A router before an upstream that tells every head and body it reads, byte for byte as the framing says.
async fn watched() -> (Flow, mpsc::Receiver<(String, Vec<u8>)>) {
    let flow = Flow::start().await;
    let (told, seen) = mpsc::channel(64);
    let upstream = Upstream::start(move |mut client, _| {
        let told = told.clone();
        async move {
            while let Some(request) = client.request().await {
                told.send(request).await.unwrap();
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    (flow, seen)
}

/// What is wrong, and a request that has it.
const MALFORMED: &[(&str, &str)] = &[
    ("two lengths", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("two lengths in one", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 1, 2\r\n\r\nab"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: +1\r\n\r\na"),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 0x1\r\n\r\na"),
    ("no length at all", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length:\r\n\r\na"),
    ("a huge length", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 99999999999999999999\r\n\r\na"),
    (
        "chunked is not last",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        "another coding first",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    ("unknown coding", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "identity and chunked",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("space before the colon", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length : 1\r\n\r\na"),
    ("a folded line", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: a\r\n b\r\n\r\n"),
    ("a space before a name", "GET / HTTP/1.1\r\n Host: shop.localhost\r\n\r\n"),
    ("a bare CR in a value", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: a\rY: b\r\n\r\n"),
    ("a zero byte", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: a\0b\r\n\r\n"),
    ("two targets", "GET / /other HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("HTTP/0.9", "GET /\r\n\r\n"),
    ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: shop.localhost\r\n\r\n"),
    (
        "a length and chunks",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks and a length",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    ),
    ("a negative length", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: -1\r\n\r\na"),
    ("a length with a space", "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 1 1\r\n\r\na"),
    (
        "a coding behind a control character",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "space before a coding's colon",
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a line folded by a tab", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: a\r\n\tb\r\n\r\n"),
    ("bare LFs", "GET / HTTP/1.1\nHost: shop.localhost\n\n"),
    ("a bare LF behind a header", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: a\nY: b\r\n\r\n"),
    ("a bare LF as the end", "GET / HTTP/1.1\r\nHost: shop.localhost\r\n\n"),
    ("a bare CR in the request line", "GET /a\rb HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("a zero byte in a name", "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX\0: a\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    ("an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("a host with a user", "GET / HTTP/1.1\r\nHost: a@shop.localhost\r\n\r\n"),
    ("a target of another host", "GET http://other.localhost/ HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("a target without a slash", "GET shop.localhost HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("a control character in the target", "GET /\x01 HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("a method that is no word", "G(T / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("another version", "GET / HTTP/1.2\r\nHost: shop.localhost\r\n\r\n"),
    ("a tunnel", "CONNECT shop.localhost:443 HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"),
    ("nonsense", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
];

#[tokio::test]
async fn malformed_heads_are_refused_and_reach_no_dyno() {
    let (flow, mut seen) = watched().await;
    for &(name, request) in MALFORMED {
        let mut client = flow.client().await;
        client.send(request).await;
        client.send("GET /smuggled HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
        let version = if request.contains("HTTP/1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
        let status = if name == "a tunnel" { "405 Method Not Allowed" } else { "400 Bad Request" };
        assert!(answer.starts_with(&format!("{version} {status}\r\n")), "{name}: {answer}");
        assert_eq!((answer.matches("HTTP/1.").count(), header(&answer, "connection")), (1, Some("close")), "{name}");
        assert!(seen.try_recv().is_err(), "{name} reached the dyno");
    }
}

#[tokio::test]
async fn bad_chunks_are_h26() {
    let (mut flow, _seen) = watched().await;
    let extension = format!("2;{}\r\n", "x".repeat(2000));
    let extensions = format!("1;{}\r\na\r\n", "x".repeat(900)).repeat(20);
    let trailers = format!("0\r\n{}", "X: y\r\n".repeat(5000));
    for chunks in [
        "zz\r\nab\r\n0\r\n\r\n",
        "2\r\nabcd\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "00000000000000002\r\nab\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "2\nab\r\n0\r\n\r\n",
        "2\r\nab\n0\r\n\r\n",
        "2\rab\r\n0\r\n\r\n",
        "2 2\r\nab\r\n",
        "2;a\0\r\nab\r\n",
        &extension,
        &extensions,
        &trailers,
    ] {
        let mut client = flow.client().await;
        client.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        client.send(chunks).await;
        let response = client.response().await;
        assert_eq!(response.status, 400, "{chunks:.60?}");
        let line = flow.log().await;
        assert!(
            line.starts_with("at=error code=H26 desc=\"Request Error\" cause=\"bad chunk\" "),
            "{chunks:.60?}: {line}"
        );
    }
}

#[tokio::test]
async fn equal_lengths_are_one_length() {
    let (flow, mut seen) = watched().await;
    let request = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(flow.client().await.ask(request).await.status, 200);
    let (head, body) = seen.recv().await.unwrap();
    assert_eq!((headers(&head, "content-length"), body), (vec!["2"], b"ab".to_vec()));
}

#[tokio::test]
async fn a_body_does_not_become_a_request() {
    let (flow, mut seen) = watched().await;
    let mut client = flow.client().await;
    let inner = "GET /inner HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
    client
        .send(format!("POST /outer HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()))
        .await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(client.get("/next").await.status, 200);
    let paths = [seen.recv().await.unwrap(), seen.recv().await.unwrap()]
        .map(|(head, body)| (head.split(' ').nth(1).unwrap().to_owned(), body));
    assert_eq!(paths, [("/outer".to_owned(), inner.as_bytes().to_vec()), ("/next".to_owned(), vec![])]);
}

#[tokio::test]
async fn what_is_refused_is_in_the_log_of_the_app_that_it_names() {
    let (mut flow, _seen) = watched().await;
    for request in [
        "GET /x HTTP/1.1\r\nHost: shop.localhost\r\nX: a\r\n b\r\n\r\n",
        "GET /x HTTP/1.1\r\nX : a\r\nHost: shop.localhost\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: shop.localhost\r\nX: a\n\r\n",
        "GET /x HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(flow.client().await.ask(request).await.status, 400, "{request:?}");
        let line = flow.log().await;
        let start =
            "at=error code=H26 desc=\"Request Error\" cause=\"bad header\" method=GET path=\"/x\" host=shop.localhost ";
        assert!(line.starts_with(start) && value(&line, "status") == "400", "{line}");
    }
    // Whose request it is cannot be known.
    let twice = "GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: shop.localhost\r\n\r\n";
    assert_eq!(flow.client().await.ask(twice).await.status, 400);
    flow.no_log();
}

#[tokio::test]
async fn the_dyno_gets_a_request_in_one_form_byte_by_byte() {
    let flow = Flow::start().await;
    let (told, mut seen) = mpsc::channel(1);
    let upstream = Upstream::start(move |mut client, _| {
        let told = told.clone();
        async move {
            let head = client.head().await.unwrap();
            let body = client.exactly(b"a\r\n0123456789\r\n2\r\nab\r\n0\r\n\r\n".len()).await;
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            told.send((head, body)).await.unwrap();
            assert_eq!(client.rest().await, b"", "something followed");
        }
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    client.send("\r\n\r\nPATCH /a?b HTTP/1.1\r\nHOST:  shop.localhost\t\r\ntransfer-encoding: CHUNKED\r\nX-Mixed-Case:\ta b \r\n").await;
    client.send("X-Request-Id: 01234567-89ab-cdef-0123\r\nTrailer: X\r\n\r\n").await;
    client.send("000A;x=\"y\" ;z\r\n0123456789\r\n02\r\nab\r\n000\r\nX: trailer\r\n\r\n").await;
    assert_eq!(client.response().await.status, 200);
    let (head, body) = seen.recv().await.unwrap();
    let port = flow.addr.port();
    assert_eq!(
        head,
        format!(
            "PATCH /a?b HTTP/1.1\r\nhost: shop.localhost\r\nx-mixed-case: a b\r\n\
             x-request-id: 01234567-89ab-cdef-0123\r\nx-forwarded-for: 127.0.0.1\r\nvia: 1.1 flowline\r\n\
             x-forwarded-proto: http\r\nx-forwarded-port: {port}\r\nx-request-start: 1767323045678\r\n\
             transfer-encoding: chunked\r\n\r\n"
        )
    );
    assert_eq!(body, b"a\r\n0123456789\r\n2\r\nab\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_early_answer_leaves_the_framing_intact() {
    let flow = Flow::start().await;
    let upstream = Upstream::start(|mut client, _| async move {
        let head = client.head().await.unwrap();
        let path = head.split(' ').nth(1).unwrap();
        client.send(format!("HTTP/1.1 413 Too Large\r\nContent-Length: {}\r\n\r\n{path}", path.len())).await;
        client.rest().await;
    })
    .await;
    flow.shop(up(&[upstream.addr])).await;
    let mut client = flow.client().await;
    let inner = "GET /inner HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
    let head = format!("POST /outer HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: {}\r\n\r\n", inner.len());
    let response = client.ask(head).await;
    assert_eq!((response.status, response.text()), (413, "/outer"));
    client.send(inner).await;
    assert_eq!(client.get("/next").await.text(), "/next");
}
