//! How test runs go on and end: noted with what their nodes come to, told in their output and in the app's log.

use crate::commit_check::{self, TEST_CHECK};
use crate::event::{self, Change, Resource};
use crate::said::says_test;
use crate::test_run::{self, setup_key, tests_key};
use crate::{Control, alarm, journal, outcome, test_gate};
use model::app::App;
use model::commit_check::{CheckState, CommitCheck};
use model::tap::TestCase;
use model::test_run::{TestEvent, TestNode, TestRun, TestState, TestStep, whole};
use model::time::Timestamp;
use store::test_case::KeptCase;
use store::{StoreError, Tx};

/// Notes what happened to a node, and what its run comes to by it. `false`: it is over, or gone.
pub(crate) async fn change(
    control: &Control,
    run: &TestRun,
    node: &TestNode,
    event: TestEvent,
) -> Result<bool, StoreError> {
    let mut tx = control.store.begin().await?;
    let Some(known) = store::test_node::by_id(tx.db(), node.id).await? else { return Ok(false) };
    let Ok(next) = known.state.clone().on(event) else { return Ok(false) };
    let now = control.now();
    store::test_node::change(&mut tx, node.id, &known.state, &next, now).await?;
    let nodes = store::test_node::of_run(tx.db(), run.id).await?;
    let states: Vec<TestState> = nodes.into_iter().map(|node| node.state).collect();
    let state = whole(&states);
    store::test_run::set(&mut tx, run.id, &state, now).await?;
    commit_check::note(&mut tx, run.pipeline, &check(run, &state, now)).await?;
    if state.is_over() {
        tell_over(control, &mut tx, run, (node, &state)).await?;
    }
    tx.commit().await?;
    control.promoter.wake();
    Ok(true)
}

/// Notes the event of a run that a push began.
pub(crate) async fn tell_made(control: &Control, tx: &mut Tx, run: &TestRun) -> Result<(), StoreError> {
    let Some(app) = of_push(tx, run).await? else { return Ok(()) };
    let made = test_run::detail_in(tx, run.clone()).await?;
    event::note(control, tx, run.by, &Change::create(Resource::TestRun(&app, &made))).await
}

/// The event of its end, and what it says of the app: of the one that was pushed to, else of the one that such code comes to first.
async fn tell_over(
    control: &Control,
    tx: &mut Tx,
    run: &TestRun,
    (node, state): (&TestNode, &TestState),
) -> Result<(), StoreError> {
    let Some(now) = store::test_run::by_id(tx.db(), run.id).await? else { return Ok(()) };
    let app = of_push(tx, &now).await?;
    if let Some(app) = &app {
        let (before, now) = (test_run::detail_in(tx, run.clone()).await?, test_run::detail_in(tx, now.clone()).await?);
        let change = Change::update(Resource::TestRun(app, &before), Resource::TestRun(app, &now));
        event::note(control, tx, run.by, &change).await?;
    }
    let app = match app {
        Some(app) => Some(app.id),
        None => test_gate::first_app(&store::pipeline_coupling::of_pipeline(tx.db(), run.pipeline).await?),
    };
    match app.and_then(|app| says_test(app, &now, node, state)) {
        Some(said) => alarm::turn(control, tx, run.by, said).await,
        None => Ok(()),
    }
}

async fn of_push(tx: &mut Tx, run: &TestRun) -> Result<Option<App>, StoreError> {
    match run.app {
        Some(app) => store::app::by_id(tx.db(), app).await,
        None => Ok(None),
    }
}

/// What a run says of its commit, for gates that ask for it.
fn check(run: &TestRun, state: &TestState, now: Timestamp) -> CommitCheck {
    CommitCheck {
        commit: run.commit.sha.clone(),
        name: TEST_CHECK.to_owned(),
        state: match state {
            TestState::At(_) => CheckState::Pending,
            TestState::Succeeded => CheckState::Success,
            TestState::Failed { .. } => CheckState::Failure,
            TestState::Errored { .. } | TestState::Cancelled { .. } => CheckState::Error,
        },
        description: Some(format!("Test run #{} {}", run.number, state.word())),
        url: None,
        by: "Flowline".to_owned(),
        created_at: now,
        updated_at: now,
    }
}

