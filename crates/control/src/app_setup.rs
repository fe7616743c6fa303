//! App setups: an app made of a source and its app.json, in one go (APPJSON-8).

mod postdeploy;
mod work;

pub(crate) use postdeploy::adopt;
pub(crate) use work::resume;

use crate::app::{self, AppDetail, AppError, NewApp};
use crate::build::{self, BuildError};
use crate::gate::{Authorized, GateError};
use crate::pipeline_coupling::{self, CouplingDetail, CouplingError};
use crate::{Control, disk, outcome};
use model::account::Account;
use model::app::App;
use model::app_setup::{AppSetup, AppSetupState, Failure, Overrides, Plan, Ran};
use model::build::{Build, BuildSource};
use model::config_var::{self, ConfigError, ConfigVars};
use model::id::AppSetupId;
use model::permission::Right;
use model::pipeline::{Pipeline, Stage};
use model::pipeline_coupling::PipelineCoupling;
use store::StoreError;

/// Setups whose sources are fetched and read at the same time; each may be as large as the disk allows for one build.
pub(crate) const READ_AT_ONCE: usize = 2;

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct NewAppSetup {
    /// Where the source is.
    pub source: BuildSource,
    /// The app.
    pub app: NewApp,
    /// What is wanted otherwise than app.json has it.
    pub overrides: Overrides,
    /// The pipeline that the app is put into at once, and the stage: `pipelines:setup` wants its apps so.
    pub coupling: Option<(String, String)>,
}

/// A setup with what it shows.
#[derive(Debug, Clone)]
pub struct AppSetupDetail {
    /// The setup.
    pub setup: AppSetup,
    /// Its app.
    pub app: App,
    /// Where the app answers.
    pub web_url: String,
    /// Its build, once it has begun.
    pub build: Option<Build>,
}

/// Why a setup is not begun or found.
#[derive(Debug, thiserror::Error)]
pub enum AppSetupError {
    /// No such setup, or one of an app that the caller may not see.
    #[error("Couldn't find that app setup.")]
    NoSuchSetup,
    /// An override that cannot be a config var.
    #[error("overrides.env: {0}")]
    Override(#[from] ConfigError),
    /// The source's address.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The app.
    #[error(transparent)]
    App(#[from] AppError),
    /// The gate.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The pipeline that the app is to be in.
    #[error(transparent)]
    Coupling(#[from] CouplingError),
    /// The disk is nearly full.
    #[error(transparent)]
    Short(#[from] model::disk::Short),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the app at once, and all the rest in the background.
///
/// # Errors
/// A bad address, overrides that cannot be, an app that cannot be made, a pipeline or stage that is none or not the caller's.
pub async fn create(control: &Control, who: &Account, new: NewAppSetup) -> Result<AppSetupDetail, AppSetupError> {
    build::check_url(&new.source)?;
    let patch = new.overrides.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    config_var::apply(&ConfigVars::new(), &patch)?;
    let place = match &new.coupling {
        Some((pipeline, stage)) => {
            let pipeline = control.pipeline(who, pipeline, Right::Run).await?;
            Some((Pipeline::clone(&pipeline), stage.parse::<Stage>().map_err(CouplingError::from)?))
        }
        None => None,
    };
    disk::admits(control, 0)?;
    let made = app::create(control, who, new.app).await?;
    let app = control.app(who, &made.app.id.to_string(), Right::Manage).await?;
    let setup = match note(control, &app, place).await {
        Ok(setup) => setup,
        Err(error) => {
            // Whoever is refused must not find an app that they never got to know of.
            app::destroy(control, &app).await?;
            return Err(error);
        }
    };
    work::begin(control, app, setup.clone(), new.source, new.overrides);
    let AppDetail { app, web_url, .. } = made;
    Ok(AppSetupDetail { setup, app, web_url, build: None })
}

/// Stores a setup, and the place of its app in a pipeline with it.
async fn note(
    control: &Control,
    app: &Authorized<App>,
    place: Option<(Pipeline, Stage)>,
) -> Result<AppSetup, AppSetupError> {
    let now = control.now();
    let setup = AppSetup {
        id: control.world.new_id(),
        app: app.id,
        by: app.by().id,
        build: None,
        plan: Plan::default(),
        dyno: None,
        postdeploy: None,
        state: AppSetupState::Pending,
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    store::app_setup::insert(&mut tx, &setup).await?;
    if let Some((pipeline, stage)) = place {
        let id = control.world.new_id();
        let coupling =
            PipelineCoupling { id, pipeline: pipeline.id, app: app.id, stage, created_at: now, updated_at: now };
        pipeline_coupling::insert(control, &mut tx, app.by(), app, CouplingDetail { coupling, pipeline }).await?;
    }
    tx.commit().await?;
    Ok(setup)
}

/// One setup, for whoever may see its app.
///
/// # Errors
/// [`AppSetupError::NoSuchSetup`].
pub async fn find(control: &Control, who: &Account, id: AppSetupId) -> Result<AppSetupDetail, AppSetupError> {
    let setup = store::app_setup::by_id(&control.store, id).await?.ok_or(AppSetupError::NoSuchSetup)?;
    let app = match control.app(who, &setup.app.to_string(), Right::View).await {
        Ok(app) => App::clone(&app),
        Err(GateError::Store(error)) => return Err(error.into()),
        Err(_) => return Err(AppSetupError::NoSuchSetup),
    };
    let build = match setup.build {
        Some(build) => store::build::by_id(control.store.db(), build).await?,
        None => None,
    };
    Ok(AppSetupDetail { web_url: control.settings.web_url(&app.name), setup, app, build })
}

/// Notes how it ended; tried again until it is noted.
pub(crate) async fn over(control: &Control, id: AppSetupId, ended: Result<(), Failure>, ran: Option<Ran>) {
    let state = match ended {
        Ok(()) => AppSetupState::Succeeded,
        Err(failure) => AppSetupState::Failed(failure),
    };
    match &state {
        AppSetupState::Failed(failure) => {
            tracing::info!(app_setup.id = %id, why = failure.why, errors = ?failure.manifest_errors, "App setup failed");
        }
        AppSetupState::Pending | AppSetupState::Succeeded => tracing::info!(app_setup.id = %id, "App setup succeeded"),
    }
    let noted = (control.clone(), state, ran);
    outcome::note(format!("The end of app setup {id}"), move || {
        let (control, state, ran) = noted.clone();
        async move {
            let mut tx = control.store.begin().await?;
            store::app_setup::finish(&mut tx, id, &state, ran.as_ref(), control.now()).await?;
            tx.commit().await
        }
    })
    .await;
}
