//! The addresses that answers carry, as this client can reach them.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use model::app::AppName;
use model::id::{BuildId, LogSessionId, PromotionId, ReleaseId, SlugId, SourceId, TestNodeId, VerificationId};
use std::net::SocketAddr;

const PLATFORM: &str = "heroku.com";

/// Makes addresses under the name by which the client reached the server, so that any port and any proxy works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// `http://127.0.0.1:7700`, without a slash at the end.
    api: String,
    /// What git addresses begin with, where the operator said so (CLI-10).
    git: Option<String>,
}

impl Links {
    /// From the request's `Host` (and `X-Forwarded-Proto` of a proxy with TLS), else the `fallback`. Nothing of this is kept:
    /// a client that sends a false `Host` only misleads itself.
    #[must_use]
    pub fn of(headers: &HeaderMap, fallback: &str) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(HOST.as_str()).and_then(|host| host.parse::<Authority>().ok());
        let host = host.filter(|host| !host.as_str().contains('@') && !stands_in(host.host()));
        let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
        let api = host.map_or_else(|| fallback.to_owned(), |host| format!("{scheme}://{host}"));
        Self::new(&api)
    }

    /// Under this address of the API.
    #[must_use]
    pub fn new(api_url: &str) -> Self {
        Self { api: api_url.trim_end_matches('/').to_owned(), git: None }
    }

    /// With git addresses that begin with `git_url`, where there is one.
    #[must_use]
    pub fn with_git(mut self, git_url: Option<&str>) -> Self {
        self.git = git_url.map(|url| url.trim_end_matches('/').to_owned());
        self
    }

    /// Where to push.
    #[must_use]
    pub fn git(&self, app: &AppName) -> String {
        format!("{}/{app}.git", self.git.as_ref().unwrap_or(&self.api))
    }

    /// The address of the API.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The same by TLS: under the client's own name where it listens on every address.
    #[must_use]
    pub fn secure(&self, listens: SocketAddr) -> String {
        let host = self.rendezvous_host(listens);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        format!("https://{host}:{}", listens.port())
    }

    /// By which name a client can reach the rendezvous: its own address, unless it listens on all of them.
    #[must_use]
    pub fn rendezvous_host(&self, listens: SocketAddr) -> String {
        let authority = self.api.split_once("://").and_then(|(_, host)| host.parse::<Authority>().ok());
        match authority {
            Some(authority) if listens.ip().is_unspecified() => {
                authority.host().trim_matches(['[', ']']).to_ascii_lowercase()
            }
            Some(_) | None => listens.ip().to_string(),
        }
    }

    /// Where a client meets its program (DYNO-52).
    #[must_use]
    pub fn rendezvous(host: &str, listens: SocketAddr, secret: &str) -> String {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("rendezvous://{host}:{}/{secret}", listens.port())
    }

    /// A build's output.
    #[must_use]
    pub fn build_output(&self, build: BuildId, secret: &str) -> String {
        format!("{}/streams/builds/{build}/{secret}", self.api)
    }

    /// The events of a promotion.
    #[must_use]
    pub fn promotion_events(&self, promotion: PromotionId, secret: &str) -> String {
        format!("{}/streams/promotions/{promotion}/{secret}", self.api)
    }

    /// The output of a release command.
    #[must_use]
    pub fn release_output(&self, release: ReleaseId, secret: &str) -> String {
        format!("{}/streams/releases/{release}/{secret}", self.api)
    }

    /// What a test node prints before its tests.
    #[must_use]
    pub fn test_setup(&self, node: TestNodeId, secret: &str) -> String {
        format!("{}/streams/test-setup/{node}/{secret}", self.api)
    }

    /// What the tests of a node print.
    #[must_use]
    pub fn test_output(&self, node: TestNodeId, secret: &str) -> String {
        format!("{}/streams/test-output/{node}/{secret}", self.api)
    }

    /// The output of a check.
    #[must_use]
    pub fn verification_output(&self, verification: VerificationId, secret: &str) -> String {
        format!("{}/streams/verifications/{verification}/{secret}", self.api)
    }

    /// A file that a check left.
    #[must_use]
    pub fn verification_artifact(&self, verification: VerificationId, number: u32, secret: &str) -> String {
        format!("{}/blobs/verifications/{verification}/{number}/{secret}", self.api)
    }

    /// A log session's lines.
    #[must_use]
    pub fn log_session(&self, session: LogSessionId, secret: &str) -> String {
        format!("{}/streams/logs/{session}/{secret}", self.api)
    }

    /// A slug's archive.
    #[must_use]
    pub fn slug_blob(&self, slug: SlugId, secret: &str) -> String {
        format!("{}/blobs/slugs/{slug}/{secret}", self.api)
    }

    /// A source's archive. `control` knows this form when a build names it, and reads the archive without a detour.
    #[must_use]
    pub fn source_blob(&self, source: SourceId, secret: &str) -> String {
        format!("{}/sources/{source}/{secret}", self.api)
    }
}

/// A name of the platform that a proxy lets this server stand in for: nobody reaches the server by it without that proxy.
fn stands_in(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == PLATFORM || host.strip_suffix(PLATFORM).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Links::of(&map, "http://127.0.0.1:7700/").git(&"shop".parse().unwrap())
    }

    #[test]
    fn the_rendezvous_is_where_it_listens_or_where_the_api_is() {
        let host = |api: &str, listens: &str| Links::new(api).rendezvous_host(listens.parse().unwrap());
        assert_eq!(host("http://localhost:7700", "127.0.0.1:7733"), "127.0.0.1");
        assert_eq!(host("https://Flow.example.org", "0.0.0.0:7733"), "flow.example.org");
        assert_eq!(host("http://[::1]:7700", "[::]:7733"), "::1");
        let url = |host| Links::rendezvous(host, "[::]:7733".parse().unwrap(), "abc");
        assert_eq!(url("::1"), "rendezvous://[::1]:7733/abc");
        assert_eq!(url("flow.example.org"), "rendezvous://flow.example.org:7733/abc");
    }

    #[test]
    fn addresses_follow_the_host_that_the_client_used() {
        assert_eq!(git(&[("host", "api.example.org:81")]), "http://api.example.org:81/shop.git");
        assert_eq!(git(&[("host", "x.org"), ("x-forwarded-proto", "https")]), "https://x.org/shop.git");
        assert_eq!(git(&[]), "http://127.0.0.1:7700/shop.git");
        assert_eq!(git(&[("host", "a b/c")]), "http://127.0.0.1:7700/shop.git");
        assert_eq!(git(&[("host", "user@x.org")]), "http://127.0.0.1:7700/shop.git");
        assert_eq!(
            git(&[("host", "api.Heroku.com"), ("x-forwarded-proto", "https")]),
            "http://127.0.0.1:7700/shop.git"
        );
        assert_eq!(git(&[("host", "notheroku.com")]), "http://notheroku.com/shop.git");
    }
}
