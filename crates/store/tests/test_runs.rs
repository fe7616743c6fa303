//! Test runs in the database: numbers, one push at a time, ends that stay, and what goes with what.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use model::account::Account;
use model::app::App;
use model::id::{AccountId, AppId, PipelineId, TestNodeId, TestRunId};
use model::pipeline::{Pipeline, PipelineOwner};
use model::stack::Stack;
use model::tap::TestCase;
use model::test_run::{Commit, TestGate, TestNode, TestRun, TestState, TestStep};
use model::time::Timestamp;
use store::test_case::KeptCase;
use store::{Store, Vault};
use uuid::Uuid;

const AT: Timestamp = Timestamp(1_000);
const PENDING: TestState = TestState::At(TestStep::Pending);

async fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("flowline.db"), Vault::new(&[1; 32]).unwrap()).await.unwrap()
}

async fn with_app(store: &Store) -> App {
    let account = Account::new(AccountId(Uuid::from_u128(1)), "a@example.org".into(), AT);
    let app = App {
        id: AppId(Uuid::from_u128(2)),
        name: "shop".parse().unwrap(),
        owner: account.id,
        team: None,
        locked: false,
        region: "us".into(),
        stack: Stack::default(),
        maintenance: false,
        buildpack: None,
        created_at: AT,
        updated_at: AT,
    };
    let mut tx = store.begin().await.unwrap();
    store::account::insert(&mut tx, &account).await.unwrap();
    store::app::insert(&mut tx, &app).await.unwrap();
    tx.commit().await.unwrap();
    app
}

fn pipeline(n: u128) -> PipelineId {
    PipelineId(Uuid::from_u128(n))
}

fn run(n: u128, pipeline: PipelineId, app: &App, pushed: bool) -> TestRun {
    TestRun {
        id: TestRunId(Uuid::from_u128(n)),
        pipeline,
        number: 0,
        app: pushed.then_some(app.id),
        by: app.owner,
        commit: Commit { branch: "main".into(), message: "m".into(), sha: "c0ffee".into() },
        source_url: String::new(),
        clear_cache: true,
        state: PENDING,
        warning: None,
        author_email: Some("ada@example.org".into()),
        begun_at: None,
        created_at: AT,
        updated_at: AT,
    }
}

fn node(n: u128, run: TestRunId) -> TestNode {
    let id = TestNodeId(Uuid::from_u128(n));
    TestNode { id, run, index: 0, secret: "s".into(), state: PENDING, created_at: AT, updated_at: AT }
}

#[tokio::test]
async fn ci_2_runs_are_numbered_per_pipeline_and_one_push_per_app_is_tested_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let app = with_app(&store).await;
    let (one, other) = (pipelines(&store, &app).await, pipeline(11));
    let mut tx = store.begin().await.unwrap();
    let mut numbers = Vec::new();
    for (n, pushed) in [(21, true), (22, false), (23, false)] {
        numbers.push(store::test_run::insert(&mut tx, &run(n, one, &app, pushed)).await.unwrap());
    }
    numbers.push(store::test_run::insert(&mut tx, &run(24, other, &app, false)).await.unwrap());
    assert_eq!(numbers, [1, 2, 3, 1]);
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(store::test_run::insert(&mut tx, &run(25, other, &app, true)).await.unwrap_err().is_duplicate());
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let first = TestRunId(Uuid::from_u128(21));
    store::test_run::set(&mut tx, first, &TestState::Failed { exit_code: 3 }, Timestamp(2_000)).await.unwrap();
    store::test_run::warn(&mut tx, first, "w").await.unwrap();
    assert_eq!(store::test_run::insert(&mut tx, &run(25, one, &app, true)).await.unwrap(), 4);
    tx.commit().await.unwrap();
    let kept = store::test_run::by_number(store.db(), one, 1).await.unwrap().unwrap();
    let expected = TestRun {
        number: 1,
        state: TestState::Failed { exit_code: 3 },
        warning: Some("w".into()),
        begun_at: Some(Timestamp(2_000)),
        updated_at: Timestamp(2_000),
        ..run(21, one, &app, true)
    };
    assert_eq!(kept, expected);
    let open: Vec<i64> = store::test_run::open(store.db()).await.unwrap().iter().map(|run| run.number).collect();
    assert_eq!(open, [2, 3, 1, 4]);
    assert_eq!(store::test_run::list(store.db(), one).await.unwrap().len(), 4);
    assert_eq!(store::test_run::by_number(store.db(), other, 2).await.unwrap(), None);
}

