//! Reservations: what a client gets that wants into a dyno by SSH, and what it is still good for.
//!
//! A reservation's secret is the user name. The official command line uses one for a single program or file, or else for
//! every connection that comes to a port that it forwards, as long as it runs: so it opens one of the two, and never both.

use std::time::Duration;

/// A program or a file is asked for right after the reservation; a secret that was caught later opens none.
pub const PROGRAM_LIMIT: Duration = Duration::from_secs(60);

/// Ports are forwarded for as long as a dyno of a formation lives at most.
pub const FORWARD_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What came of a reservation. A visit is one SSH connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Nothing yet.
    Fresh,
    /// It belongs to the visit that started a program or read files.
    Taken {
        /// Which.
        visit: u64,
    },
    /// It forwards ports, for any visit.
    Forwards,
}

/// What a visit wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To come in.
    Enter,
    /// Programs and files.
    Program,
    /// A connection to a port.
    Forward,
}

/// A reservation that is not good for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReserved {
    /// Somebody had it.
    #[error("this reservation was used before; ask for another")]
    Used,
    /// It came too late.
    #[error("this reservation is too old; ask for another")]
    Late,
}

impl Use {
    /// What becomes of a reservation, made `age` ago, by what the visit wants of it.
    ///
    /// # Errors
    /// [`NotReserved`]; then it stays as it is.
    pub fn on(self, wish: Wish, visit: u64, age: Duration) -> Result<Self, NotReserved> {
        match (self, wish) {
            (Self::Taken { visit: taken }, Wish::Enter | Wish::Program | Wish::Forward) => {
                if taken == visit {
                    Ok(self)
                } else {
                    Err(NotReserved::Used)
                }
            }
            (Self::Fresh | Self::Forwards, _) if age >= FORWARD_LIMIT => Err(NotReserved::Late),
            (Self::Fresh | Self::Forwards, Wish::Enter) => Ok(self),
            (Self::Fresh, Wish::Program) if age >= PROGRAM_LIMIT => Err(NotReserved::Late),
            (Self::Fresh, Wish::Program) => Ok(Self::Taken { visit }),
            (Self::Forwards, Wish::Program) => Err(NotReserved::Used),
            (Self::Fresh | Self::Forwards, Wish::Forward) => Ok(Self::Forwards),
        }
    }

    /// Is it good for nothing any more, whoever comes? One that is taken goes with its visit.
    #[must_use]
    pub fn is_over(self, age: Duration) -> bool {
        match self {
            Self::Fresh | Self::Forwards => age >= FORWARD_LIMIT,
            Self::Taken { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_23_a_reservation_is_for_one_program_or_for_ports() {
        let (soon, later, too_late) = (Duration::ZERO, PROGRAM_LIMIT, FORWARD_LIMIT);
        let taken = Use::Taken { visit: 1 };
        let (used, late) = (Err(NotReserved::Used), Err(NotReserved::Late));
        for (state, wish, visit, age, want) in [
            (Use::Fresh, Wish::Enter, 1, soon, Ok(Use::Fresh)),
            (Use::Fresh, Wish::Enter, 1, later, Ok(Use::Fresh)),
            (Use::Fresh, Wish::Enter, 1, too_late, late),
            (Use::Fresh, Wish::Program, 1, soon, Ok(taken)),
            (Use::Fresh, Wish::Program, 1, later, late),
            (Use::Fresh, Wish::Forward, 1, later, Ok(Use::Forwards)),
            (Use::Forwards, Wish::Enter, 2, later, Ok(Use::Forwards)),
            (Use::Forwards, Wish::Forward, 2, later, Ok(Use::Forwards)),
            (Use::Forwards, Wish::Program, 1, soon, used),
            (Use::Forwards, Wish::Forward, 1, too_late, late),
            (taken, Wish::Program, 1, later, Ok(taken)),
            (taken, Wish::Forward, 1, later, Ok(taken)),
            (taken, Wish::Enter, 2, soon, used),
            (taken, Wish::Program, 2, soon, used),
            (taken, Wish::Forward, 2, soon, used),
        ] {
            assert_eq!(state.on(wish, visit, age), want, "{state:?} {wish:?} by {visit} after {age:?}");
        }
        assert!(Use::Fresh.is_over(too_late) && !Use::Forwards.is_over(later) && !taken.is_over(too_late));
    }
}
