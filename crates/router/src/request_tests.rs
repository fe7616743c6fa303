//! Tables of request heads.

use super::*;

const HOST: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n";

fn refused(head: &str) -> Option<Refused> {
    read(head.as_bytes(), Vec::new()).refused
}

#[test]
fn a_head_ends_with_an_empty_line_however_it_arrives() {
    let head = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    for cut in 0..head.len() {
        let mut scan = Scan::default();
        assert_eq!(scan.look(&head.as_bytes()[..cut]), Found::More, "{cut}");
        assert_eq!(scan.look(format!("{head}body").as_bytes()), Found::Head(head.len()), "{cut}");
    }
    for nonsense in ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\n\r\n", "GET / HTTP/1.1\r\n\n"] {
        assert_eq!(Scan::default().look(nonsense.as_bytes()), Found::Nonsense, "{nonsense:?}");
    }
    assert_eq!(Scan::default().look(&[b'a'; HEAD_LIMIT_BYTES]), Found::Nonsense);
}

#[test]
fn good_heads_are_understood() {
    let head =
        "POST /a?b=%20\u{fc}|{}\" HTTP/1.1\r\nhOST:a.test:80 \r\nContent-Length: 007\r\nX:\t y z \t\r\nEmpty:\r\n\r\n";
    let request = read(head.as_bytes(), Vec::new());
    assert_eq!(request.refused, None);
    assert_eq!((request.method, request.host), (&b"POST"[..], &b"a.test:80"[..]));
    assert_eq!(request.target, "/a?b=%20\u{fc}|{}\"".as_bytes());
    assert_eq!((request.length, request.keep_alive, request.expects), (Length::Bytes(7), true, false));
    let fields: Vec<_> = request.fields.iter().map(|field| (request.name(field), request.value(field))).collect();
    assert_eq!(fields[2..], [(&b"X"[..], &b"y z"[..]), (b"Empty", b"")]);
}

#[test]
fn rfc_9112_ambiguous_heads_are_refused() {
    let many = "X: 1\r\n".repeat(1001);
    let lines = [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 1",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 1 1",
        "Content-Length: 0x1",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 1",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Host: a.test",
        "X: a\r\n b",
        "X: a\r\n\tb",
        " X: a",
        "X : a",
        "X\t: a",
        "X y: a",
        ": a",
        "X",
        "X: a\rb",
        "X: a\r",
        "X: a\0b",
        "X: a\u{7f}",
        "X(: a",
        "X\u{fc}: a",
        many.trim_end(),
    ];
    for line in lines {
        assert_eq!(refused(&format!("{HOST}{line}\r\n\r\n")), Some(Refused::Malformed), "{line:.60?}");
    }
    assert_eq!(refused(&format!("{HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\n")), None);
    assert_eq!(refused(&format!("{HOST}Transfer-Encoding: ChunkeD\r\n\r\n")), None);
}

