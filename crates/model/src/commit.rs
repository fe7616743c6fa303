//! A commit: who wrote what is built, and when.

use crate::time::Timestamp;

/// The longest name, address or subject that is kept, in bytes: whoever commits may write what they like.
pub const TEXT_LIMIT_BYTES: usize = 1024;

/// What a git commit says of itself. Nobody has proven it: whoever commits writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// When it was committed, by the committer's clock (not the author's: a rebase makes a new one).
    pub at: Timestamp,
    /// Who wrote it.
    pub author: String,
    /// Their e-mail address.
    pub email: String,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// Does it say that it mends what was just deployed? `git revert` writes `Revert "…"`; `hotfix` is what people write.
    #[must_use]
    pub fn is_hotfix(&self) -> bool {
        is_hotfix(&self.subject)
    }
}

/// The same of a subject alone.
#[must_use]
pub fn is_hotfix(subject: &str) -> bool {
    let first = subject.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    ["hotfix", "revert"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hotfix_says_so_in_its_first_word() {
        for yes in ["hotfix: the basket", "Hotfix the basket", "Revert \"Another basket\"", "[HOTFIX] basket"] {
            assert!(is_hotfix(yes), "{yes}");
        }
        for no in ["", "Fix the basket", "Reverting is easy", "A hotfix", "hotfixes"] {
            assert!(!is_hotfix(no), "{no}");
        }
    }
}
