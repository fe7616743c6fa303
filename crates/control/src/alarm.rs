//! Alarms: what the ledger's events say of things that break and are mended. Turned in the transaction of the event itself,
//! together with what is to be told of it.
//!
//! A new kind of event is a line in [`crate::said::says`]; a new kind of alarm a line in `model::alarm`.

use crate::event::{Change, Resource};
use crate::gate::Authorized;
use crate::said::{Said, author_of, first_line, says};
use crate::telling::{Telling, place};
use crate::{Control, user_notification};
use model::alarm::{Alarm, AlarmKind, AlarmState, Health, Turn};
use model::app::App;
use model::id::{AccountId, AppId};
use model::time::Timestamp;
use store::{StoreError, Tx};

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

/// What cannot be broken any more is mended: the app left its pipeline, or is not tested any more.
pub(crate) async fn moot(
    control: &Control,
    tx: &mut Tx,
    app: AppId,
    kinds: &[AlarmKind],
    why: &str,
) -> Result<(), StoreError> {
    for alarm in store::alarm::of_app(tx.db(), app).await? {
        if kinds.contains(&alarm.key.kind) {
            mend(control, tx, alarm, why.to_owned()).await?;
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
    tell(control, tx, &Telling { app: &app, place, alarm: &alarm, turn, since, what, author: None }).await
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
    tell(control, tx, &news).await
}

/// To everybody who sees the app, in their notifications; and to whom routes tell it.
async fn tell(control: &Control, tx: &mut Tx, news: &Telling<'_>) -> Result<(), StoreError> {
    user_notification::noted(control, tx, news).await?;
    news.tell(control, tx).await.map(drop)
}
