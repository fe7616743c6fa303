//! A formation: how many dynos of which type should run, and the steps from what runs to that.

use crate::dyno::{Dyno, DynoName, DynoRole, DynoSize, DynoState};
use crate::id::{AppId, DynoId, FormationId, ReleaseId};
use crate::procfile::{ProcessType, ProcessTypes};
use crate::time::Timestamp;

/// The most dynos of one type (section 8.1: 100 for standard sizes).
pub const QUANTITY_LIMIT: u32 = 100;

/// The entry of one process type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formation {
    /// Its id.
    pub id: FormationId,
    /// Whose.
    pub app: AppId,
    /// The process type.
    pub process_type: ProcessType,
    /// How many should run.
    pub quantity: u32,
    /// How large each is.
    pub size: DynoSize,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A quantity as people write it: `2`, `+1`, `-1` (DYNO-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Exactly so many.
    Exactly(u32),
    /// So many more, or fewer.
    By(i64),
}

/// Why a formation is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormationError {
    /// DYNO-11.
    #[error("Couldn't find that process type ({0}).")]
    NoSuchType(String),
    /// Not a number.
    #[error("`{0}` is not a quantity: use 2, +1 or -1")]
    BadQuantity(String),
    /// Over [`QUANTITY_LIMIT`] or below zero.
    #[error("Cannot scale {process_type} to {wanted}: use 0 to {QUANTITY_LIMIT}")]
    OutOfRange {
        /// The process type.
        process_type: ProcessType,
        /// What was asked for.
        wanted: i64,
    },
    /// RELPH-2.
    #[error("The {0} process runs once per release and cannot be scaled")]
    RunsOnce(ProcessType),
}

impl Quantity {
    /// Reads `2`, `+1` or `-1`.
    ///
    /// # Errors
    /// [`FormationError::BadQuantity`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FormationError> {
        let bad = || FormationError::BadQuantity(text.to_owned());
        match text.as_bytes().first() {
            Some(b'+' | b'-') => text.parse().map(Self::By).map_err(|_| bad()),
            _ => text.parse().map(Self::Exactly).map_err(|_| bad()),
        }
    }

    /// The new quantity of a type that has `present` dynos.
    ///
    /// # Errors
    /// A result outside 0 to [`QUANTITY_LIMIT`], or any dyno of a type that runs once for each release.
    pub fn of(self, process_type: &ProcessType, present: u32) -> Result<u32, FormationError> {
        let wanted = match self {
            Self::Exactly(quantity) => i64::from(quantity),
            Self::By(change) => i64::from(present).saturating_add(change),
        };
        let process_type = process_type.clone();
        match u32::try_from(wanted) {
            Ok(quantity) if quantity > 0 && process_type.runs_once() => Err(FormationError::RunsOnce(process_type)),
            Ok(quantity) if quantity <= QUANTITY_LIMIT => Ok(quantity),
            Ok(_) | Err(_) => Err(FormationError::OutOfRange { process_type, wanted }),
        }
    }
}

/// How many dynos a type starts with that the formation did not have: one `web` on an app's first such release, else none (DYNO-12).
#[must_use]
pub fn first_quantity(process_type: &ProcessType, app_had_web_before: bool) -> u32 {
    u32::from(process_type.is_web() && !app_had_web_before)
}

/// What should run, for one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The current release.
    pub release: ReleaseId,
    /// Its number.
    pub version: i64,
    /// Commands by type, from its slug.
    pub process_types: ProcessTypes,
    /// How many of each.
    pub formation: Vec<Formation>,
}

/// One step towards it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start this dyno.
    Start {
        /// Its name.
        name: DynoName,
        /// Its size.
        size: DynoSize,
        /// What it runs.
        command: String,
    },
    /// Let it finish what it holds, then end it.
    Stop(DynoId),
    /// Take the record of a crashed dyno away: it is replaced or no longer wanted.
    Forget(DynoId),
}

