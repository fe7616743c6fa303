//! The tables on a real SQLite file: every statement prepares, and what must not be possible is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use model::account::Account;
use model::app::App;
use model::build::{Build, BuildSource, BuildState};
use model::id::{AccountId, AppId, BuildId, MonitorId, ReleaseId, SlugId};
use model::monitor::{Monitor, Wish};
use model::release::{Release, ReleaseStatus};
use model::stack::Stack;
use model::time::Timestamp;
use model::traffic::{Request, Traffic};
use sqlx::{Executor, SqlSafeStr};
use store::{Store, StoreError, Vault};
use uuid::Uuid;

const AT: Timestamp = Timestamp(1_000);

async fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("flowline.db"), Vault::new(&[1; 32]).unwrap()).await.unwrap()
}

fn app(n: u128, name: &str) -> App {
    App {
        id: AppId(Uuid::from_u128(n)),
        name: name.parse().unwrap(),
        owner: AccountId(Uuid::from_u128(1)),
        team: None,
        locked: false,
        region: "us".into(),
        stack: Stack::default(),
        maintenance: false,
        buildpack: None,
        created_at: AT,
        updated_at: AT,
    }
}

async fn with_app(store: &Store) -> App {
    let account = Account::new(AccountId(Uuid::from_u128(1)), "a@b".into(), AT);
    let shop = app(2, "shop");
    let mut tx = store.begin().await.unwrap();
    store::account::insert(&mut tx, &account).await.unwrap();
    store::app::insert(&mut tx, &shop).await.unwrap();
    tx.commit().await.unwrap();
    shop
}

fn release(app: &App, version: i64) -> Release {
    Release {
        id: ReleaseId(Uuid::from_u128(1000 + u128::try_from(version).unwrap())),
        app: app.id,
        version,
        status: ReleaseStatus::Pending,
        description: "Deploy".into(),
        slug: None,
        by: app.owner,
        output_secret: None,
        created_at: AT,
        updated_at: AT,
    }
}

fn build(app: &App, n: u128) -> Build {
    Build {
        id: BuildId(Uuid::from_u128(n)),
        app: app.id,
        by: app.owner,
        source: BuildSource::default(),
        stack: Stack::default(),
        buildpacks: vec!["heroku/nodejs".into(), "https://example.com/pack".into()],
        secret: "s".into(),
        state: BuildState::Pending,
        release: None,
        created_at: AT,
        updated_at: AT,
    }
}

#[tokio::test]
async fn every_statement_prepares() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let nouns = [
        store::account::ALL,
        store::acm::ALL,
        store::alarm::ALL,
        store::app::ALL,
        store::app_setup::ALL,
        store::approval::ALL,
        store::commit_check::ALL,
        store::stage_lock::ALL,
        store::password_reset::ALL,
        store::stage_policy::ALL,
        store::audit::ALL,
        store::authorization::ALL,
        store::collaborator::ALL,
        store::error_count::ALL,
        store::favorite::ALL,
        store::monitor::ALL,
        store::notice::ALL,
        store::notification_route::ALL,
        store::oauth_client::ALL,
        store::ssh_key::ALL,
        store::team::ALL,
        store::test_case::ALL,
        store::test_gate::ALL,
        store::test_node::ALL,
        store::test_run::ALL,
        store::traffic::ALL,
        store::transfer::ALL,
        store::user_notification::ALL,
        store::build::ALL,
        store::buildpack_installation::ALL,
        store::config_var::ALL,
        store::domain::ALL,
        store::delivery::ALL,
        store::deployment::ALL,
        store::event::ALL,
        store::feature::ALL,
        store::formation::ALL,
        store::idempotency::ALL,
        store::idle::ALL,
        store::log_drain::ALL,
        store::pipeline::ALL,
        store::pipeline_config_var::ALL,
        store::pipeline_coupling::ALL,
        store::promotion::ALL,
        store::receipt::ALL,
        store::release::ALL,
        store::release_phase::ALL,
        store::release_step::ALL,
        store::image::ALL,
        store::slug::ALL,
        store::sni_endpoint::ALL,
        store::source::ALL,
        store::telemetry_drain::ALL,
        store::verification::ALL,
        store::verification_artifact::ALL,
        store::verify_setting::ALL,
        store::webhook::ALL,
    ];
    for statement in nouns.concat() {
        store.db().prepare(statement.into_sql_str()).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

#[tokio::test]
async fn app_1_a_name_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    with_app(&store).await;
    let mut tx = store.begin().await.unwrap();
    assert!(store::app::insert(&mut tx, &app(3, "shop")).await.unwrap_err().is_duplicate());
}

