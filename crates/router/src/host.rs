//! Whose request it is.

/// Longest host name of the DNS.
const HOST_LIMIT_BYTES: usize = 253;

/// A request that does not say whose it is (ROUTE-3).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoHost;

/// Calls `find` with the host name of a `Host` header: lower case, without port or final dot.
pub(crate) fn with_host<T>(host: &[u8], find: impl FnOnce(&str) -> T) -> Result<T, NoHost> {
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

    #[test]
    fn route_3_host_names() {
        for (header, expected) in [
            ("shop.localhost", "shop.localhost"),
            ("Shop.LocalHost:7780", "shop.localhost"),
            ("shop.localhost.:80", "shop.localhost"),
            ("[::1]:80", "[::1]"),
        ] {
            assert_eq!(with_host(header.as_bytes(), ToOwned::to_owned).as_deref(), Ok(expected), "{header}");
        }
        let long = "a".repeat(254);
        for bad in ["", ":80", "a b", long.as_str()] {
            assert_eq!(with_host(bad.as_bytes(), ToOwned::to_owned), Err(NoHost), "{bad:?}");
        }
    }
}
