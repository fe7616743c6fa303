//! The flags that many commands share.

use serde_json::Value;

/// A command about one app.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OnApp {
    /// The app; else FLOWLINE_APP, else the one this folder's git remote belongs to
    #[arg(short, long, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// The git remote whose app is meant
    #[arg(short, long, value_name = "REMOTE")]
    pub(crate) remote: Option<String>,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Print {
    /// Print JSON, as the API gives it
    #[arg(long)]
    pub(crate) json: bool,
}

/// The way past the tests that a pipeline asks for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Override {
    /// Go on without the tests that the app's pipeline asks for, for this reason; for who manages the app, and kept in the audit log
    #[arg(long = "override", value_name = "REASON")]
    reason: Option<String>,
}

impl Override {
    /// Into the body of a request.
    pub(crate) fn put(&self, body: &mut Value) {
        if let Some(reason) = &self.reason {
            body["override"] = Value::from(reason.as_str());
        }
    }
}

/// A command about one app and nothing else.
#[derive(Debug, Clone, clap::Args)]
pub struct AppOnly {
    #[command(flatten)]
    pub(crate) on: OnApp,
}

/// A command about no app and with no other words.
#[derive(Debug, Clone, clap::Args)]
pub struct Bare {
    #[command(flatten)]
    pub(crate) print: Print,
}
