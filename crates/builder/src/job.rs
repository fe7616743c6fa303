//! What a build is given, and what comes of it.

use crate::packing::Frame;
use crate::packs::Packs;
use crate::tree::Owner;
use model::config_var::ConfigVars;
use model::dyno::Limits;
use model::id::BuildId;
use model::procfile::ProcessTypes;
use model::stack::Stack;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A slug.
    Slug,
    /// Tests, which run right after it in the same place: the app lies at `/app` from the beginning.
    Tests,
}

/// One compile.
#[derive(Debug)]
pub struct Job<'a> {
    /// What for.
    pub purpose: Purpose,
    /// Its id; names what must differ from build to build (`/tmp/build_<hex>`) and is the packs' `REQUEST_ID`.
    pub build: BuildId,
    /// The build's own folder on this machine. The source lies in `app` below it, owned by `owner`; all else is made
    /// here. The caller removes the folder with [`crate::tree::remove`] when it is done with the result.
    pub dir: PathBuf,
    /// Where the app's build cache lies; made when missing, same file system as `dir`. One build at a time.
    pub cache_dir: PathBuf,
    /// The packs that this server has.
    pub packs: &'a Packs,
    /// Packs to use, in this order; empty: find out.
    pub buildpacks: Vec<String>,
    /// What it is built on.
    pub stack: Stack,
    /// `SOURCE_VERSION`: the commit.
    pub source_version: Option<String>,
    /// The app's config vars: files for the packs, never their environment (BLD-11).
    pub config_vars: &'a ConfigVars,
    /// The operator's environment for every build: registries, proxies, certificates.
    pub site_env: &'a BTreeMap<String, String>,
    /// Who the sandbox runs as; `None`: the present user.
    pub owner: Option<Owner>,
    /// What a step may use.
    pub limits: Limits,
}

/// What came of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The app's files: `app` below the job's folder. Rename it with [`crate::Slugs::adopt`].
    pub app_dir: PathBuf,
    /// Process types and their commands: the Procfile's over those of the last pack.
    pub process_types: ProcessTypes,
    /// What the last pack calls itself: `Node.js`.
    pub buildpack: String,
    /// The packs that were used: `heroku/nodejs`. Worth remembering for the app when they were detected (BLD-9).
    pub buildpacks: Vec<String>,
    /// Folders that need not be packed again.
    pub(crate) frames: Vec<Frame>,
}
