//! Teams, their members, and who was asked to join.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::{AccountId, TeamId, TeamInvitationId, TeamMemberId};
use model::team::{Invitation, Member, Role, Team, TeamName};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO team (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)";
const RENAME: &str = "UPDATE team SET name = $2, updated_at = $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM team WHERE id = $1";
const BY_ID: &str = "SELECT id, name, created_at, updated_at FROM team WHERE id = $1";
const BY_NAME: &str = "SELECT id, name, created_at, updated_at FROM team WHERE name = $1";
const OF_ACCOUNT: &str = "SELECT team.id, team.name, team.created_at, team.updated_at FROM team \
     JOIN team_member ON team_member.team_id = team.id WHERE team_member.account_id = $1 ORDER BY team.name";
const PUT_MEMBER: &str = "INSERT INTO team_member (id, team_id, account_id, role, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (team_id, account_id) DO UPDATE SET role = $4, updated_at = $6";
const DELETE_MEMBER: &str = "DELETE FROM team_member WHERE id = $1";
const ROLE: &str = "SELECT role FROM team_member WHERE team_id = $1 AND account_id = $2";
const MEMBERS: &str = "SELECT id, team_id, account_id, role, created_at, updated_at FROM team_member \
     WHERE team_id = $1 ORDER BY created_at, id";
const PUT_INVITATION: &str = "INSERT INTO team_invitation (id, team_id, email, role, by_id, token_sha256, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (team_id, email) DO UPDATE SET role = $4, by_id = $5, token_sha256 = $6, updated_at = $8";
const DELETE_INVITATION: &str = "DELETE FROM team_invitation WHERE id = $1";
const INVITATIONS: &str = "SELECT id, team_id, email, role, by_id, created_at, updated_at FROM team_invitation \
     WHERE team_id = $1 ORDER BY created_at, id";
const INVITATION: &str =
    "SELECT id, team_id, email, role, by_id, created_at, updated_at FROM team_invitation WHERE token_sha256 = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    RENAME,
    DELETE,
    BY_ID,
    BY_NAME,
    OF_ACCOUNT,
    PUT_MEMBER,
    DELETE_MEMBER,
    ROLE,
    MEMBERS,
    PUT_INVITATION,
    DELETE_INVITATION,
    INVITATIONS,
    INVITATION,
];

/// Adds a team.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the name is taken.
pub async fn insert(tx: &mut Tx, team: &Team) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(team.id.to_string()).bind(team.name.as_str());
    query.bind(team.created_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Stores its name.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the name is taken.
pub async fn rename(tx: &mut Tx, team: &Team) -> Result<(), StoreError> {
    let query = sqlx::query(RENAME).bind(team.id.to_string()).bind(team.name.as_str());
    query.bind(team.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes a team with its members. `false`: it was gone already.
///
/// # Errors
/// When apps belong to it, or the database fails.
pub async fn delete(tx: &mut Tx, id: TeamId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// The team with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: TeamId) -> Result<Option<Team>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The team with this name.
///
/// # Errors
/// When the database fails.
pub async fn by_name<'e>(db: impl SqliteExecutor<'e>, name: &TeamName) -> Result<Option<Team>, StoreError> {
    sqlx::query(BY_NAME).bind(name.as_str()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The teams that an account is in, by name.
///
/// # Errors
/// When the database fails.
pub async fn of_account<'e>(db: impl SqliteExecutor<'e>, account: AccountId) -> Result<Vec<Team>, StoreError> {
    sqlx::query(OF_ACCOUNT).bind(account.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// Adds a member, or changes the role of one (TEAM-6).
///
/// # Errors
/// When the database fails.
pub async fn put_member(tx: &mut Tx, member: &Member) -> Result<(), StoreError> {
    let query = sqlx::query(PUT_MEMBER).bind(member.id.to_string()).bind(member.team.to_string());
    let query = query.bind(member.account.to_string()).bind(member.role.word());
    query.bind(member.created_at.0).bind(member.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes a member. `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete_member(tx: &mut Tx, id: TeamMemberId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE_MEMBER).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// What an account is in a team; `None`: not in it.
///
/// # Errors
/// When the database fails.
pub async fn role<'e>(
    db: impl SqliteExecutor<'e>,
    team: TeamId,
    account: AccountId,
) -> Result<Option<Role>, StoreError> {
    let row = sqlx::query(ROLE).bind(team.to_string()).bind(account.to_string()).fetch_optional(db).await?;
    row.map(|row| Cells { table: "team_member", row: &row }.parsed("role")).transpose()
}

/// The members of a team, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn members<'e>(db: impl SqliteExecutor<'e>, team: TeamId) -> Result<Vec<Member>, StoreError> {
    sqlx::query(MEMBERS).bind(team.to_string()).fetch_all(db).await?.iter().map(read_member).collect()
}

/// Adds an invitation, or replaces the one to the same address; its token is kept as SHA-256 only.
///
/// # Errors
/// When the database fails.
pub async fn put_invitation(tx: &mut Tx, one: &Invitation, token_sha256: &str) -> Result<(), StoreError> {
    let query = sqlx::query(PUT_INVITATION).bind(one.id.to_string()).bind(one.team.to_string()).bind(&one.email);
    let query = query.bind(one.role.word()).bind(one.by.to_string()).bind(token_sha256);
    query.bind(one.created_at.0).bind(one.updated_at.0).execute(tx.db()).await?;
    Ok(())
}

/// Removes an invitation. `false`: gone already.
///
/// # Errors
/// When the database fails.
pub async fn delete_invitation(tx: &mut Tx, id: TeamInvitationId) -> Result<bool, StoreError> {
    Ok(sqlx::query(DELETE_INVITATION).bind(id.to_string()).execute(tx.db()).await?.rows_affected() == 1)
}

/// Who was asked to join a team and has not answered, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn invitations<'e>(db: impl SqliteExecutor<'e>, team: TeamId) -> Result<Vec<Invitation>, StoreError> {
    sqlx::query(INVITATIONS).bind(team.to_string()).fetch_all(db).await?.iter().map(read_invitation).collect()
}

/// The invitation whose token has this hash.
///
/// # Errors
/// When the database fails.
pub async fn invitation<'e>(db: impl SqliteExecutor<'e>, sha256: &str) -> Result<Option<Invitation>, StoreError> {
    sqlx::query(INVITATION).bind(sha256).fetch_optional(db).await?.as_ref().map(read_invitation).transpose()
}

fn read(row: &SqliteRow) -> Result<Team, StoreError> {
    let cells = Cells { table: "team", row };
    Ok(Team {
        id: cells.parsed("id")?,
        name: cells.parsed("name")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}

fn read_member(row: &SqliteRow) -> Result<Member, StoreError> {
    let cells = Cells { table: "team_member", row };
    Ok(Member {
        id: cells.parsed("id")?,
        team: cells.parsed("team_id")?,
        account: cells.parsed("account_id")?,
        role: cells.parsed("role")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}

fn read_invitation(row: &SqliteRow) -> Result<Invitation, StoreError> {
    let cells = Cells { table: "team_invitation", row };
    Ok(Invitation {
        id: cells.parsed("id")?,
        team: cells.parsed("team_id")?,
        email: cells.text("email")?,
        role: cells.parsed("role")?,
        by: cells.parsed("by_id")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}