#[test]
fn rfc_9112_3_request_lines() {
    for (line, expected) in [
        ("GET / HTTP/1.1", None),
        ("OPTIONS * HTTP/1.1", None),
        ("GET http://a.test/x HTTP/1.1", None),
        ("GET HTTPS://A.Test HTTP/1.1", None),
        ("CONNECT a.test:443 HTTP/1.1", Some(Refused::Method)),
        ("GET * HTTP/1.1", Some(Refused::Malformed)),
        ("GET a.test HTTP/1.1", Some(Refused::Malformed)),
        ("GET http://b.test/ HTTP/1.1", Some(Refused::Malformed)),
        ("GET http://u@a.test/ HTTP/1.1", Some(Refused::Malformed)),
        ("GET http://a.test?x HTTP/1.1", Some(Refused::Malformed)),
        ("GET ftp://a.test/ HTTP/1.1", Some(Refused::Malformed)),
        ("GET  / HTTP/1.1", Some(Refused::Malformed)),
        ("GET / HTTP/1.1 ", Some(Refused::Malformed)),
        (" GET / HTTP/1.1", Some(Refused::Malformed)),
        ("GET /a b HTTP/1.1", Some(Refused::Malformed)),
        ("GET\t/ HTTP/1.1", Some(Refused::Malformed)),
        ("GET /\tHTTP/1.1", Some(Refused::Malformed)),
        ("GET /#a HTTP/1.1", Some(Refused::Malformed)),
        ("GET /\u{1} HTTP/1.1", Some(Refused::Malformed)),
        ("GET /\u{7f} HTTP/1.1", Some(Refused::Malformed)),
        ("GET /a\rb HTTP/1.1", Some(Refused::Malformed)),
        ("G(T / HTTP/1.1", Some(Refused::Malformed)),
        ("G\u{fc}T / HTTP/1.1", Some(Refused::Malformed)),
        (" / HTTP/1.1", Some(Refused::Malformed)),
        ("GET /", Some(Refused::Malformed)),
        ("GET / HTTP/0.9", Some(Refused::Malformed)),
        ("GET / HTTP/1.2", Some(Refused::Malformed)),
        ("GET / HTTP/2.0", Some(Refused::Malformed)),
        ("GET / http/1.1", Some(Refused::Malformed)),
        ("GET / HTTP/1.10", Some(Refused::Malformed)),
    ] {
        assert_eq!(refused(&format!("{line}\r\nHost: a.test\r\n\r\n")), expected, "{line:?}");
    }
    let elsewhere = read(b"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", Vec::new());
    assert_eq!(elsewhere.target, b"/");
    let coded = "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(coded), Some(Refused::Malformed));
}

#[test]
fn route_3_a_request_says_once_whose_it_is() {
    for host in ["", " ", "a b", "a/b", "u@a", "a\\b", "a,\"b", "a#b", "a?b"] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(refused(&head), Some(Refused::Malformed), "{host:?}");
    }
    assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Some(Refused::Malformed));
    assert_eq!(refused("GET / HTTP/1.0\r\n\r\n"), Some(Refused::Malformed));
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), None);
}

#[test]
fn what_is_refused_is_known_all_the_same() {
    let request = read(b"GET /x HTTP/1.1\r\nX: a\r\n b\r\nHost: a.test\r\nBroken", Vec::new());
    assert_eq!((request.method, request.target, request.host), (&b"GET"[..], &b"/x"[..], &b"a.test"[..]));
    assert_eq!(request.refused, Some(Refused::Malformed));
    for nothing in [&b""[..], b"\n", b"\r\n\r\n", b"\xff"] {
        assert_eq!(read(nothing, Vec::new()).refused, Some(Refused::Malformed), "{nothing:?}");
    }
}

#[test]
fn what_a_connection_header_says() {
    let read_lines = |lines: &'static str| format!("{HOST}{lines}\r\n\r\n");
    let close = read_lines("Connection: x, Close");
    let request = read(close.as_bytes(), Vec::new());
    assert!(!request.keep_alive && request.is_named(b"X") && !request.is_named(b"Y"));
    for (lines, upgrade) in [
        ("Connection: Upgrade\r\nUpgrade: websocket", Some(&b"websocket"[..])),
        ("Upgrade: websocket", None),
        ("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b", None),
        ("Connection: upgrade\r\nUpgrade: a, H2C", None),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1", None),
    ] {
        assert_eq!(read(read_lines(lines).as_bytes(), Vec::new()).upgrade, upgrade, "{lines}");
    }
    for (head, keep_alive) in [
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ] {
        assert_eq!(read(head.as_bytes(), Vec::new()).keep_alive, keep_alive, "{head}");
    }
    for (line, expected) in [("100-Continue", None), ("tea", Some(Refused::Expectation))] {
        assert_eq!(refused(&format!("{HOST}Expect: {line}\r\nContent-Length: 1\r\n\r\n")), expected, "{line}");
    }
}
