//! How a check ends: noted together with what follows from it.

use crate::output::OutputWriter;
use crate::verification::tell_ended;
use crate::verification_artifact as artifact;
use crate::{Control, journal, outcome, release};
use model::id::VerificationId;
use model::release::{ReleaseCause, eligible_for_rollback};
use model::verification::{Artifact, Consequence, Policy, Verdict, Verification, VerificationState, consequence};
use std::sync::Arc;
use store::{StoreError, Tx};

/// How a check came out, before that is noted.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) why: String,
    pub(crate) requests: Option<u64>,
    pub(crate) artifacts: Vec<Artifact>,
}

impl Outcome {
    /// Of a check that did not run.
    pub(crate) fn unrun(verdict: Verdict, why: impl Into<String>) -> Self {
        Self { verdict, why: why.into(), requests: None, artifacts: Vec::new() }
    }
}

/// Notes the end and what follows from it, in the output and in the ledger.
pub(crate) async fn finish(control: &Control, check: &Verification, outcome: Outcome, writer: Option<OutputWriter>) {
    let ended = (control.clone(), check.clone(), Arc::new(outcome));
    outcome::note(format!("The end of the verify of v{}", check.version), move || {
        let (control, check, outcome) = ended.clone();
        async move { decide(&control, &check, &outcome).await }
    })
    .await;
    // Whoever follows the output finds it decided at its end.
    drop(writer);
    control.phases.tell();
    if let Err(error) = artifact::sweep(control).await {
        tracing::warn!(%error, "Old reports were not removed");
    }
}

async fn decide(control: &Control, check: &Verification, outcome: &Outcome) -> Result<(), StoreError> {
    let Outcome { verdict, why, requests, artifacts } = outcome;
    let now = control.now();
    let mut tx = control.store.begin().await?;
    let first = store::verification::finish(&mut tx, check.id, (*verdict, why), *requests, now).await?;
    let Some(app) = store::app::by_id(tx.db(), check.app).await? else { return Ok(()) };
    for one in artifacts {
        store::verification_artifact::insert(&mut tx, check.id, one).await?;
    }
    let mut followed = (Consequence::Nothing, None);
    if first {
        followed = follow_up(control, &mut tx, check, *verdict).await?;
        tell_ended(control, &mut tx, &app, check).await?;
    }
    tx.commit().await?;
    let version = check.version;
    if !first {
        // It was decided by whoever wanted its end.
        let decided = store::verification::by_id(control.store.db(), check.id).await?.map(|check| check.state);
        if let Some(VerificationState::Over { verdict, why, .. }) = decided {
            journal::api(control, app.id, now, format!("Verify of v{version}: {}: {why}", verdict.word())).await;
        }
        return Ok(());
    }
    let light = verdict.word();
    tracing::info!(app.id = %app.id, release.version = version, why, "Verify of {} v{version}: {light}", app.name);
    journal::api(control, app.id, now, format!("Verify of v{version}: {light}: {why}")).await;
    match followed {
        (Consequence::RollBack, Some((to, created))) => {
            let said =
                format!("Verify of v{version} was red: rolled back to v{to}, the last release with a green light");
            journal::api(control, app.id, now, said).await;
            if let Some(by) = store::account::by_id(control.store.db(), check.by).await? {
                release::begin(control, &by, created).await?;
            }
        }
        (Consequence::RollBack, None) => {
            let said =
                format!("Verify of v{version} was red, but there is no release with a green light to go back to");
            journal::api(control, app.id, now, said).await;
        }
        (Consequence::Nothing | Consequence::Warn | Consequence::Alarm, _) => {}
    }
    Ok(())
}

/// What follows, as part of the end. With it the release that goes back, and the version that it repeats.
async fn follow_up(
    control: &Control,
    tx: &mut Tx,
    check: &Verification,
    verdict: Verdict,
) -> Result<(Consequence, Option<(i64, release::Created)>), StoreError> {
    let is_rollback = store::verification::is_rollback(tx.db(), check.release).await?;
    let consequence = consequence(check.policy, verdict, is_rollback);
    if consequence != Consequence::RollBack {
        return Ok((consequence, None));
    }
    let current = store::release::current(tx.db(), check.app).await?;
    if current.is_none_or(|current| current.id != check.release) {
        // What runs now was not checked by it.
        return Ok((Consequence::Alarm, None));
    }
    for green in store::verification::green(tx.db(), check.app, check.version).await? {
        let target = store::release::by_own_id(tx.db(), green).await?.filter(eligible_for_rollback);
        if let Some(target) = target {
            let cause = ReleaseCause::VerifyRollback { to: target.version, from: check.version };
            let created = release::go_back(control, tx, check.by, &target, &cause).await?;
            store::verification::set_rollback(tx, check.id, created.release.id).await?;
            return Ok((consequence, Some((target.version, created))));
        }
    }
    Ok((consequence, None))
}

/// What a check came to, for the one who pushes; the policy's consequence too.
pub(crate) async fn told(control: &Control, id: VerificationId) -> Result<Option<Vec<String>>, StoreError> {
    let Some(check) = store::verification::by_id(control.store.db(), id).await? else { return Ok(None) };
    let VerificationState::Over { verdict, why, .. } = &check.state else { return Ok(None) };
    let mut lines = vec![format!("Waiting for green light.... {}.", verdict.word())];
    match verdict {
        Verdict::Green => lines.push(format!("       {why}")),
        Verdict::Untested | Verdict::Red | Verdict::Errored | Verdict::Cancelled => {
            lines.push(format!(" !     v{} has no green light: {why}.", check.version));
        }
    }
    if let Some(back) = check.rolled_back_by
        && let Some(back) = store::release::by_own_id(control.store.db(), back).await?
    {
        lines.push(format!(" !     {}: v{} is live.", back.description, back.version));
    } else if *verdict == Verdict::Red && check.policy == Policy::Rollback {
        lines.push(" !     There is no release with a green light to go back to; it stays live.".to_owned());
    }
    Ok(Some(lines))
}
