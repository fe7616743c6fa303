//! The steps of a setup, in the order of APPJSON-9: app.json, config, build, release, formation, postdeploy.

use super::{over, postdeploy};
use crate::build::{self, Archive};
use crate::config_var;
use crate::gate::Authorized;
use crate::{Control, buildpack_installation, fetch, formation, release_phase};
use builder::Rules;
use model::app::App;
use model::app_json::APP_JSON_LIMIT_BYTES;
use model::app_setup::{AppSetup, Failure, Manifest, Overrides, Scale, read};
use model::build::{BuildSource, BuildState};
use model::id::ReleaseId;
use model::permission::Right;
use model::release::ReleaseStatus;
use std::path::Path;
use store::StoreError;

/// Begins, in the background.
pub(super) fn begin(
    control: &Control,
    app: Authorized<App>,
    setup: AppSetup,
    source: BuildSource,
    overrides: Overrides,
) {
    let control = control.clone();
    tokio::spawn(async move {
        match up_to_release(&control, &app, &setup, source, &overrides).await {
            Ok((setup, release)) => from_release(&control, &app, setup, release).await,
            Err(failure) => over(&control, setup.id, Err(failure), None).await,
        }
    });
}

/// Goes on with the setups that the last server left, after their builds and releases were: what was built goes on, what was
/// not ends with the reason.
pub(crate) async fn resume(control: &Control) -> Result<(), StoreError> {
    for setup in store::app_setup::pending(&control.store).await? {
        if postdeploy::is_followed(control, &setup) {
            continue;
        }
        match left(control, &setup).await? {
            Ok((app, release)) => {
                let control = control.clone();
                tokio::spawn(async move { from_release(&control, &app, setup, release).await });
            }
            Err(failure) => over(control, setup.id, Err(failure), None).await,
        }
    }
    postdeploy::sweep(control).await
}

/// How far the last server came: a release, or no further.
async fn left(
    control: &Control,
    setup: &AppSetup,
) -> Result<Result<(Authorized<App>, ReleaseId), Failure>, StoreError> {
    let stopped =
        |when: &str| Err(Failure::new(format!("Flowline was stopped {when}; destroy the app and set it up again")));
    if setup.dyno.is_some() {
        return Ok(stopped("while scripts.postdeploy ran"));
    }
    let Some(build) = setup.build else { return Ok(stopped("before the build began")) };
    let build = store::build::by_id(control.store.db(), build).await?;
    let release = match build.map(|build| (build.state, build.release)) {
        Some((BuildState::Succeeded { .. }, Some(release))) => release,
        Some((BuildState::Failed { why }, _)) => return Ok(Err(Failure::new(format!("the build failed: {why}")))),
        Some((BuildState::Pending | BuildState::Succeeded { .. }, _)) | None => return Ok(stopped("during the build")),
    };
    let who = store::account::by_id(control.store.db(), setup.by).await?;
    let app = match who {
        Some(who) => control.app(&who, &setup.app.to_string(), Right::Deploy).await.ok(),
        None => None,
    };
    Ok(app.map(|app| (app, release)).ok_or_else(|| Failure::new("who set the app up may not deploy it any more")))
}

async fn up_to_release(
    control: &Control,
    app: &Authorized<App>,
    setup: &AppSetup,
    source: BuildSource,
    overrides: &Overrides,
) -> Result<(AppSetup, ReleaseId), Failure> {
    let (archive, manifest) = {
        let _turn = control.setups.acquire().await.map_err(|_| Failure::new("Flowline is being stopped"))?;
        let folder = control.settings.dir.join("builds").join(setup.id.to_string());
        let found = manifest(control, &source, overrides, &folder).await;
        let removed = tokio::task::spawn_blocking(move || runtime::remove_dir(&folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "The folder of an app setup was not removed");
        }
        found?
    };
    let failed = |what: &str, error: &dyn std::fmt::Display| Failure::new(format!("{what}: {error}"));
    let packs = buildpack_installation::replace(control, app, &manifest.buildpacks).await;
    packs.map_err(|error| failed("the buildpacks could not be set", &error))?;
    let patch = manifest.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    let set = config_var::patch(control, app, patch).await;
    set.map_err(|error| failed("the config vars could not be set", &error))?;
    let begun = build::begin(control, app, source, None).await;
    let (build, report) = begun.map_err(|error| failed("the build could not begin", &error))?;
    let setup = AppSetup { build: Some(build.id), plan: manifest.plan, ..setup.clone() };
    note_build(control, &setup).await.map_err(|error| failed("the build could not be noted", &error))?;
    let done = build::run(control, app, build, Archive::Fetched(archive), report).await;
    let release = done.map_err(|error| failed("the build failed", &error))?;
    Ok((setup, release.id))
}

