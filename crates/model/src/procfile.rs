//! The Procfile, and the process types that a slug carries.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The name of a process type: `[-\w]{1,128}` (DYNO-1, DYNO-2). It reaches dyno names, paths and log lines.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcessType(String);

/// Process types and their commands, in alphabetical order.
pub type ProcessTypes = BTreeMap<ProcessType, String>;

/// A name that no process type can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a process type: use letters, digits, `-` and `_`, at most 128")]
pub struct BadProcessType(pub String);

/// A Procfile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcfileError {
    /// A process type has no command.
    #[error("Procfile line {line}: `{name}` has no command; write `{name}: <command>`")]
    NoCommand {
        /// Counted from 1.
        line: usize,
        /// The process type.
        name: String,
    },
    /// Two lines name the same process type.
    #[error("Procfile line {line}: `{name}` is declared twice; keep one of them")]
    Twice {
        /// Counted from 1.
        line: usize,
        /// The process type.
        name: String,
    },
    /// Not text.
    #[error("Procfile is not UTF-8 text; save it as plain text")]
    NotText,
    /// Larger than [`PROCFILE_LIMIT_BYTES`].
    #[error("Procfile is larger than 64 KiB; it lists one command a line")]
    TooLarge,
}

/// No honest Procfile comes near this; it bounds what a push can make us parse.
pub const PROCFILE_LIMIT_BYTES: usize = 64 * 1024;

impl ProcessType {
    /// The one that gets HTTP and `PORT`.
    #[must_use]
    pub fn web() -> Self {
        Self("web".to_owned())
    }

    /// The one that runs before a release becomes current (RELPH-1).
    #[must_use]
    pub fn release() -> Self {
        Self("release".to_owned())
    }

    /// The one that checks a release on the running server, once it is live.
    #[must_use]
    pub fn verify() -> Self {
        Self("verify".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does it get HTTP?
    #[must_use]
    pub fn is_web(&self) -> bool {
        self.0 == "web"
    }

    /// Is it the release command?
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.0 == "release"
    }

    /// Does it run once for each release, and is never scaled (RELPH-2)?
    #[must_use]
    pub fn runs_once(&self) -> bool {
        self.is_release() || self.0 == "verify"
    }
}

impl FromStr for ProcessType {
    type Err = BadProcessType;

    fn from_str(text: &str) -> Result<Self, BadProcessType> {
        let good = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if good { Ok(Self(text.to_owned())) } else { Err(BadProcessType(text.to_owned())) }
    }
}

impl TryFrom<String> for ProcessType {
    type Error = BadProcessType;

    fn try_from(text: String) -> Result<Self, BadProcessType> {
        text.parse()
    }
}

impl From<ProcessType> for String {
    fn from(name: ProcessType) -> Self {
        name.0
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads `name: command` lines; other lines are ignored (DYNO-1), so comments and blank lines are free.
///
/// # Errors
/// A named line without a command, a name declared twice, bytes that are no text, or too many of them.
pub fn parse(bytes: &[u8]) -> Result<ProcessTypes, ProcfileError> {
    if bytes.len() > PROCFILE_LIMIT_BYTES {
        return Err(ProcfileError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ProcfileError::NotText)?;
    let mut types = ProcessTypes::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let Some((name, command)) = line.split_once(':') else { continue };
        let Ok(process_type) = name.trim().parse::<ProcessType>() else { continue };
        let (line, name, command) = (index + 1, name.trim().to_owned(), command.trim());
        if command.is_empty() {
            return Err(ProcfileError::NoCommand { line, name });
        }
        if types.insert(process_type, command.to_owned()).is_some() {
            return Err(ProcfileError::Twice { line, name });
        }
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).unwrap().into_iter().map(|(name, command)| (name.into(), command)).collect()
    }

    #[test]
    fn dyno_1_lines() {
        let types = read("# comment\n\nweb: npm start\r\nmcp-heroku:node x.js # two\nnot a line\nrelease: yes | m\n");
        let want = [("mcp-heroku", "node x.js # two"), ("release", "yes | m"), ("web", "npm start")];
        assert_eq!(types, want.map(|(name, command)| (name.to_owned(), command.to_owned())));
    }

    #[test]
    fn dyno_1_a_colon_in_the_command_and_an_env_prefix() {
        assert_eq!(read("worker: A=b:c run --url http://x")[0].1, "A=b:c run --url http://x");
    }

    #[test]
    fn bad_lines_say_which() {
        let broken = parse(b"web: a\nworker:\n").unwrap_err();
        assert_eq!(broken, ProcfileError::NoCommand { line: 2, name: "worker".into() });
        assert_eq!(parse(b"web: a\nweb: b").unwrap_err(), ProcfileError::Twice { line: 2, name: "web".into() });
        assert_eq!(parse(&[b'w', 0xff, b'\n']).unwrap_err(), ProcfileError::NotText);
        assert_eq!(parse(&vec![b'a'; 70_000]).unwrap_err(), ProcfileError::TooLarge);
    }
}
