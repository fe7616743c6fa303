//! App features, `labs` on the command line: what an app can have switched on.

use crate::app::App;
use crate::dyno::Dyno;
use crate::release::{Release, ReleaseCause};
use crate::slug::Slug;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::str::FromStr;
use uuid::Uuid;

/// A feature that every app has, most of them off until somebody switches them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Requests of one visitor go to one dyno (ROUTE-16).
    SessionAffinity,
    /// What each dyno uses goes into the log (DYNO-42).
    RuntimeMetrics,
    /// Dynos learn who they are from their environment (DYNO-25).
    DynoMetadata,
    /// People with the right to run something may start programs in dynos that run (`ps:exec`).
    Exec,
    /// Whoever changes the app gives a code of their second factor first (API-14).
    SecondFactor,
}

/// A feature as an app has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppFeature {
    /// Which.
    pub feature: Feature,
    /// Is it on?
    pub enabled: bool,
    /// Since when the app has it: since it was made.
    pub created_at: Timestamp,
    /// When it was last switched.
    pub updated_at: Timestamp,
}

/// A feature that this server does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Couldn't find that feature. `flowline features` lists the ones that there are")]
pub struct NoSuchFeature;

impl Feature {
    /// All of them, by name.
    pub const ALL: [Self; 5] =
        [Self::SessionAffinity, Self::RuntimeMetrics, Self::DynoMetadata, Self::Exec, Self::SecondFactor];

    /// Its name, as the Platform API has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::SessionAffinity => "http-session-affinity",
            Self::RuntimeMetrics => "log-runtime-metrics",
            Self::DynoMetadata => "runtime-dyno-metadata",
            Self::Exec => "runtime-heroku-exec",
            Self::SecondFactor => "second-factor",
        }
    }

    /// Its id; the same on every server, because clients may keep it (CLI-23).
    #[must_use]
    pub fn id(self) -> Uuid {
        let last = match self {
            Self::DynoMetadata => 1,
            Self::SessionAffinity => 2,
            Self::RuntimeMetrics => 3,
            Self::SecondFactor => 4,
            Self::Exec => 5,
        };
        Uuid::from_u128(0x464c_4f57_4c49_4e45_8000_6665_6174_0000 | last)
    }

    /// What it does, in one line.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Self::SessionAffinity => "Sends the requests of one visitor to one dyno as long as it is up",
            Self::RuntimeMetrics => "Writes what each dyno uses into the log, every 20 seconds",
            Self::DynoMetadata => {
                "Puts app, dyno, release and slug into the environment of dynos that start from now on"
            }
            Self::Exec => "Lets `ps:exec`, `ps:copy`, `ps:forward` and `run:inside` into dynos that run",
            Self::SecondFactor => "Asks for a code of the second factor before the app or its config is touched",
        }
    }

    /// Is it an established one (`heroku features`), or one to try (`heroku labs`)? The clients list them apart.
    #[must_use]
    pub fn is_general(self) -> bool {
        match self {
            Self::SessionAffinity | Self::SecondFactor => true,
            Self::RuntimeMetrics | Self::DynoMetadata | Self::Exec => false,
        }
    }

    /// Is it on in an app that never switched it?
    #[must_use]
    pub fn is_on_at_first(self) -> bool {
        match self {
            Self::SessionAffinity | Self::RuntimeMetrics | Self::DynoMetadata | Self::SecondFactor => false,
            // The clients would restart all dynos to switch it on.
            Self::Exec => true,
        }
    }

    /// The feature as an app has it that never switched it.
    #[must_use]
    pub fn untouched(self, app: &App) -> AppFeature {
        AppFeature {
            feature: self,
            enabled: self.is_on_at_first(),
            created_at: app.created_at,
            updated_at: app.created_at,
        }
    }
}

impl FromStr for Feature {
    type Err = NoSuchFeature;

    /// By name or id.
    fn from_str(text: &str) -> Result<Self, NoSuchFeature> {
        let is = |feature: &Self| feature.word() == text || Uuid::parse_str(text).is_ok_and(|id| id == feature.id());
        Self::ALL.into_iter().find(is).ok_or(NoSuchFeature)
    }
}

/// What [`Feature::DynoMetadata`] adds to a dyno's environment (DYNO-25). `host`: where the app answers by itself.
#[must_use]
pub fn metadata(app: &App, host: &str, dyno: &Dyno, release: &Release, slug: &Slug) -> BTreeMap<String, String> {
    let deploy = ReleaseCause::Deploy { commit: slug.commit.clone() };
    let always = [
        ("HEROKU_APP_ID", app.id.to_string()),
        ("HEROKU_APP_NAME", app.name.to_string()),
        ("HEROKU_APP_DEFAULT_DOMAIN_NAME", host.to_owned()),
        ("HEROKU_DYNO_ID", dyno.id.to_string()),
        ("HEROKU_RELEASE_CREATED_AT", release.created_at.rfc3339()),
        ("HEROKU_RELEASE_VERSION", format!("v{}", release.version)),
        ("HEROKU_SLUG_DESCRIPTION", deploy.to_string()),
    ];
    let commit = slug.commit.clone().map(|commit| ("HEROKU_SLUG_COMMIT", commit));
    always.into_iter().chain(commit).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_23_features_are_found_by_name_and_by_id() {
        for feature in Feature::ALL {
            assert_eq!(feature.word().parse(), Ok(feature));
            assert_eq!(feature.id().to_string().parse(), Ok(feature));
        }
        assert_eq!("preboot".parse::<Feature>(), Err(NoSuchFeature));
        assert!(Feature::ALL.is_sorted_by_key(|feature| feature.word()), "listed by name");
    }
}
