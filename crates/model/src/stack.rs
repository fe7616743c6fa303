//! A stack: the read-only files below an app.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a stack, such as `heroku-24`.
///
/// In this version there is one: the machine's own files, read-only, under the name that buildpacks expect in `STACK`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stack(String);

/// A stack that this server does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Stack `{0}` is not available on this server: use {DEFAULT}")]
pub struct NoSuchStack(pub String);

const DEFAULT: &str = "heroku-24";

impl Stack {
    /// The stack by its name.
    ///
    /// # Errors
    /// [`NoSuchStack`] for a name that this server does not have.
    pub fn named(name: &str) -> Result<Self, NoSuchStack> {
        if name == DEFAULT { Ok(Self(name.to_owned())) } else { Err(NoSuchStack(name.to_owned())) }
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
