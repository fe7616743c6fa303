//! What this machine gives to dynos, and what is missing.

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but less well.
    Warning,
    /// Dynos cannot run.
    Bad,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty when it is good.
    pub hint: String,
}

/// Looks at the machine.
#[must_use]
pub fn doctor() -> Vec<Check> {
    Vec::new()
}
