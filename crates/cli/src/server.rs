//! Which server is spoken to, and with which token.

use crate::credentials::Credentials;
use crate::env::Env;
use crate::error::CliError;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where `flowline serve` listens when nobody says otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7700";

/// Where a server started in a checkout keeps its first token, below the checkout.
const CHECKOUT_TOKEN: &str = ".flowline/admin.token";

/// A token file is one line; more is not one of ours.
const TOKEN_LIMIT_BYTES: u64 = 4096;

/// A server and how to be known there.
#[derive(Clone)]
pub(crate) struct Server {
    /// Scheme, host and port, without a slash at the end.
    pub(crate) url: String,
    /// `None`: not logged in there.
    pub(crate) token: Option<String>,
    /// A file of the authorities that are believed in place of the machine's.
    pub(crate) ca: Option<PathBuf>,
}

impl Server {
    /// `FLOWLINE_URL`, else where `flowline login` was, else [`DEFAULT_URL`].
    pub(crate) fn choose(env: &Env) -> Result<Self, CliError> {
        let stored = Credentials::read(env)?;
        let url = match &env.url {
            Some(url) => normal_url(url, "FLOWLINE_URL")?,
            None => stored.current.clone().unwrap_or_else(|| DEFAULT_URL.to_owned()),
        };
        let token = env.token.clone().or_else(|| stored_token(env, &stored, &url));
        let ca = env.ca.clone().or_else(|| stored.servers.get(&url).and_then(|login| login.ca.clone()));
        Ok(Self { url, token, ca })
    }

    /// The token for exactly this server, for git: one server's token is never offered to another.
    pub(crate) fn token_for(env: &Env, url: &str) -> Result<Option<String>, CliError> {
        let chosen = Self::choose(env)?;
        if chosen.url == url {
            return Ok(chosen.token);
        }
        Ok(stored_token(env, &Credentials::read(env)?, url))
    }
}

fn stored_token(env: &Env, stored: &Credentials, url: &str) -> Option<String> {
    let stored = stored.servers.get(url).map(|login| login.token.clone());
    stored.or_else(|| if url == DEFAULT_URL { checkout_token(&env.cwd) } else { None })
}

/// The token of the server that runs in this checkout, so that the commands work at once after `make run`.
fn checkout_token(cwd: &Path) -> Option<String> {
    let file = cwd.ancestors().find_map(|folder| File::open(folder.join(CHECKOUT_TOKEN)).ok())?;
    let mut token = String::new();
    file.take(TOKEN_LIMIT_BYTES).read_to_string(&mut token).ok()?;
    Some(token.trim().to_owned()).filter(|token| is_token(token))
}

/// Can this stand in an HTTP header?
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `http://host:port` without a slash at the end. `whose` names where the text came from.
pub(crate) fn normal_url(text: &str, whose: &str) -> Result<String, CliError> {
    let bad = || {
        CliError::usage(
            format!("{whose} `{text}` is not the URL of a server."),
            format!("Write it with its scheme, for example {DEFAULT_URL} or https://flowline.example.com."),
        )
    };
    let url = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let uri: hyper::Uri = url.parse().map_err(|_| bad())?;
    let plain = uri.path() == "/" && uri.query().is_none() && !url.contains('@');
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if scheme && plain && uri.host().is_some_and(|host| !host.is_empty()) { Ok(url) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        assert_eq!(normal_url("http://127.0.0.1:7700/", "URL").unwrap(), "http://127.0.0.1:7700");
        assert_eq!(normal_url("https://Flow.Example.com", "URL").unwrap(), "https://flow.example.com");
        for bad in
            ["", "127.0.0.1:7700", "flow.example.com", "ftp://x", "http://", "http://a/b", "http://u:p@a", "http://a b"]
        {
            assert!(normal_url(bad, "URL").is_err(), "{bad}");
        }
    }

    #[test]
    fn the_checkouts_token_is_found_from_below() {
        let checkout = tempfile::tempdir().unwrap();
        let below = checkout.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(checkout_token(&below), None);
        std::fs::create_dir(checkout.path().join(".flowline")).unwrap();
        std::fs::write(checkout.path().join(CHECKOUT_TOKEN), "s3cret\n").unwrap();
        assert_eq!(checkout_token(&below).as_deref(), Some("s3cret"));
        std::fs::write(checkout.path().join(CHECKOUT_TOKEN), "two\nlines\n").unwrap();
        assert_eq!(checkout_token(&below), None);
    }
}