#[tokio::test]
async fn bld_5_one_pending_build_per_app_and_an_over_one_stays_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let mut tx = store.begin().await.unwrap();
    store::build::insert(&mut tx, &build(&shop, 10)).await.unwrap();
    assert!(store::build::insert(&mut tx, &build(&shop, 11)).await.unwrap_err().is_duplicate());
    let failed = BuildState::Failed { why: "no".into() };
    let id = BuildId(Uuid::from_u128(10));
    assert!(store::build::finish(&mut tx, id, &failed, AT).await.unwrap());
    assert!(!store::build::finish(&mut tx, id, &failed, AT).await.unwrap());
    store::build::insert(&mut tx, &build(&shop, 11)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store::build::by_id(store.db(), id).await.unwrap().unwrap().state, failed);
}

#[tokio::test]
async fn bld_2_a_cancelled_build_never_succeeds_and_keeps_who_cancelled_it_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let id = BuildId(Uuid::from_u128(10));
    let mut tx = store.begin().await.unwrap();
    store::build::insert(&mut tx, &build(&shop, 10)).await.unwrap();
    assert_eq!(store::build::cancelled_by(tx.db(), id).await.unwrap(), None);
    assert!(store::build::cancel(&mut tx, id, "ada@example.org").await.unwrap());
    assert!(!store::build::cancel(&mut tx, id, "bob@example.org").await.unwrap());
    let succeeded = BuildState::Succeeded { slug: SlugId(Uuid::from_u128(20)) };
    assert!(!store::build::finish(&mut tx, id, &succeeded, AT).await.unwrap());
    assert_eq!(store::build::cancelled_by(tx.db(), id).await.unwrap().as_deref(), Some("ada@example.org"));
    let failed = BuildState::Failed { why: "cancelled".into() };
    assert!(store::build::finish(&mut tx, id, &failed, AT).await.unwrap());
    assert!(!store::build::cancel(&mut tx, id, "ada@example.org").await.unwrap(), "it is over");
    tx.commit().await.unwrap();
    assert_eq!(store::build::by_id(store.db(), id).await.unwrap().unwrap().state, failed);
}

#[tokio::test]
async fn relph_21_current_is_the_newest_that_succeeded() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let config = [("KEY".to_owned(), "s3cret".to_owned())].into();
    let mut tx = store.begin().await.unwrap();
    for version in 1..=3 {
        assert_eq!(store::release::next_version(&mut tx, shop.id).await.unwrap(), version);
        store::release::insert(&mut tx, &release(&shop, version), &config).await.unwrap();
    }
    for (version, status) in [(2, ReleaseStatus::Succeeded), (3, ReleaseStatus::Failed)] {
        assert!(store::release::finish(&mut tx, release(&shop, version).id, status, AT).await.unwrap());
    }
    tx.commit().await.unwrap();
    assert_eq!(store::release::current(store.db(), shop.id).await.unwrap().unwrap().version, 2);
    assert_eq!(store::release::config(&store, release(&shop, 2).id).await.unwrap(), config);
}

