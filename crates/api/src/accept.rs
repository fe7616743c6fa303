//! The `Accept` header: which version of the API a client speaks (API-1).

/// The only version there is; clients add a variant, as in `version=3.sdk`.
const VERSION: &str = "3";

/// Can this client read what version 3 answers? Without the header, and for anything that admits JSON: yes.
#[must_use]
pub fn admits(accept: Option<&str>) -> bool {
    accept.is_none_or(|accept| accept.trim().is_empty() || accept.split(',').any(range_admits))
}

fn range_admits(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    match media.as_str() {
        "*/*" | "application/*" | "application/json" => true,
        "application/vnd.heroku+json" => parts.filter_map(|part| part.strip_prefix("version=")).all(is_version),
        _ => false,
    }
}

fn is_version(version: &str) -> bool {
    version.strip_prefix(VERSION).is_some_and(|variant| variant.is_empty() || variant.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_1_version_3_in_every_variant() {
        for variant in ["", ".sdk", ".pipelines", ".review-apps", ".docker-releases", ".cedar-acm"] {
            assert!(admits(Some(&format!("application/vnd.heroku+json; version=3{variant}"))), "{variant}");
        }
        for accept in ["*/*", "application/json", "text/html, */*;q=0.1", "Application/JSON;q=1", ""] {
            assert!(admits(Some(accept)), "{accept}");
        }
        assert!(admits(None));
    }

    #[test]
    fn api_1_other_versions_and_media_are_refused() {
        for accept in ["application/vnd.heroku+json; version=2", "application/vnd.heroku+json;version=30", "text/html"]
        {
            assert!(!admits(Some(accept)), "{accept}");
        }
    }
}
