//! Teams: make, rename, destroy; members and invitations (TEAM-2 to TEAM-6).

use crate::account::{self, AccountError, secret_hash};
use crate::app::{AppDetail, AppError};
use crate::gate::{Authorized, GateError};
use crate::{Control, app};
use model::account::{Account, BadEmail, Email};
use model::id::TeamInvitationId;
use model::permission::Right;
use model::team::{BadTeamName, Invitation, Member, NoSuchRole, Role, Team, TeamName};
use store::StoreError;

/// Teams of one account.
pub const TEAM_LIMIT: usize = 100;

/// Members of one team, invitations included.
pub const MEMBER_LIMIT: usize = 500;

/// Why a team is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// A bad name.
    #[error(transparent)]
    BadName(#[from] BadTeamName),
    /// Taken.
    #[error("Name {0} is already taken")]
    NameTaken(TeamName),
    /// It has apps.
    #[error("The team {0} has apps or pipelines; transfer or destroy them first")]
    HasApps(TeamName),
    /// Too many teams.
    #[error("You are in {TEAM_LIMIT} teams, which is the limit; leave one first")]
    TooMany,
    /// Too many members.
    #[error("A team has at most {MEMBER_LIMIT} members")]
    TooManyMembers,
    /// Nobody has this e-mail.
    #[error(
        "Couldn't find that user. Invite them (`flowline members:add`), or have an operator make the account: `flowline accounts:create EMAIL`"
    )]
    NoSuchUser,
    /// Not in the team.
    #[error("Couldn't find that member.")]
    NoSuchMember,
    /// CLI-39.
    #[error("{0} is already a member of this team")]
    Already(String),
    /// Somebody has to be able to add people.
    #[error("{0} is the only admin of the team; make another member admin first")]
    LastAdmin(String),
    /// An unknown role.
    #[error(transparent)]
    Role(#[from] NoSuchRole),
    /// No e-mail.
    #[error(transparent)]
    Email(#[from] BadEmail),
    /// Not invited, with another account perhaps, or the invitation was taken back.
    #[error("Couldn't find that invitation. Log in with the account that it was sent to")]
    NoSuchInvitation,
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Its apps cannot be shown.
    #[error(transparent)]
    App(#[from] AppError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccountError> for TeamError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            _ => Self::NoSuchUser,
        }
    }
}

/// A member with who it is.
#[derive(Debug, Clone)]
pub struct MemberDetail {
    /// The entry.
    pub member: Member,
    /// Who.
    pub account: Account,
}

/// An invitation with who sent it.
#[derive(Debug, Clone)]
pub struct InvitationDetail {
    /// The invitation.
    pub invitation: Invitation,
    /// The team.
    pub team: Team,
    /// Who sent it.
    pub by: Account,
    /// The account that has the e-mail, if there is one.
    pub account: Option<Account>,
}

/// Makes a team; whoever makes it is its first admin.
///
/// # Errors
/// A bad or taken name, too many.
pub async fn create(control: &Control, who: &Account, name: &str) -> Result<Team, TeamError> {
    let now = control.now();
    let team = Team { id: control.world.new_id(), name: name.parse()?, created_at: now, updated_at: now };
    let mut tx = control.store.begin().await?;
    if store::team::of_account(tx.db(), who.id).await?.len() >= TEAM_LIMIT {
        return Err(TeamError::TooMany);
    }
    match store::team::insert(&mut tx, &team).await {
        Err(error) if error.is_duplicate() => return Err(TeamError::NameTaken(team.name)),
        other => other?,
    }
    store::team::put_member(&mut tx, &member(control, &team, who, Role::Admin)).await?;
    tx.commit().await?;
    Ok(team)
}

fn member(control: &Control, team: &Team, account: &Account, role: Role) -> Member {
    let now = control.now();
    let (team, account) = (team.id, account.id);
    Member { id: control.world.new_id(), team, account, role, created_at: now, updated_at: now }
}

/// The teams of an account with its role in each, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<(Team, Option<Role>)>, TeamError> {
    let mut all = Vec::new();
    for team in store::team::of_account(control.store.db(), who.id).await? {
        let role = store::team::role(control.store.db(), team.id, who.id).await?;
        all.push((team, role));
    }
    Ok(all)
}

/// What the one who asks is in a team.
///
/// # Errors
/// When the database fails.
pub async fn role(control: &Control, team: &Authorized<Team>) -> Result<Option<Role>, TeamError> {
    Ok(store::team::role(control.store.db(), team.id, team.by().id).await?)
}

