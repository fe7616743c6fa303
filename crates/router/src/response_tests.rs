//! Tables of response heads.

use super::*;

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn answer(head: &str) -> Result<Answer, Failure> {
    read(head.as_bytes(), Vec::new(), Asked::default(), || *DATE)
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.head).unwrap()
}

#[test]
fn a_head_is_found_whole_however_it_arrives() {
    for head in ["HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n"] {
        for cut in 1..head.len() {
            let mut scanned = 0;
            assert_eq!(find_head(&head.as_bytes()[..cut], &mut scanned), None, "{head:?} {cut}");
            assert_eq!(find_head(format!("{head}body").as_bytes(), &mut scanned), Some(head.len()), "{head:?} {cut}");
        }
    }
}

#[test]
fn rfc_9112_6_3_where_a_body_ends() {
    for (head, framing, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", Framing::Length(5), false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 5\r\n\r\n", Framing::Chunked, true),
        ("HTTP/1.1 200 OK\r\n\r\n", Framing::Close, false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", Framing::Length(5), true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Framing::Length(0), true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Framing::Length(0), true),
    ] {
        let answer = answer(head).unwrap();
        assert_eq!((answer.framing, answer.keep_alive), (framing, keep_alive), "{head}");
        let (lengths, codings) =
            (text(&answer).matches("content-length: 5\r\n").count(), text(&answer).matches("chunked").count());
        let expected = match (framing, answer.status) {
            (Framing::Chunked | Framing::Close, _) => (0, 1),
            (Framing::Length(_), 204) => (0, 0),
            (Framing::Length(_), _) => (1, 0),
        };
        assert_eq!((lengths, codings), expected, "{head}");
    }
}

#[test]
fn route_33_http_1_0_gets_no_chunks() {
    let asked = Asked { bodyless: false, http_1_0: true };
    for head in ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let answer = read(head.as_bytes(), Vec::new(), asked, || *DATE).unwrap();
        assert!(answer.closes && text(&answer).starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        assert!(!text(&answer).contains("chunked"), "{head}");
    }
}

#[test]
fn heads_that_are_no_good() {
    let cookie = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\n\r\n", "c".repeat(8200));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(300));
    for (head, code) in [
        ("hello\r\n\r\n", "H17"),
        ("HTTP/1.1 99 OK\r\n\r\n", "H17"),
        ("HTTP/1.1 200 OK\r\nA b\r\n\r\n", "H17"),
        ("HTTP/1.1 200 OK\r\nA: a\r\n b\r\n\r\n", "H17"),
        ("HTTP/1.1 200 OK\r\nA: a\rb\r\n\r\n", "H17"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "H17"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "H17"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "H25"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "H25"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "H25"),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "H25"),
        (cookie.as_str(), "H25"),
        (many.as_str(), "H25"),
    ] {
        assert_eq!(answer(head).unwrap_err().facts().code, code, "{head:.80}");
    }
}

#[test]
fn what_the_app_says_is_kept_and_what_it_leaves_out_is_added() {
    let own =
        answer("HTTP/1.1 200 Fine by me\r\nDate: now\r\nSERVER: app\r\nX:  y \r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(
        text(&own),
        "HTTP/1.1 200 Fine by me\r\nDate: now\r\nSERVER: app\r\nX: y\r\nvia: 1.1 flowline\r\ncontent-length: 0\r\n"
    );
    let bare = answer("HTTP/1.1 200 OK\nContent-Length: 0\n\n").unwrap();
    assert_eq!(
        text(&bare),
        "HTTP/1.1 200 OK\r\nvia: 1.1 flowline\r\nserver: Flowline\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         content-length: 0\r\n"
    );
}
