//! A promotion at the gates of its targets' stages.

use crate::Control;
use crate::gate_alarm::{self, Held};
use crate::promotion::PromotionError;
use crate::stage_gate::{self, Candidate};
use model::account::Account;
use model::app::App;
use model::permission::Right;
use model::pipeline::{Pipeline, Stage};
use model::promotion::{PromotionTarget, TargetState};
use model::release::Release;
use model::stage_gate::{Finding, Refused};
use std::collections::BTreeMap;

/// What is to be promoted.
pub(crate) struct Asked<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) source: &'a App,
    pub(crate) release: &'a Release,
}

/// Who may pass gates that are shut, and why they want to.
pub(crate) struct Override<'a> {
    pub(crate) who: &'a Account,
    pub(crate) reason: Option<&'a str>,
}

/// Open gates as a receipt has them.
pub(crate) fn passed(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.says)).collect()
}

/// What came of asking.
pub(crate) struct Passed {
    /// The gates that were passed, in words.
    pub(crate) gates: Vec<String>,
    /// The targets whose gates are shut.
    pub(crate) held: Vec<Held>,
}

/// Asks the gates of every target that is not refused already; targets behind shut gates fail by themselves. What was passed.
///
/// # Errors
/// [`PromotionError::Shut`] when no target is left.
pub(crate) async fn pass_gates(
    control: &Control,
    asked: &Asked<'_>,
    targets: &mut [PromotionTarget],
    by: Override<'_>,
) -> Result<Passed, PromotionError> {
    let slug = match asked.release.slug {
        Some(slug) => store::slug::by_id(control.store.db(), slug).await?,
        None => None,
    };
    let file = stage_gate::file(control, asked.release.slug).await?;
    let mut stages: BTreeMap<Stage, Result<Vec<Finding>, Refused>> = BTreeMap::new();
    let mut gates: Vec<String> = Vec::new();
    let (mut last, mut held) = (None, Vec::new());
    for target in targets.iter_mut().filter(|target| target.state == TargetState::Waiting) {
        let Some(coupling) = store::pipeline_coupling::of_app(control.store.db(), target.app).await? else { continue };
        let stage = coupling.stage;
        if let std::collections::btree_map::Entry::Vacant(unasked) = stages.entry(stage) {
            let candidate = Candidate {
                pipeline: asked.pipeline,
                stage,
                commit: slug.as_ref().and_then(|slug| slug.commit.as_deref()),
                known_since: slug.as_ref().map_or(asked.release.created_at, |slug| slug.created_at),
                file: &file,
                from: Some((asked.source, asked.release)),
            };
            let decided = stage_gate::decide(control, &candidate).await?;
            unasked.insert(decided);
        }
        match stages.get(&stage) {
            Some(Ok(findings)) => add(&mut gates, passed(findings)),
            Some(Err(refused)) => match overridden(control, &by, target, refused).await? {
                Some(words) => add(&mut gates, words),
                None => {
                    target.state = TargetState::Failed { made: None, why: refused.to_string() };
                    held.push(Held::new(target.app, asked.source, asked.release, stage, &refused.findings));
                    last = Some(refused.clone());
                }
            },
            None => {}
        }
    }
    match last {
        Some(refused) if targets.iter().all(|target| target.state.is_settled()) => {
            gate_alarm::raise_all(control, &held, asked.release).await?;
            Err(refused.into())
        }
        Some(_) | None => Ok(Passed { gates, held }),
    }
}

fn add(gates: &mut Vec<String>, words: Vec<String>) {
    for word in words {
        if !gates.contains(&word) {
            gates.push(word);
        }
    }
}

/// What is noted of gates that somebody passes though they are shut; `None`: they may not, or do not want to.
async fn overridden(
    control: &Control,
    by: &Override<'_>,
    target: &PromotionTarget,
    refused: &Refused,
) -> Result<Option<Vec<String>>, PromotionError> {
    let Some(reason) = by.reason else { return Ok(None) };
    control.app(by.who, &target.app.to_string(), Right::Manage).await?;
    let word =
        |finding: &Finding| format!("{} overridden by {} ({reason}): {}", finding.rule, by.who.email, finding.says);
    Ok(Some(refused.findings.iter().map(word).collect()))
}
