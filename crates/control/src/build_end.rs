//! How a build ends: with a slug and a release, or with a reason; either way its event commits with it.

use crate::build::{BuildDetail, output_key};
use crate::build_make::Beside;
use crate::event::{self, Change, Resource};
use crate::gate::Authorized;
use crate::release::{self, Created};
use crate::{Control, app, journal, outcome};
use model::app::App;
use model::build::{Build, BuildEvent, BuildState};
use model::release::ReleaseCause;
use model::slug::Slug;
use model::verification::Environment;
use store::{StoreError, Tx};

/// Slug, end of the build and release commit together; `None`: it was cancelled before.
pub(crate) async fn succeed(
    control: &Control,
    app: &Authorized<App>,
    build: &Build,
    slug: Slug,
    beside: &Beside,
) -> Result<Option<Created>, StoreError> {
    let mut tx = control.store.begin().await?;
    store::slug::insert(&mut tx, &slug).await?;
    if let Some(file) = &beside.policy_file {
        store::stage_policy::set_file(&mut tx, slug.id, file).await?;
    }
    for (stage, said) in &beside.app_json.environments {
        store::verify_setting::put_environment(&mut tx, slug.id, stage, &Environment::of(said)).await?;
    }
    let state = BuildState::Succeeded { slug: slug.id };
    if !store::build::finish(&mut tx, build.id, &state, control.now()).await? {
        return Ok(None);
    }
    let before = app::detail_in(control, &mut tx, App::clone(app)).await?;
    if let Some(buildpack) = &slug.buildpack {
        store::app::set_buildpack(&mut tx, app.id, buildpack, control.now()).await?;
    }
    let config = store::config_var::all_in(&mut tx, app.id).await?;
    let cause = ReleaseCause::Deploy { commit: build.source.version.clone() };
    let created = release::insert(control, &mut tx, app.id, app.by().id, &cause, Some(slug.id), &config).await?;
    store::build::set_release(&mut tx, build.id, created.release.id).await?;
    tell_end(control, &mut tx, build).await?;
    if let Some(now) = store::app::by_id(tx.db(), app.id).await? {
        let now = app::detail_in(control, &mut tx, now).await?;
        let change = Change::update(Resource::App(&before), Resource::App(&now));
        event::note(control, &mut tx, build.by, &change).await?;
    }
    tx.commit().await?;
    control.counters.build(&state, control.now().since(build.created_at));
    Ok(Some(created))
}

/// Notes the event of a build's end.
async fn tell_end(control: &Control, tx: &mut Tx, before: &Build) -> Result<(), StoreError> {
    let Some(now) = store::build::by_id(tx.db(), before.id).await? else { return Ok(()) };
    let (before, now) = (detail_in(tx, before.clone()).await?, detail_in(tx, now).await?);
    let change = Change::update(Resource::Build(&before), Resource::Build(&now));
    event::note(control, tx, now.build.by, &change).await
}

/// Notes that a build did not outlive the server that ran it, also in its output.
pub(crate) async fn break_off(control: &Control, build: &Build, why: &str) {
    match control.outputs.resume(&output_key(build.id)) {
        Ok(mut output) => output.line(&format!(" !     {why}.")),
        Err(error) => tracing::warn!(build.id = %build.id, %error, "The output of a build cannot be written"),
    }
    fail(control, build, why).await;
}

/// Notes that a build failed and why.
pub(crate) async fn fail(control: &Control, build: &Build, why: &str) {
    let noted = (control.clone(), build.clone(), why.to_owned());
    outcome::note(format!("The end of build {}", build.id), move || {
        let (control, build, why) = noted.clone();
        async move { store_failure(&control, &build, why).await }
    })
    .await;
    tracing::info!(app.id = %build.app, build.id = %build.id, why, "Build failed");
    let said = format!("Build failed -- check your build output: flowline builds:output {}", build.id);
    journal::api(control, build.app, control.now(), said).await;
}

async fn store_failure(control: &Control, build: &Build, why: String) -> Result<(), StoreError> {
    let Ok(state) = build.state.clone().on(BuildEvent::Broke(why)) else { return Ok(()) };
    let mut tx = control.store.begin().await?;
    let ended = store::build::finish(&mut tx, build.id, &state, control.now()).await?;
    if ended {
        tell_end(control, &mut tx, build).await?;
    }
    tx.commit().await?;
    if ended {
        control.counters.build(&state, control.now().since(build.created_at));
    }
    Ok(())
}

/// A build as a change sees it that is not yet committed.
pub(crate) async fn detail_in(tx: &mut Tx, build: Build) -> Result<BuildDetail, StoreError> {
    let by = store::account::known(tx.db(), build.by).await?;
    Ok(BuildDetail { build, by })
}
