//! A webhook: a subscription to an app's events (HOOK-1 to HOOK-3).

use crate::event::{Entity, NoSuchEntity};
use crate::id::{AppId, WebhookId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Webhooks of one app (HOOK-1).
pub const LIMIT_PER_APP: usize = 10;

/// The longest address that is taken; servers refuse longer ones.
pub const URL_LIMIT_BYTES: usize = 2048;

/// The longest secret and the longest `Authorization`: real ones are far shorter.
pub const SECRET_LIMIT_BYTES: usize = 1024;

/// What stands in no address unescaped (RFC 3986).
const UNSAFE: [char; 9] = ['"', '<', '>', '\\', '^', '`', '{', '|', '}'];

/// How much is done to deliver (HOOK-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One attempt.
    Notify,
    /// Until it is taken, in order.
    Sync,
}

impl Level {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Sync => "sync",
        }
    }
}

impl FromStr for Level {
    type Err = WebhookRefused;

    fn from_str(text: &str) -> Result<Self, WebhookRefused> {
        let all = [Self::Notify, Self::Sync];
        all.into_iter().find(|one| one.word() == text).ok_or_else(|| WebhookRefused::BadLevel(text.to_owned()))
    }
}

/// What somebody cannot subscribe with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefused {
    /// HOOK-3.
    #[error("include: {0}")]
    BadEntity(#[from] NoSuchEntity),
    /// Nothing to be told.
    #[error("include must name at least one entity, such as api:release")]
    NothingIncluded,
    /// HOOK-6.
    #[error("level `{0}` must be notify (one attempt) or sync (until it is delivered, in order)")]
    BadLevel(String),
    /// No address to be reached.
    #[error(
        "url must be an http or https address of at most {URL_LIMIT_BYTES} bytes, such as https://example.org/hook"
    )]
    BadUrl,
    /// Cannot be a header's value or a key.
    #[error("{0} must be 1 to {SECRET_LIMIT_BYTES} bytes of printable ASCII")]
    BadSecret(&'static str),
}

/// Where notifications go: as it was sent, byte for byte (CLI-27).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl(String);

impl TargetUrl {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TargetUrl {
    type Err = WebhookRefused;

    /// Whether anybody is there does not matter (CLI-36).
    fn from_str(text: &str) -> Result<Self, WebhookRefused> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.filter(|_| text.len() <= URL_LIMIT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()));
        let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).ok_or(WebhookRefused::BadUrl)?;
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        // Credentials have a place of their own: `authorization`.
        let odd = |letter: char| !(letter.is_ascii_alphanumeric() || "-._:".contains(letter));
        let port_is_one = port.is_empty() || port.parse::<u16>().is_ok();
        if host.is_empty() || host.contains(odd) || !port_is_one || text.contains(UNSAFE) {
            return Err(WebhookRefused::BadUrl);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The app whose events it is about.
    pub app: AppId,
    /// What is told, as it was sent (CLI-27).
    pub include: Vec<Entity>,
    /// How much is done to deliver.
    pub level: Level,
    /// Where to.
    pub url: TargetUrl,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Reads what is to be told.
///
/// # Errors
/// The first word that is no entity, or none at all.
pub fn include(words: &[String]) -> Result<Vec<Entity>, WebhookRefused> {
    let mut entities = Vec::new();
    for word in words {
        let entity = word.parse()?;
        if !entities.contains(&entity) {
            entities.push(entity);
        }
    }
    if entities.is_empty() { Err(WebhookRefused::NothingIncluded) } else { Ok(entities) }
}

/// Is this fit to be a key or a header's value?
///
/// # Errors
/// [`WebhookRefused::BadSecret`] when it is not.
pub fn check_secret(what: &'static str, text: &str) -> Result<(), WebhookRefused> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if text.is_empty() || text.len() > SECRET_LIMIT_BYTES || !printable {
        return Err(WebhookRefused::BadSecret(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_27_addresses_are_kept_as_they_are() {
        for url in [
            "https://example.org",
            "http://127.0.0.1:8080/hook?a=b&c=%20#x",
            "http://[::1]:80/",
            "https://EXAMPLE.org/",
            "http://1234/",
        ] {
            assert_eq!(url.parse::<TargetUrl>().unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("https://example.org/{}", "x".repeat(URL_LIMIT_BYTES));
        let wrong =
            ["", "example.org", "ftp://example.org", "https://", "https:///hook", "https://a b/", "http://u:p@x/"];
        for url in wrong.into_iter().chain([long.as_str(), "https://x/\r\nHost: y", "https://ä.org", "http://:80/"]) {
            assert_eq!(url.parse::<TargetUrl>(), Err(WebhookRefused::BadUrl), "{url}");
        }
    }

    #[test]
    fn hook_3_included_entities() {
        let read = |words: &[&str]| include(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["api:build", "api:app", "api:build"]), Ok(vec![Entity::Build, Entity::App]));
        assert_eq!(read(&[]), Err(WebhookRefused::NothingIncluded));
        assert!(read(&["api:app", "nothing"]).is_err());
    }

    #[test]
    fn secrets_fit_into_a_header() {
        assert_eq!(check_secret("secret", "Bearer x"), Ok(()));
        for wrong in ["", "a\nb", "ä", &"x".repeat(SECRET_LIMIT_BYTES + 1)] {
            assert!(check_secret("secret", wrong).is_err());
        }
    }
}
