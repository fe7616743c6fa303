//! Who of a team's people, and of those from outside, may do what with each of its apps.

use crate::Control;
use crate::gate::Authorized;
use crate::team::{self, TeamError};
use model::account::Account;
use model::app::App;
use model::id::AccountId;
use model::permission::Permissions;
use model::team::Team;
use std::collections::BTreeMap;

/// An app of a team with everybody who may do something with it, by e-mail.
#[derive(Debug, Clone)]
pub struct AppAccess {
    /// The app.
    pub app: App,
    /// Who, and what: by their role, and by what they were given for this app.
    pub people: Vec<(Account, Permissions)>,
}

/// Of every app of the team, by its name.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, team: &Authorized<Team>) -> Result<Vec<AppAccess>, TeamError> {
    let members = team::members(control, team).await?;
    let mut all = Vec::new();
    for app in store::app::of_team(control.store.db(), team.id).await? {
        let by_role = |one: &team::MemberDetail| (one.account.id, one.member.role.permissions(app.locked));
        let mut rights: BTreeMap<AccountId, Permissions> = members.iter().map(by_role).collect();
        for given in store::collaborator::of_app(control.store.db(), app.id).await? {
            let before = rights.get(&given.account).copied().unwrap_or_default();
            rights.insert(given.account, before.and(given.permissions));
        }
        let mut people = Vec::new();
        for (id, permissions) in rights {
            if let Some(account) = store::account::by_id(control.store.db(), id).await? {
                people.push((account, permissions));
            }
        }
        people.sort_by(|(one, _), (other, _)| one.email.cmp(&other.email));
        all.push(AppAccess { app, people });
    }
    Ok(all)
}
