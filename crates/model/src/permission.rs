//! What people may do with an app: four permissions, and what each thing that can be done asks for (PERM-1 to PERM-5).

use std::fmt;
use std::str::FromStr;

/// One permission of a person for an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See it, its releases and processes (PERM-2).
    View,
    /// Push and read code, release, change config, scale, run one-off dynos (PERM-3).
    Deploy,
    /// Run it: config, scale, restart, maintenance, logs, drains, domains and certificates (PERM-4).
    Operate,
    /// Rename, destroy, transfer and lock it, and say who may do what (PERM-5).
    Manage,
}

impl Permission {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::View, Self::Deploy, Self::Operate, Self::Manage];

    /// Its word in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Deploy => "deploy",
            Self::Operate => "operate",
            Self::Manage => "manage",
        }
    }

    /// What it is for, in a sentence.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Self::View => "See the app, its releases, builds and processes",
            Self::Deploy => "Read and push code, release, roll back, and change config vars and scale",
            Self::Operate => {
                "Change config vars and scale, restart, maintenance, logs, drains, domains and certificates"
            }
            Self::Manage => "Rename, destroy, transfer and lock the app, and say who may use it",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A word that is no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission: there are view, deploy, operate and manage")]
pub struct NoSuchPermission(pub String);

impl FromStr for Permission {
    type Err = NoSuchPermission;

    fn from_str(text: &str) -> Result<Self, NoSuchPermission> {
        Self::ALL.into_iter().find(|one| one.word() == text).ok_or_else(|| NoSuchPermission(text.to_owned()))
    }
}

/// What one person may do with one app. Whoever may do anything may see it (PERM-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u8);

impl Permissions {
    /// The app is not there for them.
    pub const NONE: Self = Self(0);

    /// Everything: an owner's, a team admin's.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Everything but to manage: a collaborator of a personal app (TEAM-1), a member of a team (TEAM-3).
    #[must_use]
    pub fn working() -> Self {
        [Permission::Deploy, Permission::Operate].into_iter().collect()
    }

    /// Do they have this one?
    #[must_use]
    pub fn has(self, one: Permission) -> bool {
        self.0 & one.bit() != 0
    }

    /// Theirs and those as well.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Which they have.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |one| self.has(*one))
    }

    /// Do they grant this?
    #[must_use]
    pub fn grant(self, right: Right) -> bool {
        match right {
            Right::View => self != Self::NONE,
            Right::Deploy => self.has(Permission::Deploy),
            Right::Operate => self.has(Permission::Operate),
            Right::Run => self.has(Permission::Deploy) || self.has(Permission::Operate),
            Right::Manage => self.has(Permission::Manage),
        }
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(all: T) -> Self {
        let bits = all.into_iter().fold(0, |bits, one| bits | one.bit());
        Self(if bits == 0 { 0 } else { bits | Permission::View.bit() })
    }
}

/// `deploy,view`, as the database keeps them.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Permission::word).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Permissions {
    type Err = NoSuchPermission;

    fn from_str(text: &str) -> Result<Self, NoSuchPermission> {
        text.split(',').filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

/// What a caller wants to do with a thing; the authorization gate asks for one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// See it, its releases, builds and dynos.
    View,
    /// What `deploy` allows: code in and out, builds, releases.
    Deploy,
    /// What `operate` allows: drains, domains, certificates, maintenance.
    Operate,
    /// What either of the two allows: config, scale, restart, one-off dynos, features, logs.
    Run,
    /// What `manage` allows: rename, destroy, transfer, people.
    Manage,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::View, Self::Deploy, Self::Operate, Self::Run, Self::Manage];

    /// The permission that whoever lacks the right is told to ask for.
    #[must_use]
    pub fn permission(self) -> Permission {
        match self {
            Self::View => Permission::View,
            Self::Deploy | Self::Run => Permission::Deploy,
            Self::Operate => Permission::Operate,
            Self::Manage => Permission::Manage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perm_1_permissions_are_independent_and_each_lets_see() {
        let granted = |permissions: Permissions| {
            Right::ALL.into_iter().filter(|right| permissions.grant(*right)).collect::<Vec<_>>()
        };
        let only = |one: Permission| [one].into_iter().collect::<Permissions>();
        assert_eq!(granted(Permissions::NONE), []);
        assert_eq!(granted(only(Permission::View)), [Right::View]);
        assert_eq!(granted(only(Permission::Deploy)), [Right::View, Right::Deploy, Right::Run]);
        assert_eq!(granted(only(Permission::Operate)), [Right::View, Right::Operate, Right::Run]);
        assert_eq!(granted(only(Permission::Manage)), [Right::View, Right::Manage]);
        assert_eq!(granted(Permissions::working()), [Right::View, Right::Deploy, Right::Operate, Right::Run]);
        assert_eq!(granted(Permissions::all()), Right::ALL);
    }

    #[test]
    fn as_text_and_back() {
        for text in ["", "view", "view,deploy", "view,manage", "view,deploy,operate,manage"] {
            assert_eq!(text.parse::<Permissions>().unwrap().to_string(), text);
        }
        assert_eq!("manage,deploy".parse::<Permissions>().unwrap().to_string(), "view,deploy,manage");
        assert!("admin".parse::<Permissions>().unwrap_err().to_string().contains("view, deploy, operate and manage"));
    }
}
