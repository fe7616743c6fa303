//! The one authorization gate: nobody holds an app or a team without having been asked who they are and what they want.

use crate::Control;
use model::account::Account;
use model::app::{App, AppName};
use model::id::{AppId, PipelineId, TeamId};
use model::permission::{Permission, Permissions, Right};
use model::pipeline::{Pipeline, PipelineName, PipelineOwner};
use model::team::{Role, Team, TeamName};
use std::ops::Deref;
use store::StoreError;

/// A thing, and the account that may do with it what the gate was asked for. Only this file makes one.
#[derive(Debug, Clone)]
pub struct Authorized<T> {
    thing: T,
    by: Account,
    permissions: Permissions,
}

impl<T> Authorized<T> {
    /// Who asked.
    pub fn by(&self) -> &Account {
        &self.by
    }

    /// What they may do with it beside what they asked for.
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// May they do this too?
    pub fn allows(&self, right: Right) -> bool {
        self.permissions.grant(right)
    }
}

impl<T> Deref for Authorized<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

/// Why the gate stays shut.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// No such app, or none that the caller may see: the two must not differ (CLI-21).
    #[error("Couldn't find that app.")]
    NoSuchApp,
    /// No such team, or none that the caller is in.
    #[error("Couldn't find that team.")]
    NoSuchTeam,
    /// No such pipeline, or none that the caller may see.
    #[error("Couldn't find that pipeline.")]
    NoSuchPipeline,
    /// PIPE-2.
    #[error("{count} pipelines are called {name}; name it by its id")]
    Ambiguous {
        /// The name.
        name: PipelineName,
        /// How many.
        count: usize,
    },
    /// They see the pipeline, but may not do this.
    #[error(
        "You do not have the permission `{permission}` for the pipeline {name}; ask its owner, or an admin of its team"
    )]
    PipelineForbidden {
        /// The permission that is missing.
        permission: &'static str,
        /// The pipeline.
        name: PipelineName,
    },
    /// They see it, but may not do this.
    #[error(
        "You do not have the permission `{permission}` for {name}; ask somebody with `manage` for it \
         (`flowline access:update YOU --permissions {permission} -a {name}`)"
    )]
    Forbidden {
        /// The permission that is missing.
        permission: &'static str,
        /// The app.
        name: AppName,
    },
    /// The same of a team.
    #[error("Only admins of the team {0} may do this; ask one of them")]
    NotAdmin(TeamName),
    /// For operators of the server only.
    #[error("Only operators of this server may do this")]
    NotOperator,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GateError {
    /// They see the app, but lack this right.
    #[must_use]
    pub fn lacks(app: &App, right: Right) -> Self {
        Self::Forbidden { permission: right.permission().word(), name: app.name.clone() }
    }

    /// They see the pipeline, but lack this right.
    #[must_use]
    pub fn lacks_pipeline(pipeline: &Pipeline, right: Right) -> Self {
        Self::PipelineForbidden { permission: right.permission().word(), name: pipeline.name.clone() }
    }
}

impl Control {
    /// The app with this name or id (API-10), for this account and right.
    ///
    /// # Errors
    /// [`GateError::NoSuchApp`] when there is none that the account may see, [`GateError::Forbidden`] when it may only see it.
    pub async fn app(&self, who: &Account, name_or_id: &str, right: Right) -> Result<Authorized<App>, GateError> {
        let db = self.store.db();
        let app = if let Ok(id) = name_or_id.parse::<AppId>() {
            store::app::by_id(db, id).await?
        } else if let Ok(name) = name_or_id.parse::<AppName>() {
            store::app::by_name(db, &name).await?
        } else {
            None
        };
        let thing = app.ok_or(GateError::NoSuchApp)?;
        let permissions = self.permissions(who, &thing).await?;
        if permissions.grant(right) {
            return Ok(Authorized { thing, by: who.clone(), permissions });
        }
        Err(if permissions.grant(Right::View) { GateError::lacks(&thing, right) } else { GateError::NoSuchApp })
    }

