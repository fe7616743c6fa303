//! App setups: an app made of a source and the app.json in it, in one go (APPJSON-8, APPJSON-9).

mod manifest;

pub use manifest::{Manifest, read};

use crate::config_var::ConfigVars;
use crate::id::{AccountId, AppId, AppSetupId, BuildId, DynoId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The postdeploy command may take this long: as long as a release command.
pub const POSTDEPLOY_LIMIT_S: u64 = 3600;

/// What is kept of what it printed, from the end: the reason of a failure stands there.
pub const POSTDEPLOY_OUTPUT_LIMIT_BYTES: u64 = 64 * 1024;

/// One setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSetup {
    /// Its id.
    pub id: AppSetupId,
    /// The app that is set up.
    pub app: AppId,
    /// Who asked for it.
    pub by: AccountId,
    /// The build of its source, and what comes after it.
    pub build: Option<BuildId>,
    /// What comes after the build; known with it.
    pub plan: Plan,
    /// The dyno of the postdeploy command, from before it starts: a command never runs twice.
    pub dyno: Option<DynoId>,
    /// How the postdeploy command ended.
    pub postdeploy: Option<Ran>,
    /// How far it is.
    pub state: AppSetupState,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Pending until it is over; an over setup never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppSetupState {
    /// Under way.
    Pending,
    /// The app is there as app.json describes it.
    Succeeded,
    /// It ended on the way; the app is left as far as it came.
    Failed(Failure),
}

/// Why a setup failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In the user's words.
    pub why: String,
    /// What is wrong with app.json, one by one.
    pub manifest_errors: Vec<String>,
}

impl Failure {
    /// A reason outside of app.json.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), manifest_errors: Vec::new() }
    }

    /// An app.json that cannot be used.
    #[must_use]
    pub fn manifest(errors: Vec<String>) -> Self {
        Self { why: "invalid app.json".to_owned(), manifest_errors: errors }
    }
}

impl AppSetupState {
    /// As the API says it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a client wants otherwise than app.json has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Config vars, also ones that app.json does not name.
    pub env: ConfigVars,
    /// Packs; none: those of app.json.
    pub buildpacks: Vec<String>,
}

/// What is done once the build has become a release. Kept, because the server may be another one by then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The formation as app.json wants it.
    pub formation: Vec<Scale>,
    /// The command that runs once.
    pub postdeploy: Option<Postdeploy>,
    /// Where the new app welcomes people, as app.json says it.
    pub success_url: Option<String>,
}

/// One process type of the formation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// `worker`.
    pub process_type: String,
    /// How many.
    pub quantity: Option<u32>,
    /// How large.
    pub size: Option<String>,
}

/// The command that runs once, after the first release (APPJSON-6).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postdeploy {
    /// The command.
    pub command: String,
    /// Its environment beside the app's config.
    pub env: BTreeMap<String, String>,
    /// The size of its dyno.
    pub size: Option<String>,
}

/// A postdeploy command that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What it printed.
    pub output: String,
    /// Its exit status.
    pub exit_code: i32,
}

impl Plan {
    /// The success address in full: a path is one of the app's.
    #[must_use]
    pub fn success_address(&self, web_url: &str) -> Option<String> {
        let wanted = self.success_url.as_deref()?;
        if wanted.starts_with("https://") || wanted.starts_with("http://") {
            return Some(wanted.to_owned());
        }
        Some(format!("{}/{}", web_url.trim_end_matches('/'), wanted.trim_start_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_address_is_of_the_app_or_elsewhere_on_the_web() {
        let of = |text: &str| {
            let plan = Plan { success_url: Some(text.to_owned()), ..Plan::default() };
            plan.success_address("http://shop.localhost:7780/").unwrap()
        };
        assert_eq!(of("/welcome"), "http://shop.localhost:7780/welcome");
        assert_eq!(of("welcome?a=b"), "http://shop.localhost:7780/welcome?a=b");
        assert_eq!(of("https://example.com/done"), "https://example.com/done");
        assert_eq!(of("javascript:alert(1)"), "http://shop.localhost:7780/javascript:alert(1)");
        assert_eq!(Plan::default().success_address("http://shop.localhost/"), None);
    }
}
