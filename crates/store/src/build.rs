//! Builds.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::build::{Build, BuildSource, BuildState};
use model::commit::Commit;
use model::id::{AppId, BuildId, ReleaseId, SlugId, TestRunId};
use model::stack::Stack;
use model::time::Timestamp;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app_id, by_id, source_url, source_version, source_description, source_checksum, stack, secret, state, ",
            "slug_id, why, release_id, buildpacks, committed_at, commit_author, commit_email, commit_subject, created_at, ",
            "updated_at FROM build ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO build (id, app_id, by_id, source_url, source_version, source_description, source_checksum, \
     stack, secret, state, buildpacks, committed_at, commit_author, commit_email, commit_subject, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, $13, $14, $15, $15)";
const FINISH: &str = "UPDATE build SET state = $2, slug_id = $3, why = $4, updated_at = $5 WHERE id = $1 AND state = 'pending' \
     AND ($2 <> 'succeeded' OR cancelled_by IS NULL)";
const CANCEL: &str = "UPDATE build SET cancelled_by = $2 WHERE id = $1 AND state = 'pending' AND cancelled_by IS NULL";
const CANCELLED_BY: &str = "SELECT cancelled_by FROM build WHERE id = $1 AND cancelled_by IS NOT NULL";
const SET_RELEASE: &str = "UPDATE build SET release_id = $2 WHERE id = $1";
const SET_BUILDPACKS: &str = "UPDATE build SET buildpacks = $2 WHERE id = $1";
const BEGIN: &str = "UPDATE build SET begun_at = $2 WHERE id = $1";
const TESTED: &str = "UPDATE build SET (tests_asked_at, tests_begun_at, tests_ended_at) = (SELECT created_at, begun_at, updated_at \
     FROM test_run WHERE id = $2 AND state = 'succeeded' AND begun_at IS NOT NULL) WHERE id = $1";
const BY_ID: &str = select!("WHERE id = $1");
const OF_SLUG: &str = select!("WHERE slug_id = $1");
const LIST: &str = select!("WHERE app_id = $1 ORDER BY created_at");
const LATEST: &str = select!("WHERE app_id = $1 ORDER BY created_at DESC LIMIT 1");
const PENDING: &str = select!("WHERE state = 'pending'");
const RELEASES: &str = "SELECT id, release_id FROM build";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[
    INSERT,
    FINISH,
    CANCEL,
    CANCELLED_BY,
    SET_RELEASE,
    SET_BUILDPACKS,
    BEGIN,
    TESTED,
    BY_ID,
    OF_SLUG,
    LIST,
    LATEST,
    PENDING,
    RELEASES,
];

/// Adds a pending build.
///
/// # Errors
/// [`StoreError::is_duplicate`] when the app has a pending one already (BLD-5).
pub async fn insert(tx: &mut Tx, build: &Build) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT).bind(build.id.to_string()).bind(build.app.to_string()).bind(build.by.to_string());
    let query = query.bind(&build.source.url).bind(&build.source.version).bind(&build.source.description);
    let query = query.bind(&build.source.checksum).bind(build.stack.as_str()).bind(&build.secret);
    let commit = build.source.commit.as_ref();
    let query = query.bind(lines(&build.buildpacks)).bind(commit.map(|commit| commit.at.0));
    let query = query.bind(commit.map(|commit| &commit.author)).bind(commit.map(|commit| &commit.email));
    let query = query.bind(commit.map(|commit| &commit.subject)).bind(build.created_at.0);
    query.execute(tx.db()).await?;
    Ok(())
}

/// Stores how a build ended. `false`: another worker ended it first, or it was cancelled and does not succeed any more.
///
/// # Errors
/// When the database fails.
pub async fn finish(tx: &mut Tx, id: BuildId, state: &BuildState, at: Timestamp) -> Result<bool, StoreError> {
    let why = match state {
        BuildState::Failed { why } => Some(why),
        BuildState::Pending | BuildState::Succeeded { .. } => None,
    };
    let query = sqlx::query(FINISH).bind(id.to_string()).bind(state.word()).bind(state.slug().map(|id| id.to_string()));
    Ok(query.bind(why).bind(at.0).execute(tx.db()).await?.rows_affected() == 1)
}

/// Notes who cancelled a build. `false`: it is over, or cancelled already.
///
/// # Errors
/// When the database fails.
pub async fn cancel(tx: &mut Tx, id: BuildId, by: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query(CANCEL).bind(id.to_string()).bind(by).execute(tx.db()).await?.rows_affected() == 1)
}

/// Who cancelled it, if somebody did.
///
/// # Errors
/// When the database fails.
pub async fn cancelled_by<'e>(db: impl SqliteExecutor<'e>, id: BuildId) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(CANCELLED_BY).bind(id.to_string()).fetch_optional(db).await?;
    row.map(|row| Cells { table: "build", row: &row }.text("cancelled_by")).transpose()
}

