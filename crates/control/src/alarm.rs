//! Alarms: what the ledger's events say of things that break and are mended. Turned in the transaction of the event itself,
//! together with what is to be told of it.
//!
//! A new kind of event is a line in [`says`]; a new kind of alarm a line in `model::alarm`.

use crate::event::{Change, Resource};
use crate::gate::Authorized;
use crate::{Control, author, build, release, verification};
use model::account::Account;
use model::alarm::{Alarm, AlarmKey, AlarmKind, AlarmState, Health, Turn};
use model::app::App;
use model::build::{Build, BuildState};
use model::dyno::{Dyno, DynoRole, DynoState};
use model::event::Action;
use model::failing_line::first_failing;
use model::id::{AccountId, AppId, PipelineId};
use model::log::LogFilter;
use model::notice::{GATHER, Notice, NoticeState};
use model::notification_route::{Addressee, News, Recipient, recipients};
use model::pipeline::Stage;
use model::release::{Release, ReleaseStatus};
use model::time::Timestamp;
use model::verification::{Verdict, Verification, VerificationState};
use std::time::Duration;
use store::{StoreError, Tx};

/// Lines of a dyno's log that are looked through for what made it crash.
const LINES_LOOKED_THROUGH: usize = 200;

/// The log is looked through for so long at most: a transaction waits.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// What an event says of something that can be broken.
pub(crate) struct Said<'a> {
    /// What it is about.
    pub(crate) key: AlarmKey,
    /// Did it work?
    pub(crate) health: Health,
    /// In one line.
    pub(crate) what: String,
    /// Whose change, and where its output is.
    pub(crate) of: Of<'a>,
}

/// Whose change an alarm is about.
pub(crate) enum Of<'a> {
    /// A build's.
    Build(&'a Build),
    /// A release's.
    Release(&'a Release),
    /// That of the release that was checked.
    Verification(&'a Verification),
    /// That of the release that a dyno runs.
    Dyno(&'a Dyno),
}

/// What is broken of an app, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<Alarm>, StoreError> {
    store::alarm::of_app(control.store.db(), app.id).await
}

/// An event was noted: turns what it is about, as part of it.
pub(crate) async fn noted(
    control: &Control,
    tx: &mut Tx,
    by: AccountId,
    change: &Change<'_>,
) -> Result<(), StoreError> {
    if let Resource::Formation(app, detail) = &change.now {
        let (kind, count) = (detail.entry.process_type.as_str(), detail.entry.quantity);
        return scaled(control, tx, app.id, kind, count).await;
    }
    match says(change) {
        Some(said) => turn(control, tx, by, said).await,
        None => Ok(()),
    }
}

/// What an event says, if it is about something that can be broken.
fn says<'a>(change: &Change<'a>) -> Option<Said<'a>> {
    if change.action == Action::Destroy {
        return None;
    }
    match change.now {
        Resource::Build(detail) => says_build(&detail.build),
        Resource::Release(_, detail) => says_release(&detail.release),
        Resource::Dyno(_, dyno) => says_dyno(dyno),
        Resource::Verification(_, detail) => says_verification(&detail.verification),
        Resource::App(_)
        | Resource::Formation(..)
        | Resource::Collaborator(..)
        | Resource::Domain(..)
        | Resource::SniEndpoint(..) => None,
    }
}

fn says_build(build: &Build) -> Option<Said<'_>> {
    let version = build.source.version.as_deref().unwrap_or("an archive");
    let of: String = version.chars().take(8).collect();
    let (health, what) = match &build.state {
        BuildState::Pending => return None,
        BuildState::Succeeded { .. } => (Health::Good, format!("The build of {of} succeeded")),
        BuildState::Failed { why } => (Health::Bad, format!("The build of {of} failed: {why}")),
    };
    let key = AlarmKey { app: build.app, kind: AlarmKind::Build, thing: String::new() };
    Some(Said { key, health, what, of: Of::Build(build) })
}