impl Wanted {
    /// The dynos that should run, in the order of their names.
    fn slots(&self) -> impl Iterator<Item = (DynoName, DynoSize, &String)> {
        self.formation.iter().filter(|entry| !entry.process_type.runs_once()).flat_map(|entry| {
            let command = self.process_types.get(&entry.process_type);
            let number = 1..=command.map_or(0, |_| entry.quantity);
            number.filter_map(move |number| {
                let name = DynoName { process_type: entry.process_type.clone(), number };
                command.map(|command| (name, entry.size, command))
            })
        })
    }

    /// Does this dyno run what is wanted now?
    fn is_fresh(&self, dyno: &Dyno) -> bool {
        !dyno.retired
            && dyno.release == self.release
            && self.slots().any(|(name, size, _)| name == dyno.name && size == dyno.size)
    }

    /// Should any web dyno run?
    #[must_use]
    pub fn has_web(&self) -> bool {
        self.slots().any(|(name, _, _)| name.process_type.is_web())
    }

    /// Does the web type of this release serve with all the dynos it should have?
    #[must_use]
    pub fn web_is_up(&self, dynos: &[Dyno]) -> bool {
        self.slots().filter(|(name, _, _)| name.process_type.is_web()).all(|(name, _, _)| {
            dynos.iter().any(|dyno| dyno.name == name && self.is_fresh(dyno) && dyno.state == DynoState::Up)
        })
    }
}

/// The steps from what runs to what should run; empty when they agree. `dynos` may hold one-off dynos: they are left alone.
///
/// Web dynos of an older release stay until every web dyno of the new one accepts connections: a deploy drops no request, and
/// a release that does not boot leaves the one before it serving.
#[must_use]
pub fn converge(wanted: &Wanted, dynos: &[Dyno], now: Timestamp) -> Vec<Step> {
    let dynos: Vec<&Dyno> = dynos.iter().filter(|dyno| dyno.role == DynoRole::Formation).collect();
    let mut steps = Vec::new();
    for (name, size, command) in wanted.slots() {
        let of_slot = || {
            let fresh = |dyno: &&&Dyno| dyno.name == name && wanted.is_fresh(dyno);
            dynos.iter().filter(fresh)
        };
        let lives = of_slot().any(|dyno| matches!(dyno.state, DynoState::Starting | DynoState::Up | DynoState::Idle));
        let mut due = !lives;
        for dyno in of_slot() {
            // One that crashed beside one that lives was replaced already, perhaps by the server before this one.
            if let DynoState::Crashed { retry_at } = dyno.state {
                if lives || retry_at <= now {
                    steps.push(Step::Forget(dyno.id));
                } else {
                    due = false;
                }
            }
        }
        if due {
            steps.push(Step::Start { name, size, command: command.clone() });
        }
    }
    steps.extend(ends(wanted, &dynos));
    steps
}

/// What runs but should not, the highest numbers first (DYNO-13).
fn ends(wanted: &Wanted, dynos: &[&Dyno]) -> Vec<Step> {
    let web_wanted = wanted.slots().any(|(name, _, _)| name.process_type.is_web());
    let all: Vec<Dyno> = dynos.iter().map(|dyno| (*dyno).clone()).collect();
    let hand_over = !web_wanted || wanted.web_is_up(&all);
    let still_serves = |dyno: &Dyno| {
        dyno.name.process_type.is_web() && !hand_over && wanted.slots().any(|(name, _, _)| name == dyno.name)
    };
    let mut over: Vec<&&Dyno> = dynos.iter().filter(|dyno| !wanted.is_fresh(dyno)).collect();
    over.sort_by(|a, b| b.name.cmp(&a.name));
    let step = |dyno: &&&Dyno| match dyno.state {
        DynoState::Crashed { .. } => Some(Step::Forget(dyno.id)),
        DynoState::Stopping => None,
        DynoState::Starting if dyno.name.process_type.is_web() => Some(Step::Stop(dyno.id)),
        DynoState::Starting | DynoState::Up | DynoState::Idle => (!still_serves(dyno)).then_some(Step::Stop(dyno.id)),
    };
    over.iter().filter_map(step).collect()
}

#[cfg(test)]
#[path = "formation_tests.rs"]
mod tests;