#[tokio::test]
async fn ci_1_what_a_node_came_to_stays_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let app = with_app(&store).await;
    let one = pipelines(&store, &app).await;
    let ends = [
        TestState::Succeeded,
        TestState::Failed { exit_code: 137 },
        TestState::Errored { why: "no".into(), during: TestStep::Building, exit_code: Some(2) },
        TestState::Errored { why: "no".into(), during: TestStep::Pending, exit_code: None },
        TestState::Cancelled { why: "me".into() },
        TestState::At(TestStep::Running),
    ];
    for (n, end) in (30..).zip(ends) {
        let mut tx = store.begin().await.unwrap();
        store::test_run::insert(&mut tx, &run(n, one, &app, false)).await.unwrap();
        let node = node(n, TestRunId(Uuid::from_u128(n)));
        store::test_node::insert(&mut tx, &node).await.unwrap();
        assert!(store::test_node::change(&mut tx, node.id, &PENDING, &end, Timestamp(2_000)).await.unwrap());
        assert!(!store::test_node::change(&mut tx, node.id, &PENDING, &end, AT).await.unwrap(), "no second time");
        store::test_run::set(&mut tx, node.run, &end, AT).await.unwrap();
        tx.commit().await.unwrap();
        let kept = store::test_node::by_id(store.db(), node.id).await.unwrap().unwrap();
        assert_eq!(kept, TestNode { state: end.clone(), updated_at: Timestamp(2_000), ..node.clone() });
        assert_eq!(store::test_run::by_id(store.db(), node.run).await.unwrap().unwrap().state, end);
        assert_eq!(store::test_node::of_run(store.db(), node.run).await.unwrap(), [kept]);
    }
    assert_eq!(store::test_node::ids(store.db()).await.unwrap().len(), 6);
}

#[tokio::test]
async fn cases_are_kept_for_a_while_and_runs_outlive_their_app() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let app = with_app(&store).await;
    let one = pipelines(&store, &app).await;
    let node = node(41, TestRunId(Uuid::from_u128(40)));
    let mut tx = store.begin().await.unwrap();
    store::test_run::insert(&mut tx, &run(40, one, &app, true)).await.unwrap();
    store::test_node::insert(&mut tx, &node).await.unwrap();
    let kept = |number: u8| KeptCase {
        id: Uuid::from_u128(u128::from(number)).into(),
        node: node.id,
        case: TestCase {
            number: number.into(),
            description: "d".into(),
            diagnostic: "x\n".into(),
            directive: "SKIP".into(),
            passed: true,
        },
        created_at: Timestamp(number.into()),
    };
    for number in [2, 1] {
        store::test_case::insert(&mut tx, &kept(number)).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(store::test_case::of_run(store.db(), node.run).await.unwrap(), [kept(1), kept(2)]);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(store::test_case::forget_older(&mut tx, Timestamp(2)).await.unwrap(), 1);
    store::app::delete(&mut tx, app.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store::test_case::of_run(store.db(), node.run).await.unwrap(), [kept(2)]);
    let left = store::test_run::by_id(store.db(), node.run).await.unwrap().unwrap();
    assert_eq!((left.app, left.commit.sha.as_str()), (None, "c0ffee"));
    let mut tx = store.begin().await.unwrap();
    assert!(store::pipeline::delete(&mut tx, one).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(store::test_run::by_id(store.db(), node.run).await.unwrap(), None, "they end with their pipeline");
    assert_eq!(store::test_case::of_run(store.db(), node.run).await.unwrap(), []);
}

#[tokio::test]
async fn a_gate_is_off_until_somebody_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let app = with_app(&store).await;
    let one = pipelines(&store, &app).await;
    assert_eq!(store::test_gate::find(store.db(), one).await.unwrap(), TestGate::default());
    for gate in [TestGate { enabled: true, time_limit_s: 60 }, TestGate { enabled: false, time_limit_s: 7200 }] {
        let mut tx = store.begin().await.unwrap();
        store::test_gate::set(&mut tx, one, gate).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store::test_gate::find(store.db(), one).await.unwrap(), gate);
    }
}

/// Two pipelines of the app's owner; the first one.
async fn pipelines(store: &Store, app: &App) -> PipelineId {
    let mut tx = store.begin().await.unwrap();
    for n in [10, 11] {
        let (name, owner) = ("shop".parse().unwrap(), PipelineOwner::User(app.owner));
        let made = Pipeline { id: pipeline(n), name, owner, created_at: AT, updated_at: AT };
        store::pipeline::insert(&mut tx, &made).await.unwrap();
    }
    tx.commit().await.unwrap();
    pipeline(10)
}
