//! A pipeline: apps of one codebase, each at one stage (PIPE-1 to PIPE-13).

use crate::id::{AccountId, PipelineId, TeamId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// Its name; several pipelines may have the same (PIPE-2).
    pub name: PipelineName,
    /// Whose it is.
    pub owner: PipelineOwner,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whose a pipeline is (PIPE-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineOwner {
    /// One account's.
    User(AccountId),
    /// A team's.
    Team(TeamId),
}

impl PipelineOwner {
    /// `user` or `team`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Team(_) => "team",
        }
    }
}

/// `^[a-z][a-z0-9-]{2,29}$` (PIPE-2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineName(String);

/// Text that cannot be a pipeline's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Name `{}` is not valid for a pipeline: use 3 to 30 lower-case letters, digits and dashes, beginning with a letter",
    .0.escape_debug()
)]
pub struct BadPipelineName(pub String);

impl PipelineName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PipelineName {
    type Err = BadPipelineName;

    fn from_str(text: &str) -> Result<Self, BadPipelineName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (3..=30).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(inner);
        if good { Ok(Self(text.to_owned())) } else { Err(BadPipelineName(text.chars().take(60).collect())) }
    }
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far the code of an app has come (PIPE-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Where tests run; its apps live as long as a test run.
    Test,
    /// Review apps.
    Review,
    /// Development.
    Development,
    /// Staging.
    Staging,
    /// Production.
    Production,
}

/// A word that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no stage: there are test, review, development, staging and production", .0.escape_debug())]
pub struct NoSuchStage(pub String);

impl Stage {
    /// All of them, in the order of the API.
    pub const ALL: [Self; 5] = [Self::Test, Self::Review, Self::Development, Self::Staging, Self::Production];

    /// The order in which people read them (PIPE-22).
    pub const LISTED: [Self; 5] = [Self::Test, Self::Development, Self::Review, Self::Staging, Self::Production];

    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Review => "review",
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Where code goes from here when nobody says where (PIPE-38).
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Development => Some(Self::Staging),
            Self::Staging => Some(Self::Production),
            Self::Test | Self::Review | Self::Production => None,
        }
    }

    /// Where code comes from to get here.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        match self {
            Self::Staging => Some(Self::Development),
            Self::Production => Some(Self::Staging),
            Self::Test | Self::Review | Self::Development => None,
        }
    }

    /// Does the stage have config vars of its own, for apps that are made there (PIPE-12)?
    #[must_use]
    pub fn has_config_vars(self) -> bool {
        match self {
            Self::Test | Self::Review => true,
            Self::Development | Self::Staging | Self::Production => false,
        }
    }

    /// What an app's name says of its stage, and the name without that (PIPE-20).
    #[must_use]
    pub fn guess(app: &str) -> (Self, &str) {
        const ENDINGS: &[(Stage, &[&str])] = &[
            (Stage::Development, &["-dev", "-development", "-uat", "-tst", "-test", "-qa"]),
            (Stage::Staging, &["-stg", "-staging"]),
            (Stage::Production, &["-prd", "-prod", "-production", "-admin", "-demo"]),
        ];
        let ends = |(stage, endings): &(Self, &[&str])| {
            endings.iter().find_map(|ending| app.strip_suffix(ending)).map(|rest| (*stage, rest))
        };
        ENDINGS.iter().find_map(ends).unwrap_or((Self::Production, app))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Stage {
    type Err = NoSuchStage;

    fn from_str(text: &str) -> Result<Self, NoSuchStage> {
        let found = Self::ALL.into_iter().find(|stage| stage.word() == text);
        found.ok_or_else(|| NoSuchStage(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipe_2_names() {
        for good in ["abc", "my-app", "a-1", "ends-in-a-dash-", &"a".repeat(30)] {
            assert!(good.parse::<PipelineName>().is_ok(), "{good}");
        }
        for bad in ["", "ab", "1ab", "Abc", "a_b", "a/b", "abc\n", "-ab", "äbc", &"a".repeat(31)] {
            assert!(bad.parse::<PipelineName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pipe_3_stages_have_words_and_an_order() {
        for stage in Stage::ALL {
            assert_eq!(stage.word().parse(), Ok(stage));
            assert_eq!(stage.next().and_then(Stage::before), stage.next().map(|_| stage));
            assert!(Stage::LISTED.contains(&stage));
        }
        assert_eq!((Stage::Development.next(), Stage::Staging.next()), (Some(Stage::Staging), Some(Stage::Production)));
        for last in [Stage::Production, Stage::Review, Stage::Test] {
            assert_eq!(last.next(), None, "pipe_38");
        }
        let said = "prod".parse::<Stage>().unwrap_err().to_string();
        assert!(said.contains("production"), "{said}");
        assert_eq!(Stage::ALL.into_iter().filter(|stage| stage.has_config_vars()).count(), 2, "pipe_12");
    }

    #[test]
    fn pipe_20_what_a_name_says() {
        for (name, stage, rest) in [
            ("shop-dev", Stage::Development, "shop"),
            ("shop-qa", Stage::Development, "shop"),
            ("shop-staging", Stage::Staging, "shop"),
            ("shop-stg", Stage::Staging, "shop"),
            ("shop-production", Stage::Production, "shop"),
            ("shop-demo", Stage::Production, "shop"),
            ("shop", Stage::Production, "shop"),
            ("staging-shop", Stage::Production, "staging-shop"),
        ] {
            assert_eq!(Stage::guess(name), (stage, rest), "{name}");
        }
    }
}
