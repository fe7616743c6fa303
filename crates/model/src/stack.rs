//! A stack: the read-only files below an app.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a stack, such as `heroku-24`.
///
/// There are two: the machine's own files, read-only, under the name that buildpacks expect in `STACK`; and `container`, the files of
/// the image that somebody pushed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stack(String);

/// A stack that this server does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Stack `{0}` is not available on this server: use {DEFAULT}, or {CONTAINER} for images that you push")]
pub struct NoSuchStack(pub String);

const DEFAULT: &str = "heroku-24";

/// Of apps that run images and are not built here.
const CONTAINER: &str = "container";

/// What all stacks of the classic platform are called together. Old clients ask for it where they mean "the one that there is":
/// heroku3 sends it with every app that it makes.
const FAMILY: &str = "cedar";

impl Stack {
    /// The stack by its name.
    ///
    /// # Errors
    /// [`NoSuchStack`] for a name that this server does not have.
    pub fn named(name: &str) -> Result<Self, NoSuchStack> {
        if [DEFAULT, CONTAINER].contains(&name) { Ok(Self(name.to_owned())) } else { Err(NoSuchStack(name.to_owned())) }
    }

    /// All of them, by name.
    #[must_use]
    pub fn all() -> [Self; 2] {
        [Self::container(), Self::default()]
    }

    /// The one of apps that run images.
    #[must_use]
    pub fn container() -> Self {
        Self(CONTAINER.to_owned())
    }

    /// Does an app of it run images? Then it has nothing to build.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.0 == CONTAINER
    }

    /// The stack that a client asks for: by its name, or by that of the whole family, which is today's stack.
    ///
    /// # Errors
    /// [`NoSuchStack`] for a name that this server does not have.
    pub fn asked(name: &str) -> Result<Self, NoSuchStack> {
        if Self::is_family(name) { Ok(Self::default()) } else { Self::named(name) }
    }

    /// Is this the name of the family? Whoever sends it is told which stack they got.
    #[must_use]
    pub fn is_family(name: &str) -> bool {
        name == FAMILY
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_familys_name_is_todays_stack_and_nothing_else_is() {
        assert_eq!(Stack::asked("cedar"), Ok(Stack::default()));
        assert_eq!(Stack::asked(DEFAULT), Ok(Stack::default()));
        assert_eq!(Stack::asked(CONTAINER).map(|stack| stack.is_container()), Ok(true));
        for other in ["cedar-14", "heroku-18", "Cedar", ""] {
            assert_eq!(Stack::asked(other), Err(NoSuchStack(other.to_owned())));
        }
        assert!(Stack::named(FAMILY).is_err(), "it is no stack's own name");
    }
}