fn says_release(release: &Release) -> Option<Said<'_>> {
    // Before the first build nothing can fail.
    release.slug?;
    let of = format!("v{} ({})", release.version, release.description);
    let (health, what) = match release.status {
        ReleaseStatus::Pending | ReleaseStatus::Expired => return None,
        ReleaseStatus::Succeeded => (Health::Good, format!("{of} is released")),
        ReleaseStatus::Failed => {
            (Health::Bad, format!("The release command of {of} failed; the release before it goes on"))
        }
    };
    let key = AlarmKey { app: release.app, kind: AlarmKind::Release, thing: String::new() };
    Some(Said { key, health, what, of: Of::Release(release) })
}

fn says_verification(check: &Verification) -> Option<Said<'_>> {
    let VerificationState::Over { verdict, why, .. } = &check.state else { return None };
    let of = format!("v{} on {}", check.version, check.stage);
    let (health, what) = match verdict {
        Verdict::Green => (Health::Good, format!("{of} has its green light")),
        Verdict::Red => (Health::Bad, format!("{of} failed its check on the running server: {why}")),
        Verdict::Errored => (Health::Bad, format!("{of} could not be checked on the running server: {why}")),
        // It says nothing about the release.
        Verdict::Untested | Verdict::Cancelled => return None,
    };
    let key = AlarmKey { app: check.app, kind: AlarmKind::Verify, thing: String::new() };
    Some(Said { key, health, what, of: Of::Verification(check) })
}

fn says_dyno(dyno: &Dyno) -> Option<Said<'_>> {
    if dyno.role != DynoRole::Formation {
        return None;
    }
    let (name, version) = (&dyno.name, dyno.version);
    let (health, what) = match dyno.state {
        // The first crash is tried again at once: only when that fails as well it is a loop.
        DynoState::Crashed { retry_at } if retry_at > dyno.since => {
            let wait_s = retry_at.since(dyno.since).as_secs();
            (Health::Bad, format!("{name} of v{version} crashes again and again; it is tried in {wait_s} seconds"))
        }
        DynoState::Up | DynoState::Idle => (Health::Good, format!("{name} of v{version} runs")),
        DynoState::Crashed { .. } | DynoState::Starting | DynoState::Stopping => return None,
    };
    let key = AlarmKey { app: dyno.app, kind: AlarmKind::Crash, thing: name.to_string() };
    Some(Said { key, health, what, of: Of::Dyno(dyno) })
}

/// Dynos that are not wanted any more crash no more.
async fn scaled(control: &Control, tx: &mut Tx, app: AppId, kind: &str, count: u32) -> Result<(), StoreError> {
    for alarm in store::alarm::of_app(tx.db(), app).await? {
        let number = alarm.key.thing.rsplit_once('.').filter(|(of, _)| *of == kind).and_then(|(_, n)| n.parse().ok());
        if alarm.key.kind == AlarmKind::Crash && number.is_some_and(|number: u32| number > count) {
            let what = format!("{} is not wanted any more", alarm.key.thing);
            mend(control, tx, alarm, what).await?;
        }
    }
    Ok(())
}

/// What has worked for long enough is mended.
pub(crate) async fn calm(control: &Control) -> Result<(), StoreError> {
    let (now, after) = (control.now(), control.settings.calm_after);
    let since = Timestamp(now.0.saturating_sub(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)));
    if store::alarm::calm(control.store.db(), since).await?.is_empty() {
        return Ok(());
    }
    let mut tx = control.store.begin().await?;
    for mut alarm in store::alarm::calm(tx.db(), since).await? {
        let state = alarm.state;
        if let Some(turn) = alarm.calm(now, after) {
            let what = format!("{} has run for {} seconds", alarm.key.thing, after.as_secs());
            fixed(control, &mut tx, alarm, state, turn, what).await?;
        }
    }
    tx.commit().await
}

