//! From a source to a slug: fetched, unpacked, admitted, compiled and packed.

use crate::build::{Archive, Broken, Report};
use crate::build_cancel::Cancelled;
use crate::build_queue::Listener;
use crate::gate::Authorized;
use crate::{Control, app_json, build_gate, fetch, progress, steps};
use builder::{Built, Job, Packed, Purpose, Rules};
use model::app::App;
use model::app_json::AppJson;
use model::build::Build;
use model::id::BuildId;
use model::slug::Slug;
use std::collections::BTreeMap;
use std::path::PathBuf;
use store::StoreError;
use tokio::sync::{RwLockReadGuard, mpsc};

/// Lines of a build that wait for a slow reader.
const LINES_WAITING: usize = 256;

/// What a build made.
pub(crate) struct Made<'c> {
    pub(crate) slug: Slug,
    pub(crate) beside: Beside,
    /// Keeps the slug's archive from being taken for one that nobody has, until it is noted.
    pub(crate) making: RwLockReadGuard<'c, ()>,
}

/// What the source says beside its code.
pub(crate) struct Beside {
    pub(crate) app_json: AppJson,
    /// Its `flowline.yml`.
    pub(crate) policy_file: Option<String>,
}

/// Puts the source where it is built.
async fn unpack(
    control: &Control,
    build: &Build,
    archive: Archive,
    folder: &std::path::Path,
    cancelled: &Cancelled,
) -> Result<PathBuf, Broken> {
    let source = folder.join("app");
    tokio::fs::create_dir_all(folder).await?;
    runtime::prepare_dir(&source)?;
    match archive {
        Archive::Tree(tree) => builder::extract_stream(tree, &source, Rules::tree(control.owner)).await?,
        Archive::Url(url) => {
            let fetched = fetch::archive(control, &url, build.source.checksum.as_deref(), folder);
            let body = cancelled.or(control, fetched).await??;
            builder::extract_stream(body, &source, Rules::source(control.owner)).await?;
        }
        Archive::Fetched(file) => builder::extract_stream(file, &source, Rules::source(control.owner)).await?,
    }
    Ok(source)
}

/// Compiles the source into a slug.
pub(crate) async fn make<'c>(
    control: &'c Control,
    app: &Authorized<App>,
    build: &Build,
    archive: Archive,
    folder: &std::path::Path,
    report: &mut Report,
) -> Result<Made<'c>, Broken> {
    let cancelled = report.cancelled.clone();
    let _turn = cancelled.or(control, control.build_queue.turn(&mut *report)).await??;
    progress::build_begun(control, build.id).await;
    let source = unpack(control, build, archive, folder, &cancelled).await?;
    let app_json = app_json::read(&source).await?;
    let policy_file = build_gate::admit_source(control, app, build.source.version.as_deref(), &source).await?;
    let config = store::config_var::all(&control.store, app.id).await?;
    let job = Job {
        purpose: Purpose::Slug,
        build: build.id,
        dir: folder.to_owned(),
        cache_dir: control.settings.dir.join("cache").join(app.id.to_string()),
        packs: &control.packs,
        buildpacks: build.buildpacks.clone(),
        stack: build.stack.clone(),
        source_version: build.source.version.clone(),
        config_vars: &config,
        site_env: &control.settings.site_env,
        owner: control.owner,
        limits: steps::LIMITS,
    };
    let runner = steps::SandboxRunner::new(control.clone(), build, cancelled.receiver());
    let (lines, mut printed) = mpsc::channel(LINES_WAITING);
    let work = async {
        let built = builder::compile(job, &runner, lines.clone()).await?;
        if cancelled.is_told() {
            return Err(cancelled.reason(control).await);
        }
        if build.buildpacks.is_empty() {
            note_packs(control, build.id, &built.buildpacks).await?;
        }
        let making = control.archives.read().await;
        let packed = builder::compress(&control.slugs, &built, lines).await?;
        Ok::<_, Broken>((built, packed, making))
    };
    let relay = async {
        while let Some(line) = printed.recv().await {
            // A pack that was killed would be blamed for it.
            if !cancelled.is_told() {
                report.line(&line).await;
            }
        }
    };
    let (made, ()) = tokio::join!(work, relay);
    let (built, packed, making) = made?;
    let slug = slug(control, build, packed, &built);
    control.slugs.adopt(&built.app_dir, slug.id)?;
    Ok(Made { slug, beside: Beside { app_json, policy_file }, making })
}

/// The slug of what was built.
fn slug(control: &Control, build: &Build, packed: Packed, built: &Built) -> Slug {
    Slug {
        id: control.world.new_id(),
        app: build.app,
        checksum: Some(packed.checksum),
        size_bytes: packed.size_bytes,
        process_types: built.process_types.clone(),
        images: BTreeMap::new(),
        commit: build.source.version.clone(),
        commit_description: build.source.description.clone(),
        buildpack: Some(built.buildpack.clone()),
        stack: build.stack.clone(),
        secret: control.world.secret::<32>(),
        created_at: control.now(),
        expired_at: None,
    }
}

async fn note_packs(control: &Control, build: BuildId, packs: &[String]) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    store::build::set_buildpacks(&mut tx, build, packs).await?;
    tx.commit().await
}
