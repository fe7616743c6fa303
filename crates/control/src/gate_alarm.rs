//! The alarm of an app whose gates keep code away that people wanted there. Told once for each release and the rules that are shut.

use crate::said::{Of, Said};
use crate::{Control, alarm};
use model::alarm::{Alarm, AlarmKey, AlarmKind, AlarmState, Health};
use model::app::App;
use model::id::{AccountId, AppId};
use model::pipeline::Stage;
use model::release::Release;
use model::stage_gate::Finding;
use store::{StoreError, Tx};

/// An app that does not get a release, and why.
pub(crate) struct Held {
    app: AppId,
    /// Without times, so that what is shut for longer is no news.
    what: String,
    /// How the first rule stands, and what opens it.
    rule: String,
}

impl Held {
    /// Of the rules of the app's stage that are shut.
    pub(crate) fn new(app: AppId, source: &App, release: &Release, stage: Stage, findings: &[Finding]) -> Self {
        let shut = || findings.iter().filter(|finding| !finding.is_open());
        let rules: Vec<&str> = shut().map(|finding| finding.rule.word()).collect();
        let first = shut().next().map(|finding| (&finding.says, finding.lift.as_deref().unwrap_or_default()));
        Self {
            app,
            what: format!(
                "{} v{} waits at the gates to {}: {}",
                source.name,
                release.version,
                stage.word(),
                rules.join(", ")
            ),
            rule: first.map(|(says, lift)| format!("{says}. {lift}")).unwrap_or_default(),
        }
    }
}

/// Tells of all of them.
pub(crate) async fn raise_all(control: &Control, held: &[Held], release: &Release) -> Result<(), StoreError> {
    let mut tx = None;
    for one in held {
        if !is_known(control, one).await? {
            let tx = match &mut tx {
                Some(tx) => tx,
                none @ None => none.insert(control.store.begin().await?),
            };
            raise(control, tx, one, release).await?;
        }
    }
    match tx {
        Some(tx) => tx.commit().await,
        None => Ok(()),
    }
}

/// Was it told already? Asked often, and nearly always so.
async fn is_known(control: &Control, held: &Held) -> Result<bool, StoreError> {
    Ok(is_told(store::alarm::find(control.store.db(), &key(held.app)).await?, held))
}

fn is_told(known: Option<Alarm>, held: &Held) -> bool {
    known.is_some_and(|known| known.what == held.what && matches!(known.state, AlarmState::Broken { .. }))
}

/// Tells of one, as part of a larger change.
pub(crate) async fn raise(control: &Control, tx: &mut Tx, held: &Held, release: &Release) -> Result<(), StoreError> {
    if is_told(store::alarm::find(tx.db(), &key(held.app)).await?, held) {
        return Ok(());
    }
    let (what, of) = (held.what.clone(), Of::Held(release, held.rule.clone()));
    let said = Said { key: key(held.app), health: Health::Bad, what, of };
    alarm::turn(control, tx, release.by, said).await
}

/// The gates let something in: whoever heard that they were shut hears it.
pub(crate) async fn let_in(
    control: &Control,
    tx: &mut Tx,
    app: AppId,
    by: AccountId,
    what: String,
) -> Result<(), StoreError> {
    alarm::turn(control, tx, by, Said { key: key(app), health: Health::Good, what, of: Of::Nobody }).await
}

fn key(app: AppId) -> AlarmKey {
    AlarmKey { app, kind: AlarmKind::Gate, thing: String::new() }
}