/// It is mended whatever its kind asks for.
async fn mend(control: &Control, tx: &mut Tx, mut alarm: Alarm, what: String) -> Result<(), StoreError> {
    let before = alarm.state;
    (alarm.state, alarm.updated_at) = (AlarmState::Fine, control.now());
    fixed(control, tx, alarm, before, Turn::Fixed, what).await
}

async fn fixed(
    control: &Control,
    tx: &mut Tx,
    alarm: Alarm,
    before: AlarmState,
    turn: Turn,
    what: String,
) -> Result<(), StoreError> {
    store::alarm::put(tx, &alarm).await?;
    let Some(app) = store::app::by_id(tx.db(), alarm.key.app).await? else { return Ok(()) };
    let since = before.since().unwrap_or(alarm.updated_at);
    let place = place(tx, app.id).await?;
    let news = Telling { app: &app, place, alarm: &alarm, turn, since, what, author: None };
    news.tell(control, tx).await
}

/// Something was said of a thing that can be broken.
pub(crate) async fn turn(control: &Control, tx: &mut Tx, by: AccountId, said: Said<'_>) -> Result<(), StoreError> {
    let known = store::alarm::find(tx.db(), &said.key).await?;
    let mut alarm = known.clone().unwrap_or_else(|| Alarm::new(said.key.clone(), control.now()));
    let (before, blamed) = (alarm.state, alarm.author);
    let turn = alarm.on(said.health, control.now());
    if alarm.state == AlarmState::Fine && before == AlarmState::Fine && turn.is_none() {
        return Ok(());
    }
    let Some(app) = store::app::by_id(tx.db(), said.key.app).await? else { return Ok(()) };
    let author = author_of(control, tx, &app, by, &said.of).await?;
    if said.health == Health::Bad {
        alarm.author = author.as_ref().map(|author| author.id);
        alarm.what.clone_from(&said.what);
        if turn == Some(Turn::Broke) || alarm.author != blamed {
            alarm.first_line = first_line(control, &said).await;
        }
    }
    if alarm.state != AlarmState::Fine || before != AlarmState::Fine {
        store::alarm::put(tx, &alarm).await?;
    }
    let Some(turn) = turn.filter(|turn| *turn != Turn::StillBroken || alarm.author != blamed) else { return Ok(()) };
    let since = alarm.state.since().or(before.since()).unwrap_or(alarm.updated_at);
    let place = place(tx, app.id).await?;
    let news = Telling { app: &app, place, alarm: &alarm, turn, since, what: said.what, author: author.as_ref() };
    news.tell(control, tx).await
}

async fn author_of(
    control: &Control,
    tx: &mut Tx,
    app: &App,
    by: AccountId,
    of: &Of<'_>,
) -> Result<Option<Account>, StoreError> {
    match of {
        Of::Build(build) => author::to_tell(control, tx.db(), app, &author::of_build(build)).await,
        Of::Release(release) => author::responsible(control, tx.db(), app, release).await,
        Of::Verification(check) => match store::release::by_own_id(tx.db(), check.release).await? {
            Some(release) => author::responsible(control, tx.db(), app, &release).await,
            None => store::account::by_id(tx.db(), by).await,
        },
        Of::Dyno(dyno) => match store::release::by_own_id(tx.db(), dyno.release).await? {
            Some(release) => author::responsible(control, tx.db(), app, &release).await,
            None => store::account::by_id(tx.db(), by).await,
        },
    }
}

/// What people would scroll back for.
async fn first_line(control: &Control, said: &Said<'_>) -> Option<String> {
    match &said.of {
        Of::Build(build) => control.outputs.first_failing(&build::output_key(build.id)).await,
        Of::Release(release) => control.outputs.first_failing(&release::output_key(release.id)).await,
        Of::Verification(check) => control.outputs.first_failing(&verification::output_key(check.id)).await,
        Of::Dyno(dyno) => {
            let filter = LogFilter { source: Some("app".to_owned()), ps: Some(dyno.name.to_string()) };
            let lines = control.logs.history(dyno.app, &filter, LINES_LOOKED_THROUGH);
            let lines = tokio::time::timeout(LOG_LIMIT, lines).await.ok()?.ok()?;
            let own = lines.iter().filter(|line| line.at >= dyno.created_at);
            first_failing(own.map(|line| line.text.as_str()))
        }
    }
}

