//! What the request's headers ask for beyond the path: only if changed, only a part, or compressed (RFC 9110 §12-§14).

use super::file::ServedFile;
use hyper::header::{self, HeaderMap, HeaderName};
use std::ops::Range;

/// How much of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it. Also several ranges at once, which a server need not honour.
    Whole,
    /// These bytes.
    Range(Range<u64>),
    /// The file has no such bytes.
    Unsatisfiable,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Does the client have this file already? `If-None-Match` goes before `If-Modified-Since`.
pub(super) fn is_fresh(headers: &HeaderMap, file: &ServedFile) -> bool {
    if let Some(tags) = text(headers, header::IF_NONE_MATCH) {
        let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == file.etag();
        return tags.split(',').any(|tag| same(tag.trim()));
    }
    let since = text(headers, header::IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| file.modified() <= since)
}

/// Which bytes are wanted.
pub(super) fn part(headers: &HeaderMap, file: &ServedFile) -> Part {
    let same = text(headers, header::IF_RANGE).is_none_or(|condition| {
        condition == file.etag() || httpdate::parse_http_date(condition).is_ok_and(|date| date == file.modified())
    });
    match text(headers, header::RANGE) {
        Some(range) if same => parse(range, file.len).unwrap_or(Part::Whole),
        Some(_) | None => Part::Whole,
    }
}

/// `None` for what is no single byte range: it is passed over.
fn parse(range: &str, len: u64) -> Option<Part> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let range = match (first, last) {
        ("", last) => len.saturating_sub(number(last)?)..len,
        (first, "") => number(first)?..len,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..len.min(last.saturating_add(1))
        }
    };
    Some(if range.start < range.end { Part::Range(range) } else { Part::Unsatisfiable })
}

/// Is gzip among the encodings, and not with `q=0`?
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let refused = |part: &str| part.trim().strip_prefix("q=").is_some_and(|q| q.parse().is_ok_and(|q: f32| q == 0.0));
    text(headers, header::ACCEPT_ENCODING).unwrap_or_default().split(',').any(|encoding| {
        let mut parts = encoding.split(';');
        parts.next().is_some_and(|name| name.trim().eq_ignore_ascii_case("gzip")) && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_ten_byte_file() {
        for (range, wanted) in [
            ("bytes=0-3", Some(Part::Range(0..4))),
            ("bytes=4-", Some(Part::Range(4..10))),
            ("bytes=-4", Some(Part::Range(6..10))),
            ("bytes=-40", Some(Part::Range(0..10))),
            ("bytes=8-100", Some(Part::Range(8..10))),
            ("bytes=10-", Some(Part::Unsatisfiable)),
            ("bytes=-0", Some(Part::Unsatisfiable)),
            ("bytes=5-4", None),
            ("bytes=0-1,3-4", None),
            ("bytes=99999999999999999999-", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse(range, 10), wanted, "{range}");
        }
    }

    #[test]
    fn gzip_is_taken_unless_refused() {
        let takes = |text: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, header::HeaderValue::from_static(text))]))
        };
        assert!(takes("gzip") && takes("br, gzip;q=0.5") && takes("deflate, GZIP"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.0, br") && !takes("x-gzip"));
    }
}
