//! A page of the app's owner in place of the router's own: shown in a frame, so that the status stays (ROUTE-61).

use bytes::Bytes;

/// No browser takes a longer one.
const URL_LIMIT_BYTES: usize = 2048;

/// The page around the page at `url`. `None`: it is no `http` or `https` URL.
pub(crate) fn page(title: &str, url: &str) -> Option<Bytes> {
    if !is_web(url) {
        return None;
    }
    let url = escaped(url);
    Some(Bytes::from(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><meta name=\"viewport\" \
         content=\"width=device-width\"><style>html,body,iframe{{margin:0;border:0;width:100%;height:100%;overflow:hidden}}\
         </style></head><body><iframe src=\"{url}\" title=\"{title}\"></iframe></body></html>\n"
    )))
}

fn is_web(url: &str) -> bool {
    let after = |scheme: &str| url.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = after("https://").or_else(|| after("http://"));
    let host = scheme.and_then(|scheme| url[scheme.len()..].chars().next());
    url.len() <= URL_LIMIT_BYTES
        && host.is_some_and(|first| !matches!(first, '/' | '?' | '#' | '\\'))
        && !url.chars().any(|char| char.is_whitespace() || char.is_control())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_61_only_web_pages_are_framed() {
        for good in ["https://pages.test/error.html", "HTTP://a.test", "https://a.test/?a=1&b=<x>"] {
            assert!(page("Error", good).is_some(), "{good}");
        }
        let long = format!("https://a.test/{}", "x".repeat(URL_LIMIT_BYTES));
        for bad in [
            "",
            "javascript:alert(1)",
            "ftp://a",
            "//a.test",
            "https:///x",
            "https://",
            "http://a b",
            "http://a\n",
            &long,
        ] {
            assert_eq!(page("Error", bad), None, "{bad}");
        }
    }

    #[test]
    fn route_61_a_url_cannot_leave_its_attribute() {
        let page = page("Error", "https://a.test/\"><script>alert('1')</script>&").unwrap();
        let page = std::str::from_utf8(&page).unwrap();
        assert!(
            !page.contains("<script") && page.contains("src=\"https://a.test/&quot;&gt;&lt;script&gt;alert(&#39;1")
        );
    }
}