/// Notes how a node ended, also when the disk is full just then; what the run came to, which another end may have decided.
pub(crate) async fn settle(control: &Control, run: &TestRun, node: &TestNode, event: TestEvent) -> TestState {
    let noted = (control.clone(), run.clone(), node.clone(), event.clone());
    outcome::note(format!("The end of test run {}", run.id), move || {
        let (control, run, node, event) = noted.clone();
        async move { change(&control, &run, &node, event).await.map(drop) }
    })
    .await;
    match store::test_run::by_id(control.store.db(), run.id).await {
        Ok(Some(known)) if known.state.is_over() => known.state,
        // Its pipeline is gone, or the disk is full: it is as it was found.
        Ok(_) | Err(_) => TestState::At(TestStep::Running).on(event).unwrap_or(TestState::At(TestStep::Running)),
    }
}

/// Notes what the app asks for and does not get.
pub(crate) async fn warn(control: &Control, run: &TestRun, warning: &str) -> Result<(), StoreError> {
    let mut tx = control.store.begin().await?;
    store::test_run::warn(&mut tx, run.id, warning).await?;
    tx.commit().await
}

/// Keeps the cases that a node's tests told of.
pub(crate) async fn keep_cases(control: &Control, node: &TestNode, cases: Vec<TestCase>) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    let mut tx = control.store.begin().await?;
    for case in cases {
        let kept = KeptCase { id: control.world.new_id(), node: node.id, case, created_at: control.now() };
        store::test_case::insert(&mut tx, &kept).await?;
    }
    tx.commit().await
}

/// Nobody needs to be told any more that it is cancelled.
pub(crate) async fn over(control: &Control, run: &TestRun, state: &TestState) {
    control.test_runs.forget(run.id);
    let why = state.why().map(|why| format!(": {why}")).unwrap_or_default();
    tracing::info!(test_run.id = %run.id, pipeline.id = %run.pipeline, "Test run #{} {}{why}", run.number, state.word());
    tell(control, run, format!("Test run #{} {}{why}", run.number, state.word())).await;
}

/// Says it in the log of the app that was pushed to.
pub(crate) async fn tell(control: &Control, run: &TestRun, text: String) {
    if let Some(app) = run.app {
        journal::api(control, app, control.now(), text).await;
    }
}

/// How the output of a run ends.
pub(crate) fn verdict_lines(run: &TestRun, state: &TestState) -> Vec<String> {
    let number = run.number;
    let said = match state {
        TestState::Succeeded => return vec![format!("-----> Test run #{number} succeeded")],
        TestState::Failed { exit_code } => {
            format!("Test run #{number} failed: the tests ended with status {exit_code}.")
        }
        TestState::Errored { why, .. } => {
            format!("Test run #{number} errored before its tests came to an end: {why}.")
        }
        TestState::Cancelled { why } => format!("Test run #{number} was cancelled: {why}."),
        TestState::At(_) => format!("Test run #{number} is still under way."),
    };
    vec![String::new(), format!(" !     {said}")]
}

/// Runs that did not outlive the last server end here, with the reason.
pub(crate) async fn break_off(control: &Control) -> Result<(), StoreError> {
    let why = "Flowline was stopped during it; push again, or run it again (`flowline ci:rerun`)";
    for run in store::test_run::open(control.store.db()).await? {
        for node in store::test_node::of_run(control.store.db(), run.id).await? {
            let event = TestEvent::Broke { why: why.to_owned(), exit_code: None };
            let state = settle(control, &run, &node, event).await;
            let key = if node.state.step() < Some(TestStep::Running) { setup_key(node.id) } else { tests_key(node.id) };
            match control.outputs.resume(&key) {
                Ok(mut output) => verdict_lines(&run, &state).iter().for_each(|line| output.last_line(line)),
                Err(error) => {
                    tracing::warn!(test_run.id = %run.id, %error, "The output of a test run cannot be written")
                }
            }
            over(control, &run, &state).await;
        }
    }
    Ok(())
}
