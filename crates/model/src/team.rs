//! Teams: a name, members with roles, apps that belong to all of them (TEAM-2 to TEAM-6).

use crate::id::{AccountId, TeamId, TeamInvitationId, TeamMemberId};
use crate::permission::{Permission, Permissions};
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: TeamName,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One account in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its own id.
    pub id: TeamMemberId,
    /// The team.
    pub team: TeamId,
    /// Who.
    pub account: AccountId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
    /// When the role last changed.
    pub updated_at: Timestamp,
}

/// Somebody who was asked to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: TeamInvitationId,
    /// The team.
    pub team: TeamId,
    /// Who was asked.
    pub email: String,
    /// As what.
    pub role: Role,
    /// By whom.
    pub by: AccountId,
    /// When.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a member is in the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything, people too.
    Admin,
    /// All apps that are not locked, but not to manage them.
    Member,
    /// Look only.
    Viewer,
}

impl Role {
    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// What it allows on an app of the team (TEAM-3); a locked app keeps members at looking until they are added (TEAM-4).
    #[must_use]
    pub fn permissions(self, locked: bool) -> Permissions {
        match (self, locked) {
            (Self::Admin, _) => Permissions::all(),
            (Self::Member, false) => Permissions::working(),
            (Self::Member, true) | (Self::Viewer, _) => [Permission::View].into_iter().collect(),
        }
    }
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no role: there are admin, member and viewer", .0.escape_debug())]
pub struct NoSuchRole(pub String);

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        let found = [Self::Admin, Self::Member, Self::Viewer].into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| NoSuchRole(text.chars().take(40).collect()))
    }
}

/// A team's name: 3 to 30 lower-case letters, digits and dashes, as an app's; and no word that the API's paths have there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TeamName(String);

/// What stands in a path where a team's name could stand.
const RESERVED: &[&str] = &["apps", "permissions", "invitations"];

/// Text that cannot be a team's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Name `{}` is not valid for a team: use 3 to 30 lower-case letters, digits and dashes, beginning with a letter and \
     not ending in a dash", .0.escape_debug()
)]
pub struct BadTeamName(pub String);

impl TeamName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TeamName {
    type Err = BadTeamName;

    fn from_str(text: &str) -> Result<Self, BadTeamName> {
        let good = text.parse::<crate::app::AppName>().is_ok() && !RESERVED.contains(&text);
        if good { Ok(Self(text.to_owned())) } else { Err(BadTeamName(text.chars().take(60).collect())) }
    }
}

impl fmt::Display for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn team_3_and_team_4_what_roles_allow() {
        assert_eq!(Role::Admin.permissions(true), Permissions::all());
        assert_eq!(Role::Member.permissions(false), Permissions::working());
        assert_eq!(Role::Member.permissions(true).to_string(), "view");
        assert_eq!(Role::Viewer.permissions(false).to_string(), "view");
        assert!("owner".parse::<Role>().is_err());
    }

    #[test]
    fn names() {
        assert_eq!("acme-2".parse::<TeamName>().unwrap().as_str(), "acme-2");
        for bad in ["", "ab", "Acme", "apps", "permissions", "invitations", "a/b", "acme\n"] {
            assert!(bad.parse::<TeamName>().is_err(), "{bad:?}");
        }
    }
}