    /// The team with this name or id, for one of its members; with [`Right::Manage`] for its admins.
    ///
    /// # Errors
    /// [`GateError::NoSuchTeam`] when there is none that the account is in, [`GateError::NotAdmin`].
    pub async fn team(&self, who: &Account, name_or_id: &str, right: Right) -> Result<Authorized<Team>, GateError> {
        let db = self.store.db();
        let team = if let Ok(id) = name_or_id.parse::<TeamId>() {
            store::team::by_id(db, id).await?
        } else if let Ok(name) = name_or_id.parse::<TeamName>() {
            store::team::by_name(db, &name).await?
        } else {
            None
        };
        let thing = team.ok_or(GateError::NoSuchTeam)?;
        let role = store::team::role(db, thing.id, who.id).await?.ok_or(GateError::NoSuchTeam)?;
        let permissions = role.permissions(false);
        if permissions.grant(right) {
            Ok(Authorized { thing, by: who.clone(), permissions })
        } else {
            Err(GateError::NotAdmin(thing.name))
        }
    }

    /// The pipeline with this id, or with this name where the account sees only one of that name (PIPE-2).
    ///
    /// # Errors
    /// [`GateError::NoSuchPipeline`] when there is none that the account may see, [`GateError::Ambiguous`],
    /// [`GateError::PipelineForbidden`] when it may only see it.
    pub async fn pipeline(&self, who: &Account, which: &str, right: Right) -> Result<Authorized<Pipeline>, GateError> {
        let db = self.store.db();
        let named = if let Ok(id) = which.parse::<PipelineId>() {
            store::pipeline::by_id(db, id).await?.into_iter().collect()
        } else if let Ok(name) = which.parse::<PipelineName>() {
            store::pipeline::by_name(db, &name).await?
        } else {
            Vec::new()
        };
        let mut seen = Vec::new();
        for pipeline in named {
            let permissions = self.pipeline_permissions(who, &pipeline).await?;
            if permissions.grant(Right::View) {
                seen.push((pipeline, permissions));
            }
        }
        let count = seen.len();
        let (thing, permissions) = seen.pop().ok_or(GateError::NoSuchPipeline)?;
        if count > 1 {
            return Err(GateError::Ambiguous { name: thing.name, count });
        }
        if permissions.grant(right) {
            Ok(Authorized { thing, by: who.clone(), permissions })
        } else {
            Err(GateError::lacks_pipeline(&thing, right))
        }
    }

    /// Everything for its owner, what their role allows for a team's people; whoever sees one of its apps sees it (PERM-21).
    async fn pipeline_permissions(&self, who: &Account, pipeline: &Pipeline) -> Result<Permissions, StoreError> {
        let own = match pipeline.owner {
            PipelineOwner::User(owner) if owner == who.id => Permissions::all(),
            PipelineOwner::User(_) => Permissions::NONE,
            PipelineOwner::Team(team) => {
                let role: Option<Role> = store::team::role(self.store.db(), team, who.id).await?;
                role.map_or(Permissions::NONE, |role| role.permissions(false))
            }
        };
        if own != Permissions::NONE || !store::pipeline::shows(self.store.db(), pipeline.id, who.id).await? {
            return Ok(own);
        }
        Ok([Permission::View].into_iter().collect())
    }

    /// Everything that an account may do with an app: as its owner, as a collaborator, by its role in the app's team.
    pub(crate) async fn permissions(&self, who: &Account, app: &App) -> Result<Permissions, StoreError> {
        let db = self.store.db();
        let own = match app.team {
            None if app.owner == who.id => return Ok(Permissions::all()),
            None => Permissions::NONE,
            Some(team) => {
                let role: Option<Role> = store::team::role(db, team, who.id).await?;
                role.map_or(Permissions::NONE, |role| role.permissions(app.locked))
            }
        };
        let added = store::collaborator::find(db, app.id, who.id).await?;
        Ok(added.map_or(own, |added| own.and(added.permissions)))
    }
}
