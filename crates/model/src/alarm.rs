//! An alarm: something of an app that is broken, from the first time it fails until it works again.

use crate::id::{AccountId, AppId};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What was broken by crashing counts as mended once it has run for so long: twice what a dyno has to boot.
pub const CALM_AFTER: Duration = Duration::from_secs(120);

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know: also what went well.
    Info,
    /// Somebody's work came to nothing; what runs goes on.
    Warning,
    /// Visitors meet it, or may soon.
    Critical,
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("severity `{0}` must be info, warning or critical")]
pub struct NoSuchSeverity(pub String);

impl Severity {
    const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = NoSuchSeverity;

    fn from_str(text: &str) -> Result<Self, NoSuchSeverity> {
        Self::ALL.into_iter().find(|one| one.word() == text).ok_or_else(|| NoSuchSeverity(text.to_owned()))
    }
}

/// How something counts as mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mends {
    /// The next one that works.
    AtOnce,
    /// The next one that works; that it works is no news otherwise.
    Quietly,
    /// Working for [`CALM_AFTER`].
    Calmly,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $severity:ident, $mends:ident, $look:literal;)+) => {
        /// What can be broken. A new kind is one line of this table: its word, how much it matters, how it mends, and the command
        /// that shows more.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum AlarmKind {
            $($(#[$doc])* $name,)+
        }

        impl AlarmKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// How much it matters when it breaks.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)+
                }
            }

            fn mends(self) -> Mends {
                match self {
                    $(Self::$name => Mends::$mends,)+
                }
            }

            /// The command that shows more; `-a APP` follows it.
            #[must_use]
            pub fn look(self) -> &'static str {
                match self {
                    $(Self::$name => $look,)+
                }
            }
        }
    };
}

kinds! {
    /// No slug came of a source.
    Build = "build", Warning, AtOnce, "flowline builds";
    /// The release command failed: what ran before goes on.
    Release = "release", Critical, AtOnce, "flowline releases:output";
    /// A release is live and fails its check on the running server.
    Verify = "verify", Critical, AtOnce, "flowline verify:output";
    /// A dyno crashes again and again.
    Crash = "crash", Critical, Calmly, "flowline logs";
    /// A pushed commit did not pass its tests: nothing is built of it.
    Test = "test", Warning, AtOnce, "flowline ci";
    /// A promotion to the app came to nothing: what ran before goes on.
    Promotion = "promotion", Warning, AtOnce, "flowline releases";
    /// Gates keep code from the app.
    Gate = "gate", Warning, Quietly, "flowline pipelines:info";
    /// Nothing: somebody tries whether everybody is reached.
    Drill = "drill", Info, AtOnce, "flowline notifications:sent";
}

/// A word that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kind `{word}` must be one of {}", AlarmKind::words())]
pub struct NoSuchKind {
    /// The word.
    pub word: String,
}

impl AlarmKind {
    fn words() -> String {
        Self::ALL.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for AlarmKind {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        let found = Self::ALL.iter().copied().find(|kind| kind.word() == text);
        found.ok_or_else(|| NoSuchKind { word: text.to_owned() })
    }
}

/// What an event says of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It failed.
    Bad,
    /// It worked.
    Good,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// It works, as far as anybody knows.
    Fine,
    /// It fails.
    Broken {
        /// Since when.
        since: Timestamp,
    },
    /// It works again, but not for long yet.
    Mending {
        /// When it broke.
        since: Timestamp,
        /// When it began to work.
        from: Timestamp,
    },
}

impl AlarmState {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Broken { .. } => "broken",
            Self::Mending { .. } => "mending",
        }
    }

    /// Since when it is broken.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::Fine => None,
            Self::Broken { since } | Self::Mending { since, .. } => Some(since),
        }
    }
}

/// What became of an alarm: only these are told to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It worked and fails now.
    Broke,
    /// It failed before. Told only to an author who was not told yet.
    StillBroken,
    /// It failed and works now.
    Fixed,
    /// It worked before. Told only to those who want to know what went well.
    Well,
    /// Nothing: somebody tries a route.
    Test,
}

/// A word that is no turn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that becomes of an alarm")]
pub struct NoSuchTurn(pub String);

impl Turn {
    const ALL: [Self; 5] = [Self::Broke, Self::StillBroken, Self::Fixed, Self::Well, Self::Test];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Broke => "broken",
            Self::StillBroken => "still-broken",
            Self::Fixed => "fixed",
            Self::Well => "well",
            Self::Test => "test",
        }
    }
}

impl FromStr for Turn {
    type Err = NoSuchTurn;

    fn from_str(text: &str) -> Result<Self, NoSuchTurn> {
        Self::ALL.into_iter().find(|one| one.word() == text).ok_or_else(|| NoSuchTurn(text.to_owned()))
    }
}