/// Renames it.
///
/// # Errors
/// A bad or taken name.
pub async fn rename(control: &Control, team: &Authorized<Team>, name: &str) -> Result<Team, TeamError> {
    let next = Team { name: name.parse()?, updated_at: control.now(), ..Team::clone(team) };
    let mut tx = control.store.begin().await?;
    match store::team::rename(&mut tx, &next).await {
        Err(error) if error.is_duplicate() => Err(TeamError::NameTaken(next.name)),
        Err(error) => Err(error.into()),
        Ok(()) => {
            tx.commit().await?;
            Ok(next)
        }
    }
}

/// Removes a team that has no apps.
///
/// # Errors
/// [`TeamError::HasApps`].
pub async fn destroy(control: &Control, team: &Authorized<Team>) -> Result<(), TeamError> {
    let mut tx = control.store.begin().await?;
    match store::team::delete(&mut tx, team.id).await {
        Err(error) if error.is_in_use() => Err(TeamError::HasApps(team.name.clone())),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(tx.commit().await?),
    }
}

/// Its apps, by name.
///
/// # Errors
/// When the database fails.
pub async fn apps(control: &Control, team: &Authorized<Team>) -> Result<Vec<AppDetail>, TeamError> {
    let mut all = Vec::new();
    for app in store::app::of_team(control.store.db(), team.id).await? {
        all.push(app::detail(control, app).await?);
    }
    Ok(all)
}

/// Its members, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn members(control: &Control, team: &Authorized<Team>) -> Result<Vec<MemberDetail>, TeamError> {
    let mut all = Vec::new();
    for member in store::team::members(control.store.db(), team.id).await? {
        if let Some(account) = store::account::by_id(control.store.db(), member.account).await? {
            all.push(MemberDetail { member, account });
        }
    }
    Ok(all)
}

/// One of them by entry, account or e-mail (CLI-23).
///
/// # Errors
/// [`TeamError::NoSuchMember`].
pub async fn find_member(control: &Control, team: &Authorized<Team>, which: &str) -> Result<MemberDetail, TeamError> {
    let which = which.to_ascii_lowercase();
    let is = |one: &MemberDetail| {
        one.account.email == which || one.member.id.to_string() == which || one.account.id.to_string() == which
    };
    members(control, team).await?.into_iter().find(is).ok_or(TeamError::NoSuchMember)
}

/// What is done when somebody is a member already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Their role changes (TEAM-6).
    Either,
    /// It is an error (CLI-39).
    New,
    /// It is what is expected.
    Present,
}

/// Adds a member, or changes the role of one.
///
/// # Errors
/// Nobody of that e-mail, an unknown role, the last admin.
pub async fn put_member(
    control: &Control,
    team: &Authorized<Team>,
    email: &str,
    role: &str,
    put: Put,
) -> Result<MemberDetail, TeamError> {
    let role: Role = role.parse()?;
    let account = account::find(control, email).await?;
    let mut tx = control.store.begin().await?;
    let all = store::team::members(tx.db(), team.id).await?;
    let present = all.iter().find(|one| one.account == account.id);
    let member = match (present, put) {
        (Some(_), Put::New) => return Err(TeamError::Already(account.email)),
        (None, Put::Present) => return Err(TeamError::NoSuchMember),
        (None, Put::New | Put::Either) if all.len() >= MEMBER_LIMIT => return Err(TeamError::TooManyMembers),
        (None, Put::New | Put::Either) => member(control, team, &account, role),
        (Some(present), Put::Either | Put::Present) => {
            if role != Role::Admin {
                check_admins(&all, present, &account)?;
            }
            Member { role, updated_at: control.now(), ..present.clone() }
        }
    };
    store::team::put_member(&mut tx, &member).await?;
    tx.commit().await?;
    Ok(MemberDetail { member, account })
}

fn check_admins(all: &[Member], but: &Member, account: &Account) -> Result<(), TeamError> {
    let another = all.iter().any(|one| one.role == Role::Admin && one.account != but.account);
    if but.role == Role::Admin && !another { Err(TeamError::LastAdmin(account.email.clone())) } else { Ok(()) }
}

/// Removes a member: oneself always, others as an admin. Their own entries as collaborators of the team's apps go too.
///
/// # Errors
/// [`TeamError::NoSuchMember`], [`TeamError::LastAdmin`].
pub async fn remove_member(control: &Control, team: &Authorized<Team>, which: &str) -> Result<MemberDetail, TeamError> {
    let found = find_member(control, team, which).await?;
    if found.account.id != team.by().id && !team.allows(Right::Manage) {
        return Err(GateError::NotAdmin(team.name.clone()).into());
    }
    let mut tx = control.store.begin().await?;
    check_admins(&store::team::members(tx.db(), team.id).await?, &found.member, &found.account)?;
    for app in store::app::of_team(tx.db(), team.id).await? {
        if let Some(own) = store::collaborator::find(tx.db(), app.id, found.account.id).await? {
            store::collaborator::delete(&mut tx, own.id).await?;
        }
    }
    store::team::delete_member(&mut tx, found.member.id).await?;
    tx.commit().await?;
    Ok(found)
}

