//! Tables of response heads.

use super::*;

fn answer(head: &str) -> Result<Answer, Failure> {
    read(&Bytes::copy_from_slice(head.as_bytes()), HeaderMap::new(), false)
}

#[test]
fn a_head_is_taken_whole_however_it_arrives() {
    for head in ["HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n"] {
        for cut in 1..head.len() {
            let (mut buffer, mut scanned) = (BytesMut::from(&head.as_bytes()[..cut]), 0);
            assert_eq!(take_head(&mut buffer, &mut scanned), None, "{head:?} {cut}");
            buffer.extend_from_slice(&head.as_bytes()[cut..]);
            buffer.extend_from_slice(b"body");
            assert_eq!(take_head(&mut buffer, &mut scanned).as_deref(), Some(head.as_bytes()), "{head:?} {cut}");
            assert_eq!(&buffer[..], b"body");
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
        ("HTTP/1.1 204 No Content\r\n\r\n", Framing::Length(0), true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Framing::Length(0), true),
    ] {
        let answer = answer(head).unwrap();
        assert_eq!((answer.framing, answer.keep_alive), (framing, keep_alive), "{head}");
        assert!(!answer.response.headers().contains_key("transfer-encoding"), "{head}");
    }
    let chunked = answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    assert!(!chunked.response.headers().contains_key("content-length"));
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
fn reasons_are_kept() {
    let plain = answer("HTTP/1.1 200 OK\r\n\r\n").unwrap();
    assert!(plain.response.extensions().get::<ReasonPhrase>().is_none());
    let own = answer("HTTP/1.1 200 Fine by me\r\n\r\n").unwrap();
    assert_eq!(own.response.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine by me");
}
