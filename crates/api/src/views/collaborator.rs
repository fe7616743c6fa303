//! Collaborators as clients see them.

use crate::views::AppRef;
use crate::views::app::NameOrObject;
use control::collaborator::Access;
use model::app::App;
use model::id::{AccountId, CollaboratorId};
use model::permission::Permission;
use serde::{Deserialize, Serialize};

/// One person with access to an app.
#[derive(Debug, Clone, Serialize)]
pub struct CollaboratorView {
    id: CollaboratorId,
    app: AppRef,
    user: Federated,
    permissions: Vec<PermissionName>,
    role: &'static str,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Clone, Serialize)]
struct Federated {
    id: AccountId,
    email: String,
    federated: bool,
}

#[derive(Debug, Clone, Serialize)]
struct PermissionName {
    name: &'static str,
    description: &'static str,
}

impl CollaboratorView {
    /// Somebody's access to this app.
    #[must_use]
    pub fn new(access: &Access, app: &App) -> Self {
        let permission = |one: Permission| PermissionName { name: one.word(), description: one.doc() };
        Self {
            id: access.id,
            app: app.into(),
            user: Federated { id: access.account.id, email: access.account.email.clone(), federated: false },
            permissions: access.permissions.iter().map(permission).collect(),
            role: access.role,
            created_at: access.created_at.rfc3339(),
            updated_at: access.updated_at.rfc3339(),
        }
    }
}

/// Body of `POST /apps/{app}/collaborators`.
#[derive(Debug, Deserialize)]
pub struct AddCollaborator {
    /// An e-mail or an id.
    pub user: NameOrObject,
    /// On a team's app: what they may do.
    #[serde(default)]
    pub permissions: Option<Vec<String>>,
}

/// Body of `PATCH /teams/apps/{app}/collaborators/{collaborator}`.
#[derive(Debug, Deserialize)]
pub struct UpdateCollaborator {
    /// What they may do.
    pub permissions: Vec<String>,
}
