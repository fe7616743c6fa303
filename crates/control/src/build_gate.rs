//! What is pushed, at the gates of its app's stage, and the `flowline.yml` that comes with it.

use crate::gate::Authorized;
use crate::stage_gate::{self, Candidate, GATED};
use crate::test_override::{self, NotOverridden};
use crate::{Control, test_gate};
use model::app::App;
use model::pipeline::{Pipeline, PipelineName};
use model::policy_file::{self, POLICY_FILE, POLICY_FILE_LIMIT_BYTES, Policies};
use model::slug::Slug;
use model::stage_gate::Refused;
use model::yaml::BadYaml;
use std::path::Path;
use store::StoreError;

/// Why a source is not built, or a slug not released.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// A gate that is misspelled must not be one that is open.
    #[error("{POLICY_FILE}, {0}")]
    File(#[from] BadYaml),
    /// It is a folder, or larger than anybody writes one.
    #[error("{POLICY_FILE} is no text file of at most {} KiB", POLICY_FILE_LIMIT_BYTES / 1024)]
    NoFile,
    /// The gates of the stage are shut.
    #[error(transparent)]
    Shut(#[from] Refused),
    /// Its pipeline tests what comes to its apps, and this was not tested there.
    #[error(
        "The pipeline {pipeline} tests what comes to its apps, and that slug was not built of a commit that passed there. Push the code, \
         or give a reason: whoever manages the app may (`flowline releases:create --override REASON`)"
    )]
    Untested {
        /// The pipeline.
        pipeline: PipelineName,
    },
    /// The tests are not overridden.
    #[error(transparent)]
    Override(#[from] NotOverridden),
    /// The source cannot be read.
    #[error("{POLICY_FILE} cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// May this source be built for the app? What its `flowline.yml` says, to be kept with the slug; `None`: there is none.
///
/// # Errors
/// [`NotAdmitted`].
pub(crate) async fn admit_source(
    control: &Control,
    app: &App,
    commit: Option<&str>,
    source: &Path,
) -> Result<Option<String>, NotAdmitted> {
    let text = read(&source.join(POLICY_FILE)).await?;
    let file = text.as_deref().map_or(Ok(Policies::new()), policy_file::read)?;
    admit(control, app, commit, &file).await?;
    Ok(text)
}

/// May this slug, which the app never had, be released by it?
///
/// # Errors
/// [`NotAdmitted`].
pub(crate) async fn admit_slug(
    control: &Control,
    app: &Authorized<App>,
    slug: &Slug,
    reason: Option<&str>,
) -> Result<(), NotAdmitted> {
    if let Some((pipeline, _)) = test_gate::of_app(control, app.id).await?
        && !is_tested(control, &pipeline, slug).await?
    {
        let reason = reason.ok_or_else(|| NotAdmitted::Untested { pipeline: pipeline.name.clone() })?;
        let reason = test_override::allowed(app, reason)?;
        test_override::tell(control, app, &format!("Release of slug {}", slug.id), reason).await;
    }
    let file = stage_gate::file(control, Some(slug.id)).await?;
    admit(control, app, slug.commit.as_deref(), &file).await
}

/// Was it built in this pipeline, of a commit that passed its tests? What a client says of its own slug proves nothing.
async fn is_tested(control: &Control, pipeline: &Pipeline, slug: &Slug) -> Result<bool, StoreError> {
    let db = control.store.db();
    let Some(build) = store::build::of_slug(db, slug.id).await? else { return Ok(false) };
    let coupling = store::pipeline_coupling::of_app(db, build.app).await?;
    let Some(commit) = build.source.version.filter(|_| coupling.is_some_and(|at| at.pipeline == pipeline.id)) else {
        return Ok(false);
    };
    store::test_run::passed(db, pipeline.id, &commit).await
}

async fn read(path: &Path) -> Result<Option<String>, NotAdmitted> {
    let Ok(about) = tokio::fs::symlink_metadata(path).await else { return Ok(None) };
    if !about.is_file() || about.len() > POLICY_FILE_LIMIT_BYTES as u64 {
        return Err(NotAdmitted::NoFile);
    }
    String::from_utf8(tokio::fs::read(path).await?).map(Some).map_err(|_| NotAdmitted::NoFile)
}

async fn admit(control: &Control, app: &App, commit: Option<&str>, file: &Policies) -> Result<(), NotAdmitted> {
    let db = control.store.db();
    let Some(coupling) = store::pipeline_coupling::of_app(db, app.id).await? else { return Ok(()) };
    if !GATED.contains(&coupling.stage) {
        return Ok(());
    }
    let Some(pipeline) = store::pipeline::by_id(db, coupling.pipeline).await? else { return Ok(()) };
    let known_since = control.now();
    let candidate = Candidate { pipeline: &pipeline, stage: coupling.stage, commit, known_since, file, from: None };
    stage_gate::decide(control, &candidate).await??;
    Ok(())
}
