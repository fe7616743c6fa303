//! Gates into stages: what is asked before something is deployed to one, with all that the ledger knows of it.

use crate::gate::{Authorized, GateError};
use crate::{Control, author};
use model::account::Account;
use model::app::App;
use model::commit_check::CommitCheck;
use model::id::{PipelineId, SlugId};
use model::pipeline::{NoSuchStage, Pipeline, Stage};
use model::policy_file::{self, GateChange, Policies};
use model::release::Release;
use model::stage_gate::{self, Approver, Asked, Finding, Light, Lock, Origin, Refused};
use model::stage_policy::StagePolicy;
use model::time::Timestamp;
use model::verification::{Verdict, VerificationState};
use model::yaml::BadYaml;
use store::StoreError;
use store::approval::To;

/// Names of checks that a refusal lists.
const KNOWN_CHECKS: u32 = 10;

/// The length of a lock's reason, in characters.
const REASON_LIMIT: usize = 200;

/// The stages that can have gates: people deploy to them.
pub const GATED: [Stage; 3] = [Stage::Development, Stage::Staging, Stage::Production];

/// Why gates are not changed, or stay shut.
#[derive(Debug, thiserror::Error)]
pub enum StageGateError {
    /// No such word.
    #[error(transparent)]
    Stage(#[from] NoSuchStage),
    /// A stage that nobody deploys to.
    #[error("The stage {0} has no gates: development, staging and production have")]
    Ungated(Stage),
    /// What cannot be read.
    #[error("The gates cannot be read: {0}")]
    Gates(#[from] BadYaml),
    /// A lock must say why.
    #[error("A lock needs a reason of 1 to {REASON_LIMIT} characters, for those who meet it")]
    Reason,
    /// Two would hide each other's reasons.
    #[error("{stage} is locked by {by} already: {reason}. Lift that lock first", stage = .0.word(), by = .1.by, reason = .1.reason)]
    Locked(Stage, Lock),
    /// Nothing to lift.
    #[error("{0} is not locked")]
    NotLocked(Stage),
    /// Only what is on another stage can be approved for this one.
    #[error("{app} is on {at}, and what is approved for {stage} comes from the stage before it", at = .at.word(), stage = .stage.word())]
    WrongStage {
        /// The app that was named.
        app: String,
        /// Where it is.
        at: Stage,
        /// The stage.
        stage: Stage,
    },
    /// Not coupled, or to another pipeline.
    #[error("{0} is not in this pipeline")]
    NotInPipeline(String),
    /// There is no code to approve.
    #[error("{0} has no release with code yet: push to it first")]
    NothingThere(String),
    /// Four eyes.
    #[error("You made {0} or wrote its code: somebody else has to approve it")]
    OwnWork(String),
    /// Nothing to take back.
    #[error("You have not approved {0}")]
    NotApproved(String),
    /// A commit's name.
    #[error("commit is the whole hash of a commit: 40 hexadecimal digits")]
    Commit,
    /// A check's name, words or address.
    #[error(
        "A check has a name of 1 to 100 characters, a description of at most 500, and an http(s) address of at most 2000"
    )]
    Check,
    /// No such word.
    #[error("state is pending, success, failure or error")]
    CheckState,
    /// Another right is needed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A stage that is named by a word, where it can have gates.
///
/// # Errors
/// [`StageGateError::Stage`], [`StageGateError::Ungated`].
pub fn gated(word: &str) -> Result<Stage, StageGateError> {
    let stage: Stage = word.parse()?;
    GATED.contains(&stage).then_some(stage).ok_or(StageGateError::Ungated(stage))
}

/// What is to be deployed to a stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) stage: Stage,
    /// The commit, where it is known.
    pub(crate) commit: Option<&'a str>,
    /// Since when it is here.
    pub(crate) known_since: Timestamp,
    /// What its `flowline.yml` says.
    pub(crate) file: &'a Policies,
    /// Where it is now; `None`: it is pushed.
    pub(crate) from: Option<(&'a App, &'a Release)>,
}

/// Every gate into the stage for this candidate, open or shut.
pub(crate) async fn look(control: &Control, candidate: &Candidate<'_>) -> Result<Vec<Finding>, StoreError> {
    let asked = Answers::collect(control, candidate).await?;
    Ok(stage_gate::look(&asked.asked(candidate, control.now())))
}

/// May it be deployed? The open gates are for the receipt.
pub(crate) async fn decide(
    control: &Control,
    candidate: &Candidate<'_>,
) -> Result<Result<Vec<Finding>, Refused>, StoreError> {
    let asked = Answers::collect(control, candidate).await?;
    Ok(stage_gate::decide(&asked.asked(candidate, control.now())))
}

/// What the ledger says of a candidate.
struct Answers {
    policy: StagePolicy,
    lock: Option<Lock>,
    checks: Vec<CommitCheck>,
    known_checks: Vec<String>,
    from: Option<Origin>,
}

