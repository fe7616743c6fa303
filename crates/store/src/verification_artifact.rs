//! What checks left in their folder of reports.

use crate::row::Cells;
use crate::{StoreError, Tx};
use model::id::VerificationId;
use model::test_report::{ReportKind, Tests};
use model::verification::Artifact;
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteRow;

const INSERT: &str = "INSERT INTO verification_artifact (verification_id, number, name, kind, size_bytes, tests, failed, \
     skipped, failed_names) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (verification_id, number) DO NOTHING";
const LIST: &str = "SELECT number, name, kind, size_bytes, tests, failed, skipped, failed_names \
     FROM verification_artifact WHERE verification_id = $1 ORDER BY number";
const DELETE: &str = "DELETE FROM verification_artifact WHERE verification_id = $1";

/// Every statement of this file, for the test that prepares them all.
pub const ALL: &[&str] = &[INSERT, LIST, DELETE];

/// Notes a file.
///
/// # Errors
/// When the check is gone or the database fails.
pub async fn insert(tx: &mut Tx, of: VerificationId, artifact: &Artifact) -> Result<(), StoreError> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let tests = artifact.kind.tests();
    let names = tests.map(|tests| serde_json::to_string(&tests.failed_names)).transpose();
    let names =
        names.map_err(|error| StoreError::BadRow { table: "verification_artifact", what: error.to_string() })?;
    let query = sqlx::query(INSERT).bind(of.to_string()).bind(i64::from(artifact.number)).bind(&artifact.name);
    let query = query.bind(artifact.kind.word()).bind(count(artifact.size_bytes));
    let query = query.bind(tests.map(|tests| count(tests.total))).bind(tests.map(|tests| count(tests.failed)));
    query.bind(tests.map(|tests| count(tests.skipped))).bind(names).execute(tx.db()).await?;
    Ok(())
}

/// The files of a check, in the order of their names.
///
/// # Errors
/// When the database fails.
pub async fn list<'e>(db: impl SqliteExecutor<'e>, of: VerificationId) -> Result<Vec<Artifact>, StoreError> {
    sqlx::query(LIST).bind(of.to_string()).fetch_all(db).await?.iter().map(read).collect()
}

/// Forgets the files of a check.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, of: VerificationId) -> Result<(), StoreError> {
    sqlx::query(DELETE).bind(of.to_string()).execute(tx.db()).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Artifact, StoreError> {
    let cells = Cells { table: "verification_artifact", row };
    let tests = || -> Result<Tests, StoreError> {
        let names = cells.maybe_text("failed_names")?.unwrap_or_default();
        Ok(Tests {
            total: cells.unsigned("tests")?,
            failed: cells.unsigned("failed")?,
            skipped: cells.unsigned("skipped")?,
            failed_names: serde_json::from_str(&names).map_err(|error| cells.bad(error))?,
        })
    };
    let word = cells.text("kind")?;
    let kind = match word.as_str() {
        "junit" => ReportKind::Junit(tests()?),
        "tap" => ReportKind::Tap(tests()?),
        "screenshot" => ReportKind::Screenshot,
        "file" => ReportKind::Other,
        _unknown => return Err(cells.bad(format!("kind {word}"))),
    };
    Ok(Artifact {
        number: cells.unsigned("number")?,
        name: cells.text("name")?,
        kind,
        size_bytes: cells.unsigned("size_bytes")?,
    })
}