/// Notes which release the build became.
///
/// # Errors
/// When the database fails.
pub async fn set_release(tx: &mut Tx, id: BuildId, release: ReleaseId) -> Result<(), StoreError> {
    sqlx::query(SET_RELEASE).bind(id.to_string()).bind(release.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// Notes which packs were found out.
///
/// # Errors
/// When the database fails.
pub async fn set_buildpacks(tx: &mut Tx, id: BuildId, buildpacks: &[String]) -> Result<(), StoreError> {
    sqlx::query(SET_BUILDPACKS).bind(id.to_string()).bind(lines(buildpacks)).execute(tx.db()).await?;
    Ok(())
}

/// Notes that a build had its turn: until then it waited.
///
/// # Errors
/// When the database fails.
pub async fn begin(tx: &mut Tx, id: BuildId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(BEGIN).bind(id.to_string()).bind(at.0).execute(tx.db()).await?;
    Ok(())
}

/// Notes that its source went through this test run, with the run's times: the run goes with its pipeline. One that is not green is
/// none.
///
/// # Errors
/// When the database fails.
pub async fn tested(tx: &mut Tx, id: BuildId, run: TestRunId) -> Result<(), StoreError> {
    sqlx::query(TESTED).bind(id.to_string()).bind(run.to_string()).execute(tx.db()).await?;
    Ok(())
}

/// One a line: no name of a pack has a line break.
fn lines(buildpacks: &[String]) -> Option<String> {
    (!buildpacks.is_empty()).then(|| buildpacks.join("\n"))
}

/// The build with this id.
///
/// # Errors
/// When the database fails.
pub async fn by_id<'e>(db: impl SqliteExecutor<'e>, id: BuildId) -> Result<Option<Build>, StoreError> {
    sqlx::query(BY_ID).bind(id.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The build that made a slug; `None` for one that was uploaded.
///
/// # Errors
/// When the database fails.
pub async fn of_slug<'e>(db: impl SqliteExecutor<'e>, slug: SlugId) -> Result<Option<Build>, StoreError> {
    sqlx::query(OF_SLUG).bind(slug.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// The builds of an app, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Vec<Build>, StoreError> {
    sqlx::query(LIST).bind(app.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// The newest of an app.
///
/// # Errors
/// When the database fails.
pub async fn latest<'e>(db: impl SqliteExecutor<'e>, app: AppId) -> Result<Option<Build>, StoreError> {
    sqlx::query(LATEST).bind(app.to_string()).fetch_optional(db).await?.as_ref().map(read).transpose()
}

/// All builds under way.
///
/// # Errors
/// When the database fails.
pub async fn pending<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<Build>, StoreError> {
    sqlx::query(PENDING).fetch_all(db).await?.iter().map(read).collect()
}

/// Every build, and the release it became.
///
/// # Errors
/// When the database fails.
pub async fn releases<'e>(db: impl SqliteExecutor<'e>) -> Result<Vec<(BuildId, Option<ReleaseId>)>, StoreError> {
    let read = |row: &SqliteRow| {
        let cells = Cells { table: "build", row };
        Ok((cells.parsed("id")?, cells.maybe_parsed("release_id")?))
    };
    sqlx::query(RELEASES).fetch_all(db).await?.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Build, StoreError> {
    let cells = Cells { table: "build", row };
    let state = match (cells.text("state")?.as_str(), cells.maybe_parsed("slug_id")?, cells.maybe_text("why")?) {
        ("pending", None, None) => BuildState::Pending,
        ("succeeded", Some(slug), None) => BuildState::Succeeded { slug },
        ("failed", None, Some(why)) => BuildState::Failed { why },
        (word, slug, why) => return Err(cells.bad(format!("state {word} with slug {slug:?} and reason {why:?}"))),
    };
    Ok(Build {
        id: cells.parsed("id")?,
        app: cells.parsed("app_id")?,
        by: cells.parsed("by_id")?,
        source: BuildSource {
            url: cells.text("source_url")?,
            version: cells.maybe_text("source_version")?,
            description: cells.maybe_text("source_description")?,
            checksum: cells.maybe_text("source_checksum")?,
            commit: commit(&cells)?,
        },
        stack: Stack::named(&cells.text("stack")?).map_err(|error| cells.bad(error))?,
        buildpacks: cells.maybe_text("buildpacks")?.iter().flat_map(|all| all.lines()).map(str::to_owned).collect(),
        secret: cells.text("secret")?,
        state,
        release: cells.maybe_parsed("release_id")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    })
}

/// The four columns are set together.
fn commit(cells: &Cells<'_>) -> Result<Option<Commit>, StoreError> {
    let Some(at) = cells.maybe_time("committed_at")? else { return Ok(None) };
    let text = |column| cells.text(column);
    Ok(Some(Commit {
        at,
        author: text("commit_author")?,
        email: text("commit_email")?,
        subject: text("commit_subject")?,
    }))
}
