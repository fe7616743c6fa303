//! What must hold before something is deployed to a stage of a pipeline: said in the pipeline's settings, and in `flowline.yml` of the
//! repository. Of the two the stricter counts, so that a commit cannot take its own gates away.

use crate::freeze::{Freeze, WINDOWS_LIMIT};
use std::time::Duration;

/// Names of required checks.
pub const CHECKS_LIMIT: usize = 20;

/// The length of a check's name in characters; forges have no longer ones.
pub const CHECK_NAME_LIMIT: usize = 100;

/// People who have to say yes: the issue is four eyes, not a vote.
pub const APPROVALS_LIMIT: u8 = 2;

/// The longest minimum time on the stage before: 30 days.
pub const SOAK_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The gates into one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagePolicy {
    /// Checks that must have succeeded on the commit, by name.
    pub required_checks: Vec<String>,
    /// The release must have its green light on the stage before.
    pub green_light: bool,
    /// So many people other than the author must have approved it.
    pub approvals: u8,
    /// It must have been live on the stage before for this long.
    pub soak: Option<Duration>,
    /// When nothing is deployed.
    pub freezes: Vec<Freeze>,
    /// Who promotes to it. `None`: not said, which is by hand.
    pub promote: Option<Promote>,
}

/// What happens when all gates into a stage are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promote {
    /// Somebody promotes: continuous delivery.
    Manual,
    /// It is promoted at once: continuous deployment.
    Auto,
}

impl Promote {
    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Auto => "auto",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Manual, Self::Auto].into_iter().find(|promote| promote.word() == word)
    }
}

/// A policy that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// Too many, or one that is no name.
    #[error("required_checks are at most {CHECKS_LIMIT} names of 1 to {CHECK_NAME_LIMIT} characters, each given once")]
    Checks,
    /// Over [`APPROVALS_LIMIT`].
    #[error("approvals is 0, 1 or {APPROVALS_LIMIT}")]
    Approvals,
    /// Over [`SOAK_LIMIT`], or no length of time.
    #[error("soak is a length of time such as 45s, 30m, 2h or 1d, at most 30d")]
    Soak,
    /// Over [`WINDOWS_LIMIT`].
    #[error("A stage has at most {WINDOWS_LIMIT} freeze windows")]
    Freezes,
    /// No such word.
    #[error("promote is manual or auto")]
    Promote,
}

impl StagePolicy {
    /// Keeps it, if it is within its limits.
    ///
    /// # Errors
    /// [`BadPolicy`], the first that is found.
    pub fn checked(self) -> Result<Self, BadPolicy> {
        let name = |name: &String| {
            !name.trim().is_empty() && name.chars().count() <= CHECK_NAME_LIMIT && !name.chars().any(char::is_control)
        };
        let unique =
            self.required_checks.iter().enumerate().all(|(at, name)| !self.required_checks[..at].contains(name));
        if self.required_checks.len() > CHECKS_LIMIT || !self.required_checks.iter().all(name) || !unique {
            return Err(BadPolicy::Checks);
        }
        if self.approvals > APPROVALS_LIMIT {
            return Err(BadPolicy::Approvals);
        }
        if self.soak.is_some_and(|soak| soak > SOAK_LIMIT) {
            return Err(BadPolicy::Soak);
        }
        if self.freezes.len() > WINDOWS_LIMIT {
            return Err(BadPolicy::Freezes);
        }
        Ok(self)
    }

    /// Both at once: whatever one of them asks for. Only the settings (`self`) say that a stage is promoted to by hand though the
    /// file wishes otherwise.
    #[must_use]
    pub fn and(&self, file: &Self) -> Self {
        let mut both = self.clone();
        for name in &file.required_checks {
            if !both.required_checks.contains(name) {
                both.required_checks.push(name.clone());
            }
        }
        both.green_light |= file.green_light;
        both.approvals = both.approvals.max(file.approvals);
        both.soak = both.soak.max(file.soak);
        both.freezes.extend(file.freezes.iter().filter(|freeze| !self.freezes.contains(freeze)).cloned());
        both.promote = self.promote.or(file.promote);
        both
    }

    /// Is it promoted to without anybody asking?
    #[must_use]
    pub fn is_auto(&self) -> bool {
        self.promote == Some(Promote::Auto)
    }

    /// Does it ask for what only a release on the stage before can have?
    #[must_use]
    pub fn wants_promotion(&self) -> bool {
        self.green_light || self.approvals > 0 || self.soak.is_some()
    }
}

/// Reads `45s`, `30m`, `2h`, `1d`.
///
/// # Errors
/// [`BadPolicy::Soak`].
pub fn length_of_time(text: &str) -> Result<Duration, BadPolicy> {
    let text = text.trim();
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 24 * 3600)];
    let split = units.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit)));
    let (number, unit) = split.ok_or(BadPolicy::Soak)?;
    let number: u64 = number.parse().map_err(|_| BadPolicy::Soak)?;
    number
        .checked_mul(unit)
        .map(Duration::from_secs)
        .filter(|time| *time <= SOAK_LIMIT && number > 0)
        .ok_or(BadPolicy::Soak)
}

/// The shortest form that [`length_of_time`] reads back.
#[must_use]
pub fn in_words_short(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// A length of time as people read it, its two largest units: `2 h 5 min`.
#[must_use]
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let from = parts.iter().position(|(amount, _)| *amount > 0).unwrap_or(parts.len() - 1);
    let shown: Vec<String> = parts[from..]
        .iter()
        .take(2)
        .enumerate()
        .filter(|(at, (amount, _))| *at == 0 || *amount > 0)
        .map(|(_, (amount, unit))| format!("{amount} {unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_both_counts() {
        let settings = StagePolicy {
            required_checks: vec!["a".into()],
            approvals: 1,
            promote: Some(Promote::Manual),
            ..StagePolicy::default()
        };
        let file = StagePolicy {
            required_checks: vec!["a".into(), "b".into()],
            green_light: true,
            soak: Some(Duration::from_secs(60)),
            promote: Some(Promote::Auto),
            ..StagePolicy::default()
        };
        let both = settings.and(&file);
        assert_eq!(both.required_checks, ["a", "b"]);
        assert!(both.green_light && !both.is_auto());
        assert_eq!((both.approvals, both.soak), (1, Some(Duration::from_secs(60))));
        assert!(StagePolicy::default().and(&file).is_auto());
        assert_eq!(settings.and(&StagePolicy::default()), settings, "a file cannot take anything away");
    }

    #[test]
    fn limits() {
        let many = StagePolicy { required_checks: vec!["a".into(), "a".into()], ..StagePolicy::default() };
        assert_eq!(many.checked(), Err(BadPolicy::Checks));
        let three = StagePolicy { approvals: 3, ..StagePolicy::default() };
        assert_eq!(three.checked(), Err(BadPolicy::Approvals));
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(length_of_time("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(length_of_time("30d"), Ok(SOAK_LIMIT));
        for bad in ["", "0m", "31d", "1w", "m", "-1h", "1.5h", "5 µ"] {
            assert_eq!(length_of_time(bad), Err(BadPolicy::Soak), "{bad}");
        }
        assert_eq!(in_words(Duration::from_secs(7505)), "2 h 5 min");
        assert_eq!(in_words(Duration::from_secs(0)), "0 s");
        assert_eq!(in_words(Duration::from_secs(86_400)), "1 d");
    }
}
