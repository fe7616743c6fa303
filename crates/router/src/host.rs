//! Whose request it is: the `Host` header, or the host of an absolute target.

use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;

/// Longest host name of the DNS.
const HOST_LIMIT_BYTES: usize = 253;

/// A request that does not say whose it is, or says it twice (ROUTE-3).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoHost;

/// Calls `find` with the host name of a request: lower case, without port or final dot.
pub(crate) fn with_host<T>(request: &Parts, find: impl FnOnce(&str) -> T) -> Result<T, NoHost> {
    let mut values = request.headers.get_all(HOST).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(NoHost);
    }
    let header = header.ok_or(NoHost).map(HeaderValue::as_bytes);
    // RFC 9112 3.2.2: the host of an absolute target wins, but HTTP/1.1 demands the header all the same.
    let host = match request.uri.host() {
        Some(host) => header.map(|_| host.as_bytes())?,
        None => header?,
    };
    let host = name(host);
    if host.is_empty() || host.len() > HOST_LIMIT_BYTES || !host.iter().all(u8::is_ascii_graphic) {
        return Err(NoHost);
    }
    let mut lower = [0; HOST_LIMIT_BYTES];
    let lower = &mut lower[..host.len()];
    lower.copy_from_slice(host);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).map(find).map_err(|_| NoHost)
}

/// Without port and final dot. An IPv6 address keeps its brackets.
fn name(host: &[u8]) -> &[u8] {
    let port = host.iter().rposition(|&byte| byte == b':');
    let host = match port {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        Some(_) | None => host,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn host(uri: &str, hosts: &[&str]) -> Result<String, NoHost> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        with_host(&request.body(()).unwrap().into_parts().0, ToOwned::to_owned)
    }

    #[test]
    fn route_3_host_names() {
        for (uri, header, expected) in [
            ("/", "shop.localhost", "shop.localhost"),
            ("/", "Shop.LocalHost:7780", "shop.localhost"),
            ("/", "shop.localhost.:80", "shop.localhost"),
            ("/", "[::1]:80", "[::1]"),
            ("http://a.test/x", "b.test", "a.test"),
        ] {
            assert_eq!(host(uri, &[header]).as_deref(), Ok(expected), "{header}");
        }
        let long = "a".repeat(254);
        for bad in [&[][..], &["a", "b"], &[""], &[":80"], &["a b"], &[long.as_str()]] {
            assert_eq!(host("/", bad), Err(NoHost), "{bad:?}");
        }
        assert_eq!(host("http://a.test/x", &[]), Err(NoHost));
    }
}
