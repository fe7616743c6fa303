//! What follows from an app's checks and how long they may run: said by the app, by its stage in its pipeline, or by nobody.

use crate::gate::Authorized;
use crate::verification::VerificationError;
use crate::{Control, journal};
use model::app::App;
use model::id::AppId;
use model::pipeline::{Pipeline, Stage};
use model::verification::{self, Policy, VERIFY_LIMIT};
use std::time::Duration;
pub use store::verify_setting::VerifySetting;
use store::{Connection, StoreError};

/// What holds for an app's next check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The app's stage; an app in no pipeline serves people.
    pub stage: Stage,
    /// What follows when it does not come out green.
    pub policy: Policy,
    /// How long it may run.
    pub limit: Duration,
    /// What of it the app says itself.
    pub own: VerifySetting,
}

/// What is changed of a setting.
#[derive(Debug, Clone, Default)]
pub struct TermsChange {
    /// `Some(None)`: nothing is said.
    pub policy: Option<Option<String>>,
    /// In seconds; `Some(None)`: nothing is said.
    pub limit_s: Option<Option<u64>>,
}

impl TermsChange {
    fn on(self, mut setting: VerifySetting) -> Result<VerifySetting, VerificationError> {
        if let Some(policy) = self.policy {
            setting.policy = policy.map(|policy| policy.parse()).transpose()?;
        }
        if let Some(limit_s) = self.limit_s {
            setting.limit = limit_s.map(verification::limit).transpose()?;
        }
        Ok(setting)
    }
}

/// What holds for an app's next check.
///
/// # Errors
/// When the database fails.
pub async fn of_app(control: &Control, app: &Authorized<App>) -> Result<Terms, VerificationError> {
    let mut reader = control.store.reader().await?;
    Ok(terms_in(&mut reader, app.id).await?)
}

/// The app's own word goes before that of its stage.
pub(crate) async fn terms_in(db: &mut Connection, app: AppId) -> Result<Terms, StoreError> {
    let own = store::verify_setting::of_app(&mut *db, app).await?;
    let coupling = store::pipeline_coupling::of_app(&mut *db, app).await?;
    let of_stage = match &coupling {
        Some(coupling) => store::verify_setting::of_stage(&mut *db, coupling.pipeline, coupling.stage).await?,
        None => VerifySetting::default(),
    };
    Ok(Terms {
        stage: coupling.map_or(Stage::Production, |coupling| coupling.stage),
        policy: own.policy.or(of_stage.policy).unwrap_or_default(),
        limit: own.limit.or(of_stage.limit).unwrap_or(VERIFY_LIMIT),
        own,
    })
}

/// Changes what an app says itself; it holds for checks that begin from now on.
///
/// # Errors
/// An unknown policy or a limit out of range.
pub async fn set_of_app(
    control: &Control,
    app: &Authorized<App>,
    change: TermsChange,
) -> Result<Terms, VerificationError> {
    let mut tx = control.store.begin().await?;
    let own = change.on(store::verify_setting::of_app(tx.db(), app.id).await?)?;
    store::verify_setting::put(&mut tx, app.id, &own).await?;
    let terms = terms_in(tx.db(), app.id).await?;
    tx.commit().await?;
    let said = format!("Verify has the policy {} and runs for {} seconds at most", terms.policy, terms.limit.as_secs());
    journal::api(control, app.id, control.now(), format!("{said}, set by user {}", app.by().email)).await;
    Ok(terms)
}

/// What a stage of a pipeline says.
///
/// # Errors
/// No such stage.
pub async fn of_stage(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: &str,
) -> Result<VerifySetting, VerificationError> {
    Ok(store::verify_setting::of_stage(control.store.db(), pipeline.id, stage.parse()?).await?)
}

/// Changes what a stage of a pipeline says.
///
/// # Errors
/// No such stage, an unknown policy or a limit out of range.
pub async fn set_of_stage(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: &str,
    change: TermsChange,
) -> Result<VerifySetting, VerificationError> {
    let stage = stage.parse()?;
    let mut tx = control.store.begin().await?;
    let setting = change.on(store::verify_setting::of_stage(tx.db(), pipeline.id, stage).await?)?;
    store::verify_setting::put_of_stage(&mut tx, pipeline.id, stage, &setting).await?;
    tx.commit().await?;
    Ok(setting)
}
