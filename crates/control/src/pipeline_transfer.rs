//! Handing a pipeline over, with all its apps (PIPE-9).

use crate::gate::{Authorized, GateError};
use crate::transfer::{self, Recipient};
use crate::{Control, pipeline};
use model::account::Account;
use model::app::{App, AppName};
use model::id::AccountId;
use model::permission::Right;
use model::pipeline::{Pipeline, PipelineOwner};
use store::StoreError;

/// Why a pipeline is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum PipelineTransferError {
    /// Neither.
    #[error("`new_owner.type` is `user` or `team`, and `new_owner.id` the id of one")]
    OwnerType,
    /// Nobody has this id, or a team that the caller is not in.
    #[error(
        "Couldn't find that owner. Give an account that works with every app of the pipeline, or a team that you are in"
    )]
    NoSuchOwner,
    /// An account that has nothing to do with an app would be given it unasked.
    #[error(
        "{email} does not work with {app}, so it cannot be handed over to them; add them first: `flowline access:add {email} -a {app}`"
    )]
    Stranger {
        /// Who.
        email: String,
        /// The app.
        app: AppName,
    },
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Somebody destroyed it meanwhile.
    #[error("Couldn't find that pipeline.")]
    Gone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A pipeline that has been handed over.
#[derive(Debug, Clone)]
pub struct PipelineTransfer {
    /// The pipeline, as it is now.
    pub pipeline: Pipeline,
    /// Whose it was.
    pub previous: PipelineOwner,
}

/// Hands a pipeline and all its apps to a team that the caller is in, or to an account that works with all of them.
///
/// # Errors
/// No such owner, an app that the caller does not manage.
pub async fn transfer(
    control: &Control,
    who: &Account,
    pipeline: &str,
    to: pipeline::OwnerName,
) -> Result<PipelineTransfer, PipelineTransferError> {
    let pipeline = control.pipeline(who, pipeline, Right::Manage).await?;
    let to = recipient(control, who, &to).await?;
    let mut apps: Vec<Authorized<App>> = Vec::new();
    for coupling in store::pipeline_coupling::of_pipeline(control.store.db(), pipeline.id).await? {
        let app = control.app(who, &coupling.app.to_string(), Right::Manage).await?;
        if let Recipient::User(account) = &to
            && !control.permissions(account, &app).await?.grant(Right::View)
        {
            return Err(PipelineTransferError::Stranger { email: account.email.clone(), app: app.name.clone() });
        }
        apps.push(app);
    }
    let owner = match &to {
        Recipient::User(account) => PipelineOwner::User(account.id),
        Recipient::Team(team) => PipelineOwner::Team(team.id),
    };
    let next = Pipeline { owner, updated_at: control.now(), ..Pipeline::clone(&pipeline) };
    let mut tx = control.store.begin().await?;
    if !store::pipeline::update(&mut tx, &next).await? {
        return Err(PipelineTransferError::Gone);
    }
    let mut moved = Vec::new();
    for app in apps.iter().filter(|app| !to.has(app)) {
        moved.push(transfer::move_in(control, &mut tx, who, app, &to).await?);
    }
    tx.commit().await?;
    for app in &moved {
        transfer::say(control, app, to.name(), who).await;
    }
    Ok(PipelineTransfer { pipeline: next, previous: pipeline.owner })
}

async fn recipient(
    control: &Control,
    who: &Account,
    to: &pipeline::OwnerName,
) -> Result<Recipient, PipelineTransferError> {
    match to.kind.as_str() {
        "user" => {
            let id: AccountId = to.id.parse().map_err(|_| PipelineTransferError::NoSuchOwner)?;
            let found = store::account::by_id(control.store.db(), id).await?;
            Ok(Recipient::User(found.ok_or(PipelineTransferError::NoSuchOwner)?))
        }
        "team" => match control.team(who, &to.id, Right::Run).await {
            Ok(team) => Ok(Recipient::Team(model::team::Team::clone(&team))),
            Err(GateError::NoSuchTeam) => Err(PipelineTransferError::NoSuchOwner),
            Err(error) => Err(error.into()),
        },
        _ => Err(PipelineTransferError::OwnerType),
    }
}
