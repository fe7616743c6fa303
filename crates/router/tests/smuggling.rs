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

#[tokio::test]
async fn malformed_heads_are_refused_and_reach_no_dyno() {
    let (flow, mut seen) = watched().await;
    let refused = [
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
        (
            "coding in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
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
        ("nonsense", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
    ];
    for (name, request) in refused {
        let mut client = flow.client().await;
        client.send(request).await;
        client.send("GET /smuggled HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{name}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), usize::from(!answer.is_empty()), "{name}: {answer}");
        assert!(seen.try_recv().is_err(), "{name} reached the dyno");
    }
}

#[tokio::test]
async fn bad_chunks_are_h26() {
    let (mut flow, _seen) = watched().await;
    for chunks in ["zz\r\nab\r\n0\r\n\r\n", "2\r\nabcd\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "-1\r\n"] {
        let mut client = flow.client().await;
        client.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        client.send(chunks).await;
        let response = client.response().await;
        assert_eq!(response.status, 400, "{chunks:?}");
        let line = flow.log().await;
        assert!(
            line.starts_with("at=error code=H26 desc=\"Request Error\" cause=\"bad chunk\" "),
            "{chunks:?}: {line}"
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
async fn route_35_chunked_wins_over_a_length_and_the_connection_ends() {
    let (flow, mut seen) = watched().await;
    for both in ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"] {
        let mut client = flow.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\n{both}\r\n\r\n2\r\nab\r\n0\r\n\r\n")).await;
        client.send("GET /smuggled HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await;
        let response = client.response().await;
        assert_eq!((response.status, response.header("connection")), (200, Some("close")));
        assert!(client.is_closed().await);
        let (head, body) = seen.recv().await.unwrap();
        assert_eq!((headers(&head, "content-length").len(), headers(&head, "transfer-encoding")), (0, vec!["chunked"]));
        assert_eq!(body, b"ab");
        assert!(seen.try_recv().is_err());
    }
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
