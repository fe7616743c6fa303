//! A check of a commit: what a CI, or a test run of the pipeline itself, says of it.

use crate::time::Timestamp;

/// How far a check on a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// It runs, or is to run.
    Pending,
    /// Well.
    Success,
    /// Not well.
    Failure,
    /// It could not be run.
    Error,
}

impl CheckState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Success, Self::Failure, Self::Error];

    /// Its word in the API: those of commit statuses at the forges.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// What a check said last of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitCheck {
    /// The commit, whole.
    pub commit: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: CheckState,
    /// In its own words.
    pub description: Option<String>,
    /// Where people see more.
    pub url: Option<String>,
    /// The e-mail of who reported it.
    pub by: String,
    /// When it first reported.
    pub created_at: Timestamp,
    /// When it said this.
    pub updated_at: Timestamp,
}