impl Answers {
    async fn collect(control: &Control, candidate: &Candidate<'_>) -> Result<Self, StoreError> {
        let (db, pipeline, stage) = (control.store.db(), candidate.pipeline.id, candidate.stage);
        let policy = policy(control, pipeline, stage, candidate.file).await?;
        let locks = store::stage_lock::of_pipeline(db, pipeline).await?;
        let lock = locks.into_iter().find(|(of, _)| *of == stage).map(|(_, lock)| lock);
        let (mut checks, mut known_checks) = (Vec::new(), Vec::new());
        if !policy.required_checks.is_empty() {
            known_checks = store::commit_check::names(db, pipeline, KNOWN_CHECKS).await?;
            if let Some(commit) = candidate.commit {
                checks = store::commit_check::of_commit(db, pipeline, commit).await?;
            }
        }
        let from = match candidate.from {
            Some((app, release)) if policy.wants_promotion() => {
                Some(origin(control, app, release, To { pipeline, stage, release: release.id }).await?)
            }
            Some(_) | None => None,
        };
        Ok(Self { policy, lock, checks, known_checks, from })
    }

    fn asked<'a>(&'a self, candidate: &'a Candidate<'_>, now: Timestamp) -> Asked<'a> {
        Asked {
            pipeline: candidate.pipeline.name.as_str(),
            stage: candidate.stage,
            policy: &self.policy,
            lock: self.lock.as_ref(),
            commit: candidate.commit,
            known_since: candidate.known_since,
            checks: &self.checks,
            known_checks: &self.known_checks,
            from: self.from.as_ref(),
            now,
        }
    }
}

/// The gates of a stage: of the settings and the code, the stricter ones.
pub(crate) async fn policy(
    control: &Control,
    pipeline: PipelineId,
    stage: Stage,
    file: &Policies,
) -> Result<StagePolicy, StoreError> {
    let settings = store::stage_policy::of_pipeline(control.store.db(), pipeline).await?;
    let settings = settings.get(&stage).cloned().unwrap_or_default();
    Ok(file.get(&stage).map_or(settings.clone(), |file| settings.and(file)))
}

/// What the code of a slug says of gates.
pub(crate) async fn file(control: &Control, slug: Option<SlugId>) -> Result<Policies, StoreError> {
    match slug {
        Some(slug) => store::stage_policy::of_slug(control.store.db(), slug).await,
        None => Ok(Policies::new()),
    }
}

async fn origin(control: &Control, app: &App, release: &Release, to: To) -> Result<Origin, StoreError> {
    let mut db = control.store.reader().await?;
    let authors = author::of_release(&mut db, release).await?;
    let author = store::account::by_id(&mut *db, authors.built_by.unwrap_or(authors.released_by)).await?;
    let light = light(&mut db, release).await?;
    let approvals = store::approval::of_release(&mut *db, to).await?;
    Ok(Origin {
        name: format!("{} v{}", app.name, release.version),
        app: format!("-a {}", app.name),
        authors,
        author: author.map(|account| account.email),
        light,
        live_since: store::release_step::live_at(&mut *db, release.id).await?,
        approvals: approvals.into_iter().map(|(approver, _)| approver).collect(),
    })
}

/// How a release came out on the running server.
async fn light(db: &mut store::Connection, release: &Release) -> Result<Light, StoreError> {
    let last = store::verification::latest_of_release(&mut *db, release.id).await?;
    Ok(match last.map(|last| last.state) {
        None => Light::None,
        Some(VerificationState::Pending | VerificationState::Running { .. }) => Light::Open,
        Some(VerificationState::Over { verdict: Verdict::Green, .. }) => Light::Green,
        Some(VerificationState::Over { verdict, why, .. }) => Light::Other(format!("{}: {why}", verdict.word())),
    })
}