/// Where in a pipeline an app is.
async fn place(tx: &mut Tx, app: AppId) -> Result<Option<(PipelineId, Stage)>, StoreError> {
    let coupling = store::pipeline_coupling::of_app(tx.db(), app).await?;
    Ok(coupling.map(|coupling| (coupling.pipeline, coupling.stage)))
}

/// What is told of an alarm's turn.
struct Telling<'a> {
    app: &'a App,
    place: Option<(PipelineId, Stage)>,
    alarm: &'a Alarm,
    turn: Turn,
    since: Timestamp,
    what: String,
    author: Option<&'a Account>,
}

impl Telling<'_> {
    /// Adds a notice for each who is told.
    async fn tell(&self, control: &Control, tx: &mut Tx) -> Result<(), StoreError> {
        let to = match self.turn {
            Turn::Fixed => self.told_before(control, tx).await?,
            Turn::Broke | Turn::StillBroken | Turn::Well | Turn::Test => self.to_be_told(control, tx).await?,
        };
        for recipient in to {
            let notice = self.notice(control, recipient);
            if !store::notice::insert(tx, &notice).await? {
                tracing::warn!(app.id = %self.app.id, to = ?notice.addressee, "A notice was not kept: too many wait there");
            }
        }
        Ok(())
    }

    async fn to_be_told(&self, control: &Control, tx: &mut Tx) -> Result<Vec<Recipient>, StoreError> {
        let routes = store::notification_route::asked(tx, self.app.id).await?;
        let author = self.author.filter(|_| control.settings.mail.is_some()).map(|author| author.email.as_str());
        Ok(recipients(&routes, &self.news(), author))
    }

    /// Whoever heard that it broke hears that it is mended; whoever was to hear it later hears neither.
    async fn told_before(&self, control: &Control, tx: &mut Tx) -> Result<Vec<Recipient>, StoreError> {
        let mut to: Vec<Recipient> = Vec::new();
        for notice in store::notice::told(tx.db(), &self.alarm.key, self.since).await? {
            if notice.delayed && store::notice::withdraw(tx, &notice, control.now()).await? {
                continue;
            }
            if !to.iter().any(|known| known.addressee == notice.addressee) {
                to.push(Recipient { route: notice.route, addressee: notice.addressee, delay: Duration::ZERO });
            }
        }
        Ok(to)
    }

    fn news(&self) -> News {
        News { app: self.app.id, place: self.place, kind: self.alarm.key.kind, turn: self.turn }
    }

    fn notice(&self, control: &Control, to: Recipient) -> Notice {
        let now = control.now();
        let gather = if to.addressee == Addressee::Log { Duration::ZERO } else { GATHER };
        let failed = matches!(self.turn, Turn::Broke | Turn::StillBroken);
        Notice {
            id: control.world.new_id(),
            sequence: 0,
            route: to.route,
            addressee: to.addressee,
            key: self.alarm.key.clone(),
            app_name: self.app.name.clone(),
            stage: self.place.map(|(_, stage)| stage),
            turn: self.turn,
            severity: self.news().severity(),
            what: self.what.clone(),
            first_line: self.alarm.first_line.clone().filter(|_| failed),
            author: self.author.map(|author| author.email.clone()),
            since: self.since,
            failures: self.alarm.failures,
            delayed: !to.delay.is_zero(),
            state: NoticeState::Pending { due: now.plus(to.delay.max(gather)) },
            attempts: 0,
            why: None,
            created_at: now,
            updated_at: now,
        }
    }
}
