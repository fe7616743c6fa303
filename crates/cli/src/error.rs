//! Why a command did not do what was asked, in the user's words, and the exit code that says it to scripts.

use std::error::Error;
use std::io;

/// The server's word for a wrong code of a second factor.
pub(crate) const WRONG_CODE: &str = "invalid_two_factor_code";

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// What was typed cannot be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to type instead.
        next: String,
    },
    /// There is no token for this server.
    #[error("You are not logged in to {url}.")]
    LoggedOut {
        /// The server.
        url: String,
    },
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's word for it (API-3).
        id: Option<String>,
        /// What was not found (`app`, `release` …), where the server says it (API-3).
        resource: Option<String>,
        /// The server's words.
        message: String,
    },
    /// The server does not let this person in.
    #[error("{message}")]
    Denied {
        /// What is wrong.
        message: String,
        /// What to do next.
        next: String,
    },
    /// No connection, or none that lasted.
    #[error("Couldn't reach Flowline at {url}: {why}.")]
    Unreachable {
        /// Where.
        url: String,
        /// The cause.
        why: String,
    },
    /// Something answered that is no Flowline server.
    #[error("{url} does not answer as a Flowline server does: {why}.")]
    NotFlowline {
        /// Where.
        url: String,
        /// What was odd.
        why: String,
    },
    /// It was done, and ended badly.
    #[error("{message}")]
    Failed {
        /// What failed.
        message: String,
        /// What to do next.
        next: String,
    },
    /// What was asked for is not there.
    #[error("{message}")]
    Missing {
        /// What is not there.
        message: String,
        /// What to do next.
        next: String,
    },
    /// A file or program of this machine.
    #[error("Couldn't {what}: {source}.")]
    Local {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// stdout or stderr cannot be written to.
    #[error("Couldn't print: {0}.")]
    Console(#[source] io::Error),
}

impl CliError {
    /// Bad input, and what to type instead.
    pub(crate) fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), next: next.into() }
    }

    /// An operation that ended badly, and what to do next.
    pub(crate) fn failed(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), next: next.into() }
    }

    /// Something that is not there, and what to do next.
    pub(crate) fn missing(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Missing { message: message.into(), next: next.into() }
    }

    /// A file or program that could not be used: `what` reads on from "Couldn't".
    pub(crate) fn local(what: impl Into<String>, source: io::Error) -> Self {
        Self::Local { what: what.into(), source }
    }

    /// The reader of our output went away (`flowline logs | head`): nothing to report.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Console(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Is it the server's refusal with this word?
    pub(crate) fn has_id(&self, word: &str) -> bool {
        matches!(self, Self::Refused { id, .. } if id.as_deref() == Some(word))
    }

    /// Did the server not find a thing of this kind?
    pub(crate) fn lacks(&self, kind: &str) -> bool {
        matches!(self, Self::Refused { status: 404, resource, .. } if resource.as_deref() == Some(kind))
    }

    /// May the same call succeed a little later?
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Usage { .. }
            | Self::LoggedOut { .. }
            | Self::Denied { .. }
            | Self::NotFlowline { .. }
            | Self::Failed { .. }
            | Self::Missing { .. }
            | Self::Local { .. }
            | Self::Console(_) => false,
        }
    }

    /// As `--help` documents them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::LoggedOut { .. } | Self::Denied { .. } => 3,
            Self::Refused { status, .. } => match status {
                400 | 413 | 414 | 416 | 422 => 2,
                401 | 403 => 3,
                404 | 410 => 4,
                _ => 1,
            },
            Self::Missing { .. } => 4,
            Self::Unreachable { .. } => 5,
            Self::NotFlowline { .. } | Self::Failed { .. } | Self::Local { .. } | Self::Console(_) => 1,
        }
    }

    /// What to type next.
    pub(crate) fn next(&self) -> Option<&str> {
        match self {
            Self::Usage { next, .. }
            | Self::Denied { next, .. }
            | Self::Failed { next, .. }
            | Self::Missing { next, .. } => Some(next),
            Self::LoggedOut { .. } => Some("Type `flowline login`, or set FLOWLINE_TOKEN."),
            Self::Refused { status, id, resource, .. } => match status {
                401 => Some("The token is not valid (any more): type `flowline login`, or set FLOWLINE_TOKEN."),
                403 if id.as_deref() == Some(WRONG_CODE) => None,
                403 => Some("Ask somebody who may do it, or log in as somebody else: `flowline login`."),
                404 => where_to_look(resource.as_deref()),
                429 => Some("Wait a minute and try again."),
                500.. => Some("The cause is in the server's own log, on the stderr of `flowline serve`."),
                _ => None,
            },
            Self::Unreachable { .. } => {
                Some("Start it with `flowline serve`, or name another server with FLOWLINE_URL or `flowline login`.")
            }
            Self::NotFlowline { .. } => Some("Check FLOWLINE_URL, or the URL given to `flowline login`."),
            Self::Local { .. } | Self::Console(_) => None,
        }
    }
}

/// What lists the things of which one was not found.
fn where_to_look(resource: Option<&str>) -> Option<&'static str> {
    match resource {
        None | Some("app") => Some("`flowline apps` lists your apps; -a names one."),
        Some("release") => Some("`flowline releases` lists them."),
        Some("build") => Some("`flowline builds` lists them."),
        Some("dyno") => Some("`flowline ps` lists them."),
        Some("formation") => Some("`flowline ps:scale` lists the process types."),
        Some("collaborator") => Some("`flowline access` lists who may use the app."),
        Some("promotion") => Some("`flowline promotions PIPELINE` lists them."),
        Some("pipeline") => Some("`flowline pipelines` lists those that you see."),
        Some("team") => Some("`flowline teams` lists yours; -t names one."),
        Some("member") => Some("`flowline members -t TEAM` lists them."),
        Some("app_transfer") => Some("`flowline apps:transfers` lists them."),
        Some("authorization") => Some("`flowline authorizations` lists them."),
        Some("session") => Some("`flowline sessions` lists them."),
        Some("oauth_client") => Some("`flowline clients` lists yours."),
        Some("key") => Some("`flowline keys` lists them."),
        Some(_) => None,
    }
}

/// The innermost cause: `Connection refused`, where the outer errors only say "error sending request".
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