/// The team's apps that a member may see: all of them (TEAM-3).
///
/// # Errors
/// [`TeamError::NoSuchMember`].
pub async fn apps_of_member(
    control: &Control,
    team: &Authorized<Team>,
    which: &str,
) -> Result<Vec<AppDetail>, TeamError> {
    find_member(control, team, which).await?;
    apps(control, team).await
}

/// Who was asked to join and has not answered.
///
/// # Errors
/// When the database fails.
pub async fn invitations(control: &Control, team: &Authorized<Team>) -> Result<Vec<InvitationDetail>, TeamError> {
    let mut all = Vec::new();
    for invitation in store::team::invitations(control.store.db(), team.id).await? {
        all.push(detail(control, Team::clone(team), invitation).await?);
    }
    Ok(all)
}

async fn detail(control: &Control, team: Team, invitation: Invitation) -> Result<InvitationDetail, TeamError> {
    let db = control.store.db();
    let by = store::account::by_id(db, invitation.by).await?.ok_or(TeamError::NoSuchInvitation)?;
    let account = store::account::by_email(db, &invitation.email).await?;
    Ok(InvitationDetail { invitation, team, by, account })
}

/// Asks somebody to join, with an account or without one yet; the token is told only here, for whoever passes it on.
///
/// # Errors
/// A bad e-mail or role, a member already.
pub async fn invite(
    control: &Control,
    team: &Authorized<Team>,
    email: &str,
    role: &str,
) -> Result<(InvitationDetail, String), TeamError> {
    let (email, role) = (email.parse::<Email>()?.to_string(), role.parse()?);
    if find_member(control, team, &email).await.is_ok() {
        return Err(TeamError::Already(email));
    }
    let (now, token) = (control.now(), control.world.secret::<32>());
    let (id, by) = (control.world.new_id(), team.by().id);
    let new = Invitation { id, team: team.id, email: email.clone(), role, by, created_at: now, updated_at: now };
    let mut tx = control.store.begin().await?;
    if store::team::invitations(tx.db(), team.id).await?.len() >= MEMBER_LIMIT {
        return Err(TeamError::TooManyMembers);
    }
    store::team::put_invitation(&mut tx, &new, &secret_hash(&token)).await?;
    tx.commit().await?;
    // One that replaced another has that one's id.
    let kept = invitations(control, team).await?.into_iter().find(|one| one.invitation.email == email);
    Ok((kept.ok_or(TeamError::NoSuchInvitation)?, token))
}

/// Takes an invitation back.
///
/// # Errors
/// [`TeamError::NoSuchInvitation`].
pub async fn revoke_invitation(
    control: &Control,
    team: &Authorized<Team>,
    which: &str,
) -> Result<InvitationDetail, TeamError> {
    let id = which.parse::<TeamInvitationId>().map_err(|_| TeamError::NoSuchInvitation)?;
    let all = invitations(control, team).await?;
    let found = all.into_iter().find(|one| one.invitation.id == id).ok_or(TeamError::NoSuchInvitation)?;
    let mut tx = control.store.begin().await?;
    store::team::delete_invitation(&mut tx, id).await?;
    tx.commit().await?;
    Ok(found)
}

/// The invitation with this token, for the one who is invited.
///
/// # Errors
/// [`TeamError::NoSuchInvitation`].
pub async fn invitation(control: &Control, who: &Account, token: &str) -> Result<InvitationDetail, TeamError> {
    let db = control.store.db();
    let found = store::team::invitation(db, &secret_hash(token)).await?;
    let found = found.filter(|found| found.email == who.email).ok_or(TeamError::NoSuchInvitation)?;
    let team = store::team::by_id(db, found.team).await?.ok_or(TeamError::NoSuchInvitation)?;
    detail(control, team, found).await
}

/// Joins the team that one was invited to.
///
/// # Errors
/// [`TeamError::NoSuchInvitation`].
pub async fn accept_invitation(control: &Control, who: &Account, token: &str) -> Result<MemberDetail, TeamError> {
    let found = invitation(control, who, token).await?;
    let new = member(control, &found.team, who, found.invitation.role);
    let mut tx = control.store.begin().await?;
    if !store::team::delete_invitation(&mut tx, found.invitation.id).await? {
        return Err(TeamError::NoSuchInvitation);
    }
    store::team::put_member(&mut tx, &new).await?;
    tx.commit().await?;
    Ok(MemberDetail { member: new, account: who.clone() })
}