#[tokio::test]
async fn config_is_sealed_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let config = [("KEY".to_owned(), "very-s3cret-value".to_owned())].into();
    let mut tx = store.begin().await.unwrap();
    store::config_var::replace(&mut tx, shop.id, &config).await.unwrap();
    store::release::insert(&mut tx, &release(&shop, 1), &config).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store::config_var::all(&store, shop.id).await.unwrap(), config);
    store.close().await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(17).any(|window| window == b"very-s3cret-value"));
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("flowline.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'later', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    pool.close().await;
    let again = Store::open(&dir.path().join("flowline.db"), Vault::new(&[1; 32]).unwrap()).await;
    assert!(matches!(again, Err(StoreError::NewerVersion(_))));
}

#[tokio::test]
async fn destroying_an_app_takes_its_ledger_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let mut tx = store.begin().await.unwrap();
    store::build::insert(&mut tx, &build(&shop, 10)).await.unwrap();
    store::release::insert(&mut tx, &release(&shop, 1), &[].into()).await.unwrap();
    assert!(store::app::delete(&mut tx, shop.id).await.unwrap());
    tx.commit().await.unwrap();
    assert!(store::app::list(store.db()).await.unwrap().is_empty());
    assert!(store::build::pending(store.db()).await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_of_an_hour_add_up_and_are_forgotten_after_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let mut traffic = Traffic::default();
    for (status, service_ms) in [(200, Some(12)), (404, Some(3)), (503, None)] {
        traffic.note(Request { status, service_ms });
    }
    let (old, new) = (Timestamp(0), Timestamp(3_600_000_000));
    let mut tx = store.begin().await.unwrap();
    for hour in [old, new, new] {
        store::traffic::add(&mut tx, shop.id, hour, &traffic).await.unwrap();
    }
    // It was destroyed while its requests were counted.
    store::traffic::add(&mut tx, AppId(Uuid::from_u128(99)), new, &traffic).await.unwrap();
    tx.commit().await.unwrap();
    let kept = store::traffic::of_app(store.db(), shop.id, (old, new)).await.unwrap();
    let mut twice = traffic.clone();
    twice.merge(&traffic);
    assert_eq!(kept, [(old, traffic), (new, twice.clone())]);
    let mut tx = store.begin().await.unwrap();
    store::traffic::forget_before(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store::traffic::of_app(store.db(), shop.id, (old, new)).await.unwrap(), [(new, twice)]);
    let nobody = store::traffic::of_app(store.db(), AppId(Uuid::from_u128(99)), (old, new)).await.unwrap();
    assert_eq!(nobody, []);
}

#[tokio::test]
async fn a_process_type_has_one_monitor_and_those_that_are_off_do_not_scale() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let shop = with_app(&store).await;
    let wish = Wish { min_quantity: Some(1), max_quantity: Some(3), ..Wish::default() };
    let new = |n| Monitor::new(MonitorId(Uuid::from_u128(n)), shop.id, "web".parse().unwrap(), AT).unwrap();
    let monitor = new(7).with(&wish, AT).unwrap();
    let mut tx = store.begin().await.unwrap();
    store::monitor::insert(&mut tx, &monitor).await.unwrap();
    assert!(store::monitor::insert(&mut tx, &new(8)).await.unwrap_err().is_duplicate());
    tx.commit().await.unwrap();
    assert_eq!(store::monitor::active(store.db()).await.unwrap(), std::slice::from_ref(&monitor));
    let off = Wish {
        is_active: Some(false),
        value: Some(250),
        notification_channels: Some(vec!["app".into()]),
        notification_period: Some(60),
        name: Some("slow".into()),
        ..Wish::default()
    };
    let off = monitor.with(&off, Timestamp(2_000)).unwrap();
    let mut tx = store.begin().await.unwrap();
    store::monitor::update(&mut tx, &off).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store::monitor::active(store.db()).await.unwrap(), []);
    assert_eq!(store::monitor::of_app(store.db(), shop.id).await.unwrap(), std::slice::from_ref(&off));
    assert_eq!(store::monitor::by_id(store.db(), off.id).await.unwrap(), Some(off));
}
