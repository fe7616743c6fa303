//! Where a promotion goes: the apps that were asked for, those that the caller may not deploy to as failed ones (PIPE-40).

use crate::Control;
use crate::gate::GateError;
use crate::promotion::PromotionError;
use model::account::Account;
use model::app::App;
use model::id::AppId;
use model::permission::Right;
use model::pipeline::Pipeline;
use model::promotion::{Promotion, PromotionTarget, TARGET_LIMIT, TargetState};

/// Where to, each app once.
pub(crate) async fn targets(
    control: &Control,
    who: &Account,
    pipeline: &Pipeline,
    source: &App,
    promotion: &Promotion,
    wanted: &[String],
) -> Result<Vec<PromotionTarget>, PromotionError> {
    if wanted.is_empty() {
        return Err(PromotionError::NoTargets);
    }
    if wanted.len() > TARGET_LIMIT {
        return Err(PromotionError::TooManyTargets);
    }
    let mut targets: Vec<PromotionTarget> = Vec::new();
    for wanted in wanted {
        let (app, state) = match control.app(who, wanted, Right::Deploy).await {
            Ok(app) => (App::clone(&app), TargetState::Waiting),
            Err(error) => (seen(control, who, pipeline, wanted, error).await?, denied()),
        };
        if app.id == source.id {
            return Err(PromotionError::ToItself(app.name));
        }
        coupled(control, &app, pipeline).await?;
        if targets.iter().any(|target| target.app == app.id) {
            continue;
        }
        targets.push(target(control, promotion, &app, state));
    }
    Ok(targets)
}

/// One that waits, or is settled already.
pub(crate) fn target(control: &Control, promotion: &Promotion, app: &App, state: TargetState) -> PromotionTarget {
    PromotionTarget {
        id: control.world.new_id(),
        promotion: promotion.id,
        app: app.id,
        app_name: app.name.to_string(),
        state,
        passage: None,
        updated_at: promotion.created_at,
    }
}

/// PIPE-40.
fn denied() -> TargetState {
    TargetState::Failed { made: None, why: "User does not have access to that app".to_owned() }
}

/// An app that the caller may not deploy to, but knows of: one that they may see, or whose id the pipeline tells them (PERM-21).
async fn seen(
    control: &Control,
    who: &Account,
    pipeline: &Pipeline,
    wanted: &str,
    error: GateError,
) -> Result<App, PromotionError> {
    match error {
        GateError::Forbidden { .. } => Ok(App::clone(&*control.app(who, wanted, Right::View).await?)),
        GateError::NoSuchApp => {
            let Ok(id) = wanted.parse::<AppId>() else { return Err(GateError::NoSuchApp.into()) };
            let coupling = store::pipeline_coupling::of_app(control.store.db(), id).await?;
            if coupling.is_none_or(|coupling| coupling.pipeline != pipeline.id) {
                return Err(GateError::NoSuchApp.into());
            }
            Ok(store::app::by_id(control.store.db(), id).await?.ok_or(GateError::NoSuchApp)?)
        }
        error @ (GateError::NoSuchTeam
        | GateError::NoSuchPipeline
        | GateError::Ambiguous { .. }
        | GateError::PipelineForbidden { .. }
        | GateError::NotAdmin(_)
        | GateError::NotOperator
        | GateError::Store(_)) => Err(error.into()),
    }
}

/// The app must be in the pipeline.
pub(crate) async fn coupled(control: &Control, app: &App, pipeline: &Pipeline) -> Result<(), PromotionError> {
    let coupling = store::pipeline_coupling::of_app(control.store.db(), app.id).await?;
    if coupling.is_some_and(|coupling| coupling.pipeline == pipeline.id) {
        return Ok(());
    }
    Err(PromotionError::Outside { app: app.name.clone(), pipeline: pipeline.name.clone() })
}
