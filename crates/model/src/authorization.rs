//! An authorization: one token of an account, what it may be used for, and until when (OAUTH-1 to OAUTH-4).

use crate::id::{AccountId, AuthorizationId, OauthClientId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long the token that a client fetched is good; it fetches another one with its refresh token (OAUTH-2).
pub const CLIENT_TOKEN_LIFE: Duration = Duration::from_secs(8 * 60 * 60);

/// How long a code can be exchanged for a token (OAUTH-2).
pub const GRANT_LIFE: Duration = Duration::from_secs(5 * 60);

/// The longest description, in bytes: it stands in a table.
pub const DESCRIPTION_LIMIT_BYTES: usize = 200;

/// One token of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Its id.
    pub id: AuthorizationId,
    /// Whose it is.
    pub account: AccountId,
    /// The client that it was made for.
    pub client: Option<OauthClientId>,
    /// What it is for, in its maker's words.
    pub description: Option<String>,
    /// Was it made by a login?
    pub session: bool,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it ends; never, if missing.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Authorization {
    /// Seconds that are left; `None`: it does not end.
    #[must_use]
    pub fn expires_in_s(&self, now: Timestamp) -> Option<u64> {
        self.expires_at.map(|at| at.since(now).as_secs())
    }

    /// Is it over?
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What a token may be used for (OAUTH-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Global,
    /// See whose token it is.
    Identity,
    /// See apps and what belongs to them, but no config vars.
    Read,
    /// The same, and change them, but no config vars.
    Write,
    /// See config vars too.
    ReadProtected,
    /// See and change config vars too.
    WriteProtected,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Global, Self::Identity, Self::Read, Self::Write, Self::ReadProtected, Self::WriteProtected];

    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Identity => "identity",
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadProtected => "read-protected",
            Self::WriteProtected => "write-protected",
        }
    }

    fn allows(self, asked: Self) -> bool {
        match self {
            Self::Global => true,
            Self::Identity => asked == Self::Identity,
            Self::Read => matches!(asked, Self::Identity | Self::Read),
            Self::Write => matches!(asked, Self::Identity | Self::Read | Self::Write),
            Self::ReadProtected => matches!(asked, Self::Identity | Self::Read | Self::ReadProtected),
            Self::WriteProtected => asked != Self::Global,
        }
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no scope: there are global, identity, read, write, read-protected and write-protected", .0.escape_debug()
)]
pub struct NoSuchScope(pub String);

impl FromStr for Scope {
    type Err = NoSuchScope;

    fn from_str(text: &str) -> Result<Self, NoSuchScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.word() == text);
        found.ok_or_else(|| NoSuchScope(text.chars().take(DESCRIPTION_LIMIT_BYTES).collect()))
    }
}

/// The scopes of one token, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Everything.
    #[must_use]
    pub fn global() -> Self {
        Self(vec![Scope::Global])
    }

    /// May a token with these be used for that?
    #[must_use]
    pub fn allow(&self, asked: Scope) -> bool {
        self.0.iter().any(|scope| scope.allows(asked))
    }

    /// May one with these make one with those: nobody hands on more than they hold?
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        others.0.iter().all(|scope| self.allow(*scope))
    }

    /// Which they are.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(all: T) -> Self {
        let mut once = Vec::new();
        for scope in all {
            if !once.contains(&scope) {
                once.push(scope);
            }
        }
        Self(once)
    }
}

/// `read,write`, as the database keeps them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Scopes {
    type Err = NoSuchScope;

    fn from_str(text: &str) -> Result<Self, NoSuchScope> {
        text.split(',').filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oauth_1_what_each_scope_allows() {
        let allowed = |scope: Scope| {
            let scopes: Scopes = [scope].into_iter().collect();
            Scope::ALL.into_iter().filter(|asked| scopes.allow(*asked)).map(Scope::word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(allowed(Scope::Global), "global identity read write read-protected write-protected");
        assert_eq!(allowed(Scope::Identity), "identity");
        assert_eq!(allowed(Scope::Read), "identity read");
        assert_eq!(allowed(Scope::Write), "identity read write");
        assert_eq!(allowed(Scope::ReadProtected), "identity read read-protected");
        assert_eq!(allowed(Scope::WriteProtected), "identity read write read-protected write-protected");
    }

    #[test]
    fn nobody_hands_on_more_than_they_hold() {
        let scopes = |text: &str| text.parse::<Scopes>().unwrap();
        assert!(scopes("global").cover(&scopes("read,write-protected")));
        assert!(scopes("read,write").cover(&scopes("identity,read")));
        assert!(!scopes("read,write").cover(&scopes("read-protected")));
        assert!(!scopes("write-protected").cover(&Scopes::global()));
        assert_eq!(scopes("write,read,write").to_string(), "write,read");
        assert!("admin".parse::<Scopes>().unwrap_err().to_string().contains("write-protected"));
    }
}
