//! Where the Flowline is that the official command line is to reach: its API, its git, its authority.

use crate::engine::registry::{host, local};
use crate::env::Env;
use crate::error::CliError;
use crate::rendezvous;
use crate::session::Session;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;

/// The platform's own git host, which the proxy leads here where this server has no TLS of its own.
const PLATFORM_GIT: &str = "https://git.heroku.com";

/// One server, seen from this machine.
pub(super) struct Place {
    /// Scheme, host and port of the API.
    pub(super) url: String,
    /// The certificate of its own authority.
    pub(super) authority: String,
    /// Where git reaches it by TLS, the only way that the official command line knows; `None`: nowhere but by the proxy.
    pub(super) git: Option<String>,
    /// Was it said whom to believe for it?
    told: bool,
}

/// What is read of `GET /addresses`.
#[derive(Deserialize)]
struct Addresses {
    tls: Option<String>,
}

impl Place {
    /// Asks the server.
    pub(super) async fn of(session: &Session<'_>) -> Result<Self, CliError> {
        let client = &session.client;
        let url = client.server.url.clone();
        let authority = rendezvous::authority(client).await?;
        let odd = |_| CliError::NotFlowline { url: url.clone(), why: "its ca.pem is no text".to_owned() };
        let mut authority = String::from_utf8(authority).map_err(odd)?;
        if let Some(file) = &client.server.ca {
            let what = || format!("read {}", file.display());
            authority += &std::fs::read_to_string(file).map_err(|error| CliError::local(what(), error))?;
        }
        let git = if url.starts_with("https:") {
            Some(url.clone())
        } else {
            match client.public("/addresses").await {
                Ok(answer) => client.read::<Addresses>(&answer)?.tls.filter(|tls| reachable(tls, &url)),
                // An older server has no such listener.
                Err(CliError::Refused { status: 404, .. }) => None,
                Err(error) => return Err(error),
            }
        };
        Ok(Self { url, authority, git, told: client.server.ca.is_some() })
    }

    /// `host:port` of git.
    pub(super) fn git_host(&self) -> &str {
        let git = self.git.as_deref().unwrap_or(PLATFORM_GIT);
        git.split_once("://").map_or(git, |(_, host)| host)
    }

    /// The host of the API without its port.
    pub(super) fn host(&self) -> String {
        host(&self.url).unwrap_or_default()
    }

    /// Is it by TLS, and believed because the user said whom to believe?
    pub(super) fn believed_by_file(&self) -> bool {
        self.told && self.url.starts_with("https:")
    }

    /// The name of this server's folder.
    pub(super) fn folder(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || ".-".contains(letter) { letter } else { '_' };
        self.url.split_once("://").map_or(self.url.as_str(), |(_, host)| host).chars().map(plain).collect()
    }

    /// Has git to be told whom to believe? Not where the server stands behind a certificate that the whole world believes.
    pub(super) fn own_authority(&self) -> bool {
        self.told || self.git.as_deref() != Some(self.url.as_str())
    }

    /// Git's global settings for this run: those of the user, and how to reach this server. What git is told to store
    /// globally meanwhile lands here and not in the user's own file.
    pub(super) fn git_config(&self, env: &Env, authority: &Path, proxy: Option<SocketAddr>) -> String {
        let mut text = String::new();
        let config_home = env.config_home.clone().or_else(|| env.home.as_ref().map(|home| home.join(".config")));
        let own =
            [config_home.map(|home| home.join("git/config")), env.home.as_ref().map(|home| home.join(".gitconfig"))];
        for path in own.into_iter().flatten() {
            text += &format!("[include]\n\tpath = {}\n", value(path.display()));
        }
        let git = self.git.as_deref().unwrap_or(PLATFORM_GIT);
        // The first, empty one takes other helpers away: they would keep this server's token.
        text += &format!("[credential \"{git}\"]\n\thelper =\n\thelper = !heroku git:credentials\n");
        let authority = value(authority.display());
        if self.own_authority() {
            text += &format!("[http \"{git}/\"]\n\tsslCAInfo = {authority}\n");
        }
        if let Some(proxy) = proxy {
            text += &format!("[http \"{PLATFORM_GIT}/\"]\n\tproxy = http://{proxy}\n\tsslCAInfo = {authority}\n");
        }
        text
    }
}

/// A value of a git config file.
fn value(path: impl std::fmt::Display) -> String {
    format!("\"{}\"", path.to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// A server elsewhere that listens on its loopback by TLS is not reached there.
fn reachable(tls: &str, url: &str) -> bool {
    !local(tls) || local(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_its_own_machine_only() {
        assert!(reachable("https://127.0.0.1:7743", "http://localhost:7700"));
        assert!(reachable("https://flow.example.org:7743", "http://flow.example.org:7700"));
        assert!(!reachable("https://127.0.0.1:7743", "http://10.0.0.7:7700"));
    }

    #[test]
    fn paths_in_a_git_config_are_quoted() {
        assert_eq!(value("/srv/a \"b\""), r#""/srv/a \"b\"""#);
    }
}
