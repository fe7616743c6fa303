//! Buildpacks as clients see them: name and address both echo what was written (CLI-26).

use serde::{Deserialize, Serialize};

/// One of an app's packs.
#[derive(Debug, Clone, Serialize)]
pub struct BuildpackInstallationView {
    ordinal: usize,
    buildpack: PackView,
}

/// A pack.
#[derive(Debug, Clone, Serialize)]
pub struct PackView {
    name: String,
    url: String,
}

/// Body of `PUT /apps/{app}/buildpack-installations`.
#[derive(Debug, Deserialize)]
pub struct UpdateBuildpacks {
    /// In the order in which they are to run.
    pub updates: Vec<UpdateBuildpack>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub struct UpdateBuildpack {
    /// A short name, a URN or an address.
    pub buildpack: String,
}

impl BuildpackInstallationView {
    /// The pack at this place.
    #[must_use]
    pub fn new(ordinal: usize, written: &str) -> Self {
        Self { ordinal, buildpack: PackView::new(written) }
    }
}

impl PackView {
    /// A pack by what was written.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self { name: written.to_owned(), url: written.to_owned() }
    }
}
