//! An app and its name.

use crate::id::{AccountId, AppId, TeamId};
use crate::stack::Stack;
use crate::time::Timestamp;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One app: a name, a ledger of releases, a formation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name: the git path and the first label of its host.
    pub name: AppName,
    /// Whose it is; of a team's app, who made it.
    pub owner: AccountId,
    /// The team that it belongs to.
    pub team: Option<TeamId>,
    /// May a team's members only look until they are added (TEAM-4)?
    pub locked: bool,
    /// The region as the client sent it (CLI-11).
    pub region: String,
    /// What its dynos run on.
    pub stack: Stack,
    /// Web requests get the maintenance page while this is set (ROUTE-63).
    pub maintenance: bool,
    /// What the last build's pack called itself (`Node.js`).
    pub buildpack: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// `^[a-z][a-z0-9-]{1,28}[a-z0-9]$` (APP-1): fit for a host label, a path and a command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

/// A name that cannot be an app's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Name `{0}` is not valid: use 3 to 30 lower-case letters, digits and dashes, beginning with a letter and not ending in a dash"
)]
pub struct BadAppName(pub String);

impl AppName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `adjective-noun-12345`, for an app created without a name (APP-1).
    #[must_use]
    pub fn generate(world: &dyn World) -> Self {
        let pick =
            |words: &[&'static str]| words[world.below(u32::try_from(words.len()).unwrap_or(1)) as usize % words.len()];
        Self(format!("{}-{}-{:05}", pick(ADJECTIVES), pick(NOUNS), world.below(100_000)))
    }
}

impl FromStr for AppName {
    type Err = BadAppName;

    fn from_str(text: &str) -> Result<Self, BadAppName> {
        let bytes = text.as_bytes();
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        let good = (3..=30).contains(&bytes.len())
            && bytes[0].is_ascii_lowercase()
            && bytes.iter().all(inner)
            && !text.ends_with('-');
        if good { Ok(Self(text.to_owned())) } else { Err(BadAppName(text.to_owned())) }
    }
}

impl TryFrom<String> for AppName {
    type Error = BadAppName;

    fn try_from(text: String) -> Result<Self, BadAppName> {
        text.parse()
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const ADJECTIVES: &[&str] = &[
    "amber", "brave", "calm", "clear", "crisp", "dusty", "early", "fresh", "gentle", "golden", "hidden", "icy",
    "jolly", "keen", "light", "lively", "lucky", "mellow", "misty", "noble", "quiet", "rapid", "rustic", "sandy",
    "shiny", "silent", "snowy", "steady", "sunny", "swift", "tidy", "vivid", "warm", "wild", "young",
];
const NOUNS: &[&str] = &[
    "bay", "beach", "bird", "brook", "canyon", "cliff", "cloud", "creek", "dawn", "delta", "field", "forest", "garden",
    "glacier", "harbor", "hill", "island", "lagoon", "lake", "leaf", "meadow", "moon", "peak", "pine", "pond", "rain",
    "reef", "ridge", "river", "shore", "sky", "star", "stone", "stream", "valley", "wave", "wind",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_1_names() {
        for good in ["abc", "my-app", "a12345678901234567890123456789", "a-1"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        let long = "a".repeat(31);
        for bad in ["", "ab", "1ab", "Abc", "abc-", "a_b", "a.b", "../x", "a b", "app\n", &long, "-abc", "äbc"] {
            assert!(bad.parse::<AppName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn longest_generated_name_is_a_name() {
        let longest = |words: &[&str]| words.iter().map(|word| word.len()).max().unwrap();
        assert!(longest(ADJECTIVES) + longest(NOUNS) + 7 <= 30);
    }
}