/// Which thing of which app an alarm is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlarmKey {
    /// The app.
    pub app: AppId,
    /// What of it.
    pub kind: AlarmKind,
    /// Which one, where there are several: `web.1`. Else empty.
    pub thing: String,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub key: AlarmKey,
    /// How that is.
    pub state: AlarmState,
    /// How often it failed since it broke.
    pub failures: u32,
    /// Whose change failed last.
    pub author: Option<AccountId>,
    /// What failed, in one line.
    pub what: String,
    /// The first line that says why, if there was one.
    pub first_line: Option<String>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Alarm {
    /// Of something that nothing is known of yet.
    #[must_use]
    pub fn new(key: AlarmKey, at: Timestamp) -> Self {
        let (author, what, first_line) = (None, String::new(), None);
        Self { key, state: AlarmState::Fine, failures: 0, author, what, first_line, updated_at: at }
    }

    /// The only ways an alarm changes are this and [`Self::calm`]: an event came. `None`: nothing is to be told, now.
    pub fn on(&mut self, health: Health, at: Timestamp) -> Option<Turn> {
        let (state, turn) = match (self.state, health) {
            (AlarmState::Fine, Health::Bad) => (AlarmState::Broken { since: at }, Some(Turn::Broke)),
            (AlarmState::Broken { since } | AlarmState::Mending { since, .. }, Health::Bad) => {
                (AlarmState::Broken { since }, Some(Turn::StillBroken))
            }
            (AlarmState::Fine, Health::Good) => match self.key.kind.mends() {
                Mends::AtOnce => (AlarmState::Fine, Some(Turn::Well)),
                // That it does not crash, or that a gate is open, is no news.
                Mends::Calmly | Mends::Quietly => (AlarmState::Fine, None),
            },
            (AlarmState::Broken { since }, Health::Good) => match self.key.kind.mends() {
                Mends::AtOnce | Mends::Quietly => (AlarmState::Fine, Some(Turn::Fixed)),
                Mends::Calmly => (AlarmState::Mending { since, from: at }, None),
            },
            (mending @ AlarmState::Mending { .. }, Health::Good) => (mending, None),
        };
        self.state = state;
        self.updated_at = at;
        if health == Health::Bad {
            self.failures = if turn == Some(Turn::Broke) { 1 } else { self.failures.saturating_add(1) };
        }
        turn
    }

    /// Time went by: has it worked for long enough?
    pub fn calm(&mut self, now: Timestamp, after: Duration) -> Option<Turn> {
        match self.state {
            AlarmState::Mending { from, .. } if now.since(from) >= after => {
                (self.state, self.updated_at) = (AlarmState::Fine, now);
                Some(Turn::Fixed)
            }
            AlarmState::Fine | AlarmState::Broken { .. } | AlarmState::Mending { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn alarm(kind: AlarmKind) -> Alarm {
        Alarm::new(AlarmKey { app: AppId(Uuid::nil()), kind, thing: String::new() }, Timestamp(0))
    }

    #[test]
    fn an_alarm_turns_when_something_breaks_and_when_it_works_again() {
        let mut build = alarm(AlarmKind::Build);
        let health = [Health::Good, Health::Bad, Health::Bad, Health::Bad, Health::Good, Health::Good, Health::Bad];
        let turns: Vec<_> = (1..).zip(health).map(|(at, health)| build.on(health, Timestamp(at)).unwrap()).collect();
        let told =
            [Turn::Well, Turn::Broke, Turn::StillBroken, Turn::StillBroken, Turn::Fixed, Turn::Well, Turn::Broke];
        assert_eq!(turns, told);
        assert_eq!((build.failures, build.state), (1, AlarmState::Broken { since: Timestamp(7) }));
    }

    #[test]
    fn what_crashes_is_mended_only_when_it_runs_for_a_while() {
        let (mut crash, second) = (alarm(AlarmKind::Crash), 1_000_000);
        assert_eq!(crash.on(Health::Bad, Timestamp(0)), Some(Turn::Broke));
        assert_eq!(crash.on(Health::Good, Timestamp(5 * second)), None);
        assert_eq!(crash.on(Health::Bad, Timestamp(9 * second)), Some(Turn::StillBroken), "it flaps: nothing new");
        assert_eq!(crash.on(Health::Good, Timestamp(20 * second)), None);
        assert_eq!(crash.on(Health::Good, Timestamp(80 * second)), None, "said twice, counted from the first");
        assert_eq!(crash.calm(Timestamp(139 * second), CALM_AFTER), None);
        assert_eq!(crash.calm(Timestamp(140 * second), CALM_AFTER), Some(Turn::Fixed));
        assert_eq!((crash.state, crash.failures), (AlarmState::Fine, 2));
        assert_eq!(crash.calm(Timestamp(999 * second), CALM_AFTER), None);
    }

    #[test]
    fn that_a_gate_is_open_is_told_only_to_those_who_heard_that_it_was_shut() {
        let mut gate = alarm(AlarmKind::Gate);
        let turns = [Health::Good, Health::Bad, Health::Good, Health::Good].map(|health| gate.on(health, Timestamp(1)));
        assert_eq!(turns, [None, Some(Turn::Broke), Some(Turn::Fixed), None]);
    }

    #[test]
    fn words_read_back() {
        for kind in AlarmKind::ALL {
            assert_eq!(kind.word().parse(), Ok(*kind));
        }
        assert!("fire".parse::<AlarmKind>().unwrap_err().to_string().contains("must be one of build, release"));
        for severity in Severity::ALL {
            assert_eq!(severity.word().parse(), Ok(severity));
        }
        for turn in Turn::ALL {
            assert_eq!(turn.word().parse(), Ok(turn));
        }
        assert!(Severity::Critical > Severity::Warning && Severity::Warning > Severity::Info);
    }
}
