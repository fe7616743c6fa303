//! Which step of building a sandbox failed, and why.

use std::fmt::{self, Display};
use std::io;

/// A failed step.
#[derive(Debug)]
pub(crate) struct Fault {
    step: String,
    cause: io::Error,
}

/// Names the step that a result belongs to.
pub(crate) trait Step<T> {
    /// The step is only written out when it failed.
    fn step(self, step: impl Display) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl Display) -> Result<T, Fault> {
        self.map_err(|cause| Fault { step: step.to_string(), cause: cause.into() })
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.cause)
    }
}
