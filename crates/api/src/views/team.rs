//! Teams, members and invitations as clients see them.

use control::team::{InvitationDetail, MemberDetail};
use control::team_access::AppAccess;
use model::account::Account;
use model::id::{AccountId, AppId, TeamId, TeamInvitationId, TeamMemberId};
use model::permission::{Permission, Permissions};
use model::team::{Role, Team};
use serde::{Deserialize, Serialize};

/// A team.
#[derive(Debug, Clone, Serialize)]
pub struct TeamView {
    id: TeamId,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: Option<&'static str>,
    default: bool,
    credit_card_collections: bool,
    enterprise_account: Option<()>,
    identity_provider: Option<()>,
    membership_limit: Option<u64>,
    pipeline_cost_consent_at: Option<String>,
    pipeline_cost_consent_user_email: Option<String>,
    provisioned_licenses: bool,
    created_at: String,
    updated_at: String,
}

impl TeamView {
    /// The team, and what the one who asks is in it.
    #[must_use]
    pub fn new(team: &Team, role: Option<Role>) -> Self {
        Self {
            id: team.id,
            name: team.name.to_string(),
            kind: "team",
            role: role.map(Role::word),
            default: false,
            credit_card_collections: false,
            enterprise_account: None,
            identity_provider: None,
            membership_limit: None,
            pipeline_cost_consent_at: None,
            pipeline_cost_consent_user_email: None,
            provisioned_licenses: false,
            created_at: team.created_at.rfc3339(),
            updated_at: team.updated_at.rfc3339(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Person {
    id: Option<AccountId>,
    email: String,
    name: Option<String>,
}

impl From<&Account> for Person {
    fn from(account: &Account) -> Self {
        Self { id: Some(account.id), email: account.email.clone(), name: account.name.clone() }
    }
}

/// A member.
#[derive(Debug, Clone, Serialize)]
pub struct MemberView {
    id: TeamMemberId,
    email: String,
    role: &'static str,
    federated: bool,
    two_factor_authentication: bool,
    identity_provider: Option<()>,
    user: Person,
    created_at: String,
    updated_at: String,
}

impl From<&MemberDetail> for MemberView {
    fn from(detail: &MemberDetail) -> Self {
        Self {
            id: detail.member.id,
            email: detail.account.email.clone(),
            role: detail.member.role.word(),
            federated: false,
            two_factor_authentication: detail.account.two_factor,
            identity_provider: None,
            user: (&detail.account).into(),
            created_at: detail.member.created_at.rfc3339(),
            updated_at: detail.member.updated_at.rfc3339(),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct TeamRef {
    id: TeamId,
    name: String,
}

/// An invitation.
#[derive(Debug, Clone, Serialize)]
pub struct InvitationView {
    id: TeamInvitationId,
    team: TeamRef,
    user: Person,
    invited_by: Person,
    role: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&InvitationDetail> for InvitationView {
    fn from(detail: &InvitationDetail) -> Self {
        let one = &detail.invitation;
        let nobody = || Person { id: None, email: one.email.clone(), name: None };
        Self {
            id: one.id,
            team: TeamRef { id: detail.team.id, name: detail.team.name.to_string() },
            user: detail.account.as_ref().map_or_else(nobody, Person::from),
            invited_by: (&detail.by).into(),
            role: one.role.word(),
            created_at: one.created_at.rfc3339(),
            updated_at: one.updated_at.rfc3339(),
        }
    }
}

/// An invitation that was just made.
#[derive(Debug, Clone, Serialize)]
pub struct NewInvitationView {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: InvitationView,
    /// What the one who is invited accepts it with; told only here.
    pub token: String,
}

/// A permission and what it is for.
#[derive(Debug, Clone, Serialize)]
pub struct PermissionView {
    name: &'static str,
    description: &'static str,
}

impl From<Permission> for PermissionView {
    fn from(one: Permission) -> Self {
        Self { name: one.word(), description: one.doc() }
    }
}

/// An app of a team, and who may do what with it.
#[derive(Debug, Clone, Serialize)]
pub struct PermissionEntityView {
    id: AppId,
    name: String,
    team_id: TeamId,
    #[serde(rename = "type")]
    kind: &'static str,
    users: Vec<PermittedView>,
}

#[derive(Debug, Clone, Serialize)]
struct PermittedView {
    id: AccountId,
    email: String,
    permissions: Vec<&'static str>,
}

impl PermissionEntityView {
    /// The app and its people.
    #[must_use]
    pub fn new(team: &Team, access: &AppAccess) -> Self {
        let user = |(account, permissions): &(Account, Permissions)| PermittedView {
            id: account.id,
            email: account.email.clone(),
            permissions: permissions.iter().map(Permission::word).collect(),
        };
        Self {
            id: access.app.id,
            name: access.app.name.to_string(),
            team_id: team.id,
            kind: "app",
            users: access.people.iter().map(user).collect(),
        }
    }
}

/// Body of `POST /teams`. What belongs to bills is not read.
#[derive(Debug, Deserialize)]
pub struct CreateTeam {
    /// Its name.
    pub name: String,
}

/// Body of `PATCH /teams/{team}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateTeam {
    /// Another name.
    pub name: Option<String>,
}

/// Who is to be what in a team.
#[derive(Debug, Deserialize)]
pub struct PutMember {
    /// Who.
    pub email: String,
    /// `admin`, `member` or `viewer`.
    pub role: String,
}

/// Something that teams have, switched on.
#[derive(Debug, Clone, Serialize)]
pub struct TeamFeatureView {
    id: TeamId,
    name: &'static str,
    display_name: &'static str,
    description: &'static str,
    doc_url: &'static str,
    feedback_email: &'static str,
    state: &'static str,
    enabled: bool,
    created_at: String,
    updated_at: String,
}

impl TeamFeatureView {
    /// Is this its name or its id?
    #[must_use]
    pub fn is(&self, name_or_id: &str) -> bool {
        self.name == name_or_id || self.id.to_string() == name_or_id
    }

    /// Permissions one by one: the official command line sends them only to teams that have this.
    #[must_use]
    pub fn access_controls(team: &Team) -> Self {
        Self {
            id: team.id,
            name: "org-access-controls",
            display_name: "org-access-controls",
            description: "Permissions for each app and person",
            doc_url: "",
            feedback_email: "",
            state: "general",
            enabled: true,
            created_at: team.created_at.rfc3339(),
            updated_at: team.created_at.rfc3339(),
        }
    }
}