/// The gates of each stage as the settings have them.
///
/// # Errors
/// When the database fails.
pub async fn settings(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Policies, StageGateError> {
    Ok(store::stage_policy::of_pipeline(control.store.db(), pipeline.id).await?)
}

/// Changes the gates of a stage that are named, in the shape of `flowline.yml`; the others stay, null takes one away. One
/// transaction: of two changes at once none is lost.
///
/// # Errors
/// What cannot be read, with its line.
pub async fn change(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: Stage,
    change: GateChange,
) -> Result<StagePolicy, StageGateError> {
    let mut tx = control.store.begin().await?;
    let present = store::stage_policy::of_pipeline(tx.db(), pipeline.id).await?.remove(&stage).unwrap_or_default();
    let policy = policy_file::change_stage(&present, change)?;
    store::stage_policy::set(&mut tx, pipeline.id, stage, &policy, control.now()).await?;
    tx.commit().await?;
    control.promoter.wake();
    Ok(policy)
}

/// The locks of a pipeline's stages.
///
/// # Errors
/// When the database fails.
pub async fn locks(control: &Control, pipeline: &Authorized<Pipeline>) -> Result<Vec<(Stage, Lock)>, StageGateError> {
    Ok(store::stage_lock::of_pipeline(control.store.db(), pipeline.id).await?)
}

/// Locks a stage.
///
/// # Errors
/// No reason, or locked already.
pub async fn lock(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: Stage,
    reason: &str,
) -> Result<Lock, StageGateError> {
    let reason = reason.trim();
    let printable = !reason.is_empty() && !reason.chars().any(char::is_control);
    if !printable || reason.chars().count() > REASON_LIMIT {
        return Err(StageGateError::Reason);
    }
    let by = pipeline.by();
    let lock = Lock { by: by.email.clone(), reason: reason.to_owned(), at: control.now() };
    let mut tx = control.store.begin().await?;
    match store::stage_lock::insert(&mut tx, pipeline.id, stage, by.id, &lock).await {
        Err(error) if error.is_duplicate() => {
            let locks = store::stage_lock::of_pipeline(tx.db(), pipeline.id).await?;
            let known = locks.into_iter().find(|(of, _)| *of == stage).map_or(lock, |(_, lock)| lock);
            return Err(StageGateError::Locked(stage, known));
        }
        other => other?,
    }
    tx.commit().await?;
    Ok(lock)
}

/// Lifts a lock.
///
/// # Errors
/// [`StageGateError::NotLocked`].
pub async fn unlock(control: &Control, pipeline: &Authorized<Pipeline>, stage: Stage) -> Result<(), StageGateError> {
    let mut tx = control.store.begin().await?;
    if !store::stage_lock::delete(&mut tx, pipeline.id, stage).await? {
        return Err(StageGateError::NotLocked(stage));
    }
    tx.commit().await?;
    control.promoter.wake();
    Ok(())
}

/// A release that somebody says yes to, and who.
#[derive(Debug, Clone)]
pub struct Approved {
    /// `shop-staging v12`.
    pub name: String,
    /// Where it may go.
    pub stage: Stage,
    /// Everybody who said yes, the first one first.
    pub by: Vec<(Approver, Timestamp)>,
}

/// Says yes to what is on an app now, for a stage after its own. For people who may deploy to the pipeline and did not write it.
///
/// # Errors
/// One's own work, another pipeline, another stage, no code.
pub async fn approve(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: Stage,
    app: &str,
) -> Result<Approved, StageGateError> {
    let (name, to, release) = approvable(control, pipeline, stage, app).await?;
    let who: &Account = pipeline.by();
    let mut tx = control.store.begin().await?;
    if author::of_release(tx.db(), &release).await?.include(who) {
        return Err(StageGateError::OwnWork(name));
    }
    let approver = Approver { account: who.id, email: who.email.clone() };
    store::approval::insert(&mut tx, to, &approver, control.now()).await?;
    let by = store::approval::of_release(tx.db(), to).await?;
    tx.commit().await?;
    control.promoter.wake();
    Ok(Approved { name, stage, by })
}

/// Takes one's yes back.
///
/// # Errors
/// [`StageGateError::NotApproved`], and as [`approve`].
pub async fn disapprove(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: Stage,
    app: &str,
) -> Result<Approved, StageGateError> {
    let (name, to, _) = approvable(control, pipeline, stage, app).await?;
    let mut tx = control.store.begin().await?;
    if !store::approval::delete(&mut tx, to, pipeline.by().id).await? {
        return Err(StageGateError::NotApproved(name));
    }
    let by = store::approval::of_release(tx.db(), to).await?;
    tx.commit().await?;
    Ok(Approved { name, stage, by })
}

async fn approvable(
    control: &Control,
    pipeline: &Authorized<Pipeline>,
    stage: Stage,
    app: &str,
) -> Result<(String, To, Release), StageGateError> {
    let app = control.app(pipeline.by(), app, model::permission::Right::View).await?;
    let coupling = store::pipeline_coupling::of_app(control.store.db(), app.id).await?;
    let coupling = coupling.filter(|coupling| coupling.pipeline == pipeline.id);
    let coupling = coupling.ok_or_else(|| StageGateError::NotInPipeline(app.name.to_string()))?;
    if coupling.stage >= stage {
        return Err(StageGateError::WrongStage { app: app.name.to_string(), at: coupling.stage, stage });
    }
    let release = store::release::current(control.store.db(), app.id).await?.filter(|release| release.slug.is_some());
    let release = release.ok_or_else(|| StageGateError::NothingThere(app.name.to_string()))?;
    let to = To { pipeline: pipeline.id, stage, release: release.id };
    Ok((format!("{} v{}", app.name, release.version), to, release))
}