async fn note_build(control: &Control, setup: &AppSetup) -> Result<(), StoreError> {
    let Some(build) = setup.build else { return Ok(()) };
    let mut tx = control.store.begin().await?;
    store::app_setup::set_build(&mut tx, setup.id, build, &setup.plan, control.now()).await?;
    tx.commit().await
}

/// Brings the archive and reads its app.json. The archive stays readable when its folder has gone.
async fn manifest(
    control: &Control,
    source: &BuildSource,
    overrides: &Overrides,
    folder: &Path,
) -> Result<(tokio::fs::File, Manifest), Failure> {
    let broke = |what: &str, error: &dyn std::fmt::Display| Failure::new(format!("{what}: {error}"));
    let files = folder.join("app");
    tokio::fs::create_dir_all(folder).await.map_err(|error| broke("the source could not be kept", &error))?;
    runtime::prepare_dir(&files).map_err(|error| broke("the source could not be kept", &error))?;
    let archive = fetch::archive(control, &source.url, source.checksum.as_deref(), folder).await;
    let archive = archive.map_err(|error| broke("the source could not be fetched", &error))?;
    let again = tokio::fs::File::open(folder.join(fetch::ARCHIVE)).await;
    let again = again.map_err(|error| broke("the source could not be read", &error))?;
    let unpacked = builder::extract_stream(archive, &files, Rules::source(control.owner)).await;
    unpacked.map_err(|error| broke("the source cannot be used", &error))?;
    let bytes = app_json(&files.join("app.json")).await?;
    let secret = || control.world.secret::<32>();
    let manifest = read(&bytes, overrides, secret).map_err(Failure::manifest)?;
    Ok((again, manifest))
}

async fn app_json(path: &Path) -> Result<Vec<u8>, Failure> {
    match tokio::fs::symlink_metadata(path).await {
        // The reader says that it is too large; nobody has to hold it for that.
        Ok(meta) if meta.is_file() && meta.len() <= APP_JSON_LIMIT_BYTES as u64 => {
            let read = tokio::fs::read(path).await;
            read.map_err(|error| Failure::new(format!("app.json could not be read: {error}")))
        }
        Ok(meta) if meta.is_file() => Err(Failure::manifest(vec!["app.json is larger than 256 KiB".to_owned()])),
        Ok(_) | Err(_) => Err(Failure::new("app.json not found: the archive must have one at its root")),
    }
}

/// From the release to the end; also of a setup whose build another server ran.
async fn from_release(control: &Control, app: &Authorized<App>, setup: AppSetup, release: ReleaseId) {
    let ready = match decided(control, release).await {
        Ok(()) => scale(control, app, &setup.plan.formation).await,
        Err(failure) => Err(failure),
    };
    match (ready, &setup.plan.postdeploy) {
        (Err(failure), _) => over(control, setup.id, Err(failure), None).await,
        (Ok(()), None) => over(control, setup.id, Ok(()), None).await,
        (Ok(()), Some(command)) => postdeploy::run(control, app, &setup, command).await,
    }
}

/// Waits until the release has been decided (RELPH-20).
async fn decided(control: &Control, release: ReleaseId) -> Result<(), Failure> {
    let mut changes = control.registry.changes();
    loop {
        changes.borrow_and_update();
        let now = store::release::by_own_id(control.store.db(), release).await;
        match now.map(|release| release.map(|release| (release.status, release.version))) {
            Ok(Some((ReleaseStatus::Succeeded, _))) => return Ok(()),
            Ok(Some((ReleaseStatus::Pending, _))) => {}
            Ok(Some((ReleaseStatus::Failed, version))) => {
                let why =
                    format!("the release command of v{version} failed: `flowline releases:output v{version}` says why");
                return Err(Failure::new(why));
            }
            Ok(Some((ReleaseStatus::Expired, _)) | None) => {
                return Err(Failure::new("the app was destroyed meanwhile"));
            }
            Err(error) => return Err(Failure::new(format!("the release could not be looked at: {error}"))),
        }
        tokio::select! {
            // The end of its dyno is a change; the decision follows it.
            _changed = changes.changed() => {}
            () = tokio::time::sleep(release_phase::LOOK) => {}
        }
    }
}

async fn scale(control: &Control, app: &Authorized<App>, wanted: &[Scale]) -> Result<(), Failure> {
    let change = |scale: &Scale| formation::Change {
        which: scale.process_type.clone(),
        quantity: scale.quantity.map(|quantity| quantity.to_string()),
        size: scale.size.clone(),
    };
    let changes: Vec<_> = wanted.iter().map(change).collect();
    match formation::patch(control, app, &changes).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::manifest(vec![format!("formation: {error}")])),
    }
}
