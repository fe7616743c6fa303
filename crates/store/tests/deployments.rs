//! What went live in a period is found in the same time, however much lies outside of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use model::id::AppId;
use model::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{Row, SqlSafeStr};
use std::path::Path;
use std::time::Duration;
use store::{Store, Vault};
use tokio::time::Instant;
use uuid::Uuid;

/// Answers whose fastest counts: the machine does other things meanwhile.
const TRIES: u32 = 300;

/// An account, and `apps` apps with `releases` releases each, one a second from `from` on, every one with a slug and a build.
async fn fill(db: &SqlitePool, apps: std::ops::Range<u32>, releases: u32, from: u32) {
    let range = |start: u32, end: u32| {
        format!("WITH RECURSIVE n(i) AS (SELECT {start} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end})")
    };
    let numbers = range(apps.start, apps.end);
    let id = "printf('00000000-0000-0000-0000-%012x', i)";
    let each = |prefix: &str| format!("printf('{prefix}-0000-0000-0000-%012x', n.i * 1000000 + m.j)");
    let both =
        format!("{numbers}, m(j) AS (SELECT {from} UNION ALL SELECT j + 1 FROM m WHERE j + 1 < {from} + {releases})");
    let (slug, release, build) = (each("10000000"), each("20000000"), each("30000000"));
    let (account, at) = ("'00000000-0000-0000-0000-000000000000'", "m.j * 1000000");
    let statements = [
        format!(
            "INSERT OR IGNORE INTO account (id, email, token_sha256, created_at, updated_at) VALUES ({account}, 'a@b', 'x', 0, 0)"
        ),
        format!(
            "{numbers} INSERT INTO app (id, name, owner_id, region, stack, maintenance, had_web, created_at, updated_at) \
             SELECT {id}, 'app-' || i, {account}, 'us', 'heroku-24', 0, 0, 0, 0 FROM n WHERE true ON CONFLICT DO NOTHING"
        ),
        format!(
            "{both} INSERT INTO slug (id, app_id, size_bytes, process_types, stack, secret, created_at) \
             SELECT {slug}, {id}, 1, '', 'heroku-24', 's', {at} FROM n, m"
        ),
        format!(
            "{both} INSERT INTO build (id, app_id, by_id, source_url, stack, secret, state, slug_id, committed_at, \
             commit_author, commit_email, commit_subject, tests_asked_at, tests_begun_at, tests_ended_at, begun_at, created_at, \
             updated_at) SELECT {build}, {id}, {account}, '', 'heroku-24', 's', 'succeeded', {slug}, {at} - 50, 'A', 'a@b', 'Work', \
             {at} - 45, {at} - 40, {at} - 35, {at} - 20, {at} - 30, {at} - 10 FROM n, m"
        ),
        format!(
            "{both} INSERT INTO release (id, app_id, version, status, description, slug_id, by_id, config_sealed, cause, \
             decided_at, live_at, created_at, updated_at) SELECT {release}, {id}, m.j, 'succeeded', 'Deploy', {slug}, {account}, \
             'c', 'deploy', {at}, {at}, {at} - 10, {at} FROM n, m"
        ),
    ];
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(db).await.unwrap();
    }
}

async fn other(path: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap()
}

const FROM: Timestamp = Timestamp(1_000_000_000);
const TO: Timestamp = Timestamp(1_100_000_000);

/// How long one answer takes, with the hundred releases of the period.
async fn asked(store: &Store, app: AppId) -> Duration {
    let began = Instant::now();
    let live = store::deployment::live(store.db(), app, FROM, TO, 20_000).await.unwrap();
    let took = began.elapsed();
    assert_eq!(live.len(), 100);
    took
}

/// A store and its database, for what no noun writes.
async fn opened(dir: &Path, name: &str) -> (Store, SqlitePool) {
    let path = dir.join(name);
    (Store::open(&path, Vault::new(&[1; 32]).unwrap()).await.unwrap(), other(&path).await)
}

#[tokio::test]
async fn a_period_costs_the_same_with_a_hundred_thousand_releases_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let app = AppId(Uuid::from_u128(1));
    let (small, few) = opened(dir.path(), "small.db").await;
    fill(&few, 1..2, 100, 1000).await;
    let live = store::deployment::live(small.db(), app, Timestamp(0), Timestamp(i64::MAX), 1).await.unwrap().remove(0);
    let made = live.made.unwrap();
    assert!(live.is_new_code && made.subject.as_deref() == Some("Work"));
    let tested = made.tested.unwrap();
    assert_eq!(
        made.asked_at.since(tested.asked_at) + tested.ended_at.since(tested.begun_at),
        Duration::from_micros(20)
    );
    assert_eq!((live.live_at.0 - made.committed_at.unwrap().0, made.ended_at.0 - made.asked_at.0), (50, 20));
    let (large, many) = opened(dir.path(), "large.db").await;
    fill(&many, 1..1001, 100, 1000).await;
    // Of this app, before and after the period.
    fill(&many, 1..2, 100, 100).await;
    fill(&many, 1..2, 100, 5000).await;
    let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM release").fetch_one(&many).await.unwrap();
    assert_eq!(total, 100_200);
    // In turns, so that whatever else the machine does meets both.
    let (mut alone, mut crowded) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        alone = alone.min(asked(&small, app).await);
        crowded = crowded.min(asked(&large, app).await);
    }
    let ratio = crowded.as_secs_f64() / alone.as_secs_f64();
    eprintln!("100 releases: {alone:?}; {total}: {crowded:?}; {ratio:.2} times");
    assert!(ratio <= 1.5, "{alone:?} with 100 releases, {crowded:?} with {total}");
}

#[tokio::test]
async fn no_table_is_read_from_end_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flowline.db");
    drop(Store::open(&path, Vault::new(&[1; 32]).unwrap()).await.unwrap());
    let db = other(&path).await;
    for statement in store::deployment::ALL {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")).into_sql_str());
        for row in plan.fetch_all(&db).await.unwrap() {
            let step: String = row.get("detail");
            assert!(!step.starts_with("SCAN"), "{step} in {statement}");
        }
    }
}
