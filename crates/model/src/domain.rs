//! A domain: a host name that leads to an app (ROUTE-1, ROUTE-2).

use crate::app::App;
use crate::id::{AppId, DomainId, SniEndpointId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Host names of one app beside its own (ROUTE-2).
pub const DOMAINS_LIMIT: usize = 1000;

/// Longest host name of the DNS, and of one label in it.
const NAME_LIMIT_BYTES: usize = 253;
const LABEL_LIMIT_BYTES: usize = 63;

/// So much of a bad name is said back.
const SAID_BACK_LETTERS: usize = 64;

/// A host name of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub app: AppId,
    /// `www.example.com`, or `*.example.com`.
    pub hostname: String,
    /// Whether it came with the app.
    pub kind: DomainKind,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Where a domain comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainKind {
    /// The app's own name below the platform's domain: it comes and goes with the app, and is stored nowhere.
    Default,
    /// Somebody added it.
    Custom {
        /// The first label of the name that its DNS entry should point to.
        target: String,
        /// The certificate that it is served with.
        sni_endpoint: Option<SniEndpointId>,
    },
}

impl DomainKind {
    /// Its word in the API.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Default => "heroku",
            Self::Custom { .. } => "custom",
        }
    }

    /// What clients wait for. Nothing has to be verified here: a custom name leads to the app as soon as it is added.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Default => "none",
            Self::Custom { .. } => "succeeded",
        }
    }
}

impl Domain {
    /// The app's own: `host` is where it answers by itself. The id follows from the app's.
    #[must_use]
    pub fn default_of(app: &App, host: String) -> Self {
        const OTHER: u128 = 0x646f_6d61_696e;
        let id = DomainId(Uuid::from_u128(app.id.0.as_u128() ^ OTHER));
        let (created_at, updated_at) = (app.created_at, app.updated_at);
        Self { id, app: app.id, hostname: host, kind: DomainKind::Default, created_at, updated_at }
    }
}

/// A full host name as the DNS has it: lower case, punycode, `*.` in front where it means everything below.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hostname(String);

/// Text that is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid hostname: give a full name such as www.example.com, or *.example.com for all below it")]
pub struct BadHostname(pub String);

impl Hostname {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Would it take names that the platform itself gives away, which all end in `.<platform>`?
    #[must_use]
    pub fn takes_from(&self, platform: &str) -> bool {
        let below = |name: &str, top: &str| name.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
        let platform = platform.to_ascii_lowercase();
        let base = self.0.strip_prefix("*.");
        let name = base.unwrap_or(&self.0);
        name == platform || below(name, &platform) || base.is_some_and(|base| below(&platform, base))
    }
}

impl FromStr for Hostname {
    type Err = BadHostname;

    fn from_str(text: &str) -> Result<Self, BadHostname> {
        // What would move a terminal's cursor or turn the reading direction is not said back.
        let plain = |letter: char| letter.is_alphanumeric() || letter.is_ascii_graphic();
        let said_back = |letter: char| if plain(letter) { letter } else { '?' };
        let bad = || BadHostname(text.chars().take(SAID_BACK_LETTERS).map(said_back).collect());
        // In punycode a name only gets longer, but for letters of up to four bytes.
        if text.len() > 4 * NAME_LIMIT_BYTES || text.contains('%') {
            return Err(bad());
        }
        let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
        // IPv4 addresses in any notation come out as addresses.
        let Ok(url::Host::Domain(name)) = url::Host::parse(name.strip_suffix('.').unwrap_or(name)) else {
            return Err(bad());
        };
        let whole = format!("{star}{name}");
        let good = whole.len() <= NAME_LIMIT_BYTES && name.contains('.') && name.split('.').all(is_label);
        if good { Ok(Self(whole)) } else { Err(bad()) }
    }
}

fn is_label(label: &str) -> bool {
    let fits = (1..=LABEL_LIMIT_BYTES).contains(&label.len());
    let letters = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    fits && letters && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Hostname {
        text.parse().unwrap()
    }

    #[test]
    fn route_2_host_names() {
        for (text, expected) in [
            ("www.example.com", "www.example.com"),
            ("WWW.Example.COM.", "www.example.com"),
            ("*.example.com", "*.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("a-1.b2.example", "a-1.b2.example"),
        ] {
            assert_eq!(name(text).as_str(), expected, "{text}");
        }
        let (label, long) = (format!("{}.com", "a".repeat(64)), "ab.".repeat(84) + "example");
        for bad in [
            "",
            ".",
            "*",
            "*.",
            "com",
            "*.com",
            "a..com",
            "-a.com",
            "a-.com",
            "a_b.com",
            "*.*.com",
            "a.*.com",
            "1.2.3.4",
            "0x7f.1",
            "[::1]",
            "a b.com",
            "a.com/x",
            "a.com:80",
            "http://a.com",
            "a.com\n",
            "a@b.com",
            "%61.com",
            "a;b.com",
            "a'.com",
            "$(id).com",
            "xn--a.com",
            &label,
            &long,
        ] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(1_000_000).parse::<Hostname>().unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn nobody_takes_what_the_platform_gives_away() {
        for taken in
            ["apps.example.com", "shop.apps.example.com", "*.apps.example.com", "a.b.apps.example.com", "*.example.com"]
        {
            assert!(name(taken).takes_from("Apps.example.com"), "{taken}");
        }
        for free in ["www.example.com", "example.com", "myapps.example.com", "*.www.example.com", "*.other.com"] {
            assert!(!name(free).takes_from("apps.example.com"), "{free}");
        }
        assert!(name("shop.localhost").takes_from("localhost"));
    }
}
