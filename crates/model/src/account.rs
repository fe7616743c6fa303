//! An account: who calls, and who a release or a build is by.

use crate::id::AccountId;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A person or machine with tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its e-mail address: also the name in "by …" log lines.
    pub email: String,
    /// What people call it.
    pub name: Option<String>,
    /// Does a login ask for a code as well (API-14)?
    pub two_factor: bool,
    /// May it make accounts and read the audit log of the whole server?
    pub operator: bool,
    /// When somebody last logged in with its password.
    pub last_login: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// One that was made just now: no name, no second factor, no operator.
    #[must_use]
    pub fn new(id: AccountId, email: String, at: Timestamp) -> Self {
        let (name, two_factor, operator, last_login) = (None, false, false, None);
        Self { id, email, name, two_factor, operator, last_login, created_at: at, updated_at: at }
    }
}

/// An e-mail address in lower case. Not proven to exist, but fit for a log line, a path and a mail header.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// The longest e-mail address (RFC 5321, 4.5.3.1.3: a path of 256 with its brackets).
const EMAIL_LIMIT_BYTES: usize = 254;

/// Text that is no e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no e-mail address: write one such as ada@example.com", .0.escape_debug())]
pub struct BadEmail(pub String);

impl FromStr for Email {
    type Err = BadEmail;

    fn from_str(text: &str) -> Result<Self, BadEmail> {
        let bad = || BadEmail(text.chars().take(EMAIL_LIMIT_BYTES).collect());
        let (user, host) = text.split_once('@').ok_or_else(bad)?;
        let plain = |part: &str, more: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte))
        };
        let good = text.len() <= EMAIL_LIMIT_BYTES && plain(user, ".!#$%&'*+/=?^_`{|}~-") && plain(host, ".-");
        if good { Ok(Self(text.to_ascii_lowercase())) } else { Err(bad()) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest name of an account, in bytes: it stands in tables.
pub const NAME_LIMIT_BYTES: usize = 100;

/// May this be what an account is called: short, and nothing that moves a terminal's cursor?
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT_BYTES && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails() {
        assert_eq!("Ada+x@Example.com".parse::<Email>().unwrap().to_string(), "ada+x@example.com");
        assert!("admin@localhost".parse::<Email>().is_ok());
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in ["", "ada", "@x", "ada@", "a b@c", "ada@x\n", "ada@x@y", "a\u{1b}@b", "ä@b", "a:b@c", &long] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
        assert!(is_name("Ada Lovelace") && !is_name("Ada\u{1b}[2J") && !is_name(&"a".repeat(101)));
    }
}
