//! Who is told of an alarm's turn: one notice for each, in the transaction of the turn.

use crate::Control;
use model::account::Account;
use model::alarm::{Alarm, Turn};
use model::app::App;
use model::id::{AppId, PipelineId};
use model::notice::{GATHER, Notice, NoticeState};
use model::notification_route::{Addressee, News, Recipient, recipients};
use model::pipeline::Stage;
use model::time::Timestamp;
use std::time::Duration;
use store::{StoreError, Tx};

/// Where in a pipeline an app is.
pub(crate) async fn place(tx: &mut Tx, app: AppId) -> Result<Option<(PipelineId, Stage)>, StoreError> {
    let coupling = store::pipeline_coupling::of_app(tx.db(), app).await?;
    Ok(coupling.map(|coupling| (coupling.pipeline, coupling.stage)))
}

/// What is told of an alarm's turn.
pub(crate) struct Telling<'a> {
    pub(crate) app: &'a App,
    pub(crate) place: Option<(PipelineId, Stage)>,
    pub(crate) alarm: &'a Alarm,
    pub(crate) turn: Turn,
    pub(crate) since: Timestamp,
    pub(crate) what: String,
    pub(crate) author: Option<&'a Account>,
}

impl Telling<'_> {
    /// Adds a notice for each who is told; all of them, those that were not kept as failed ones.
    pub(crate) async fn tell(&self, control: &Control, tx: &mut Tx) -> Result<Vec<Notice>, StoreError> {
        let to = match self.turn {
            Turn::Fixed => self.told_before(control, tx).await?,
            Turn::Broke | Turn::StillBroken | Turn::Well | Turn::Test => self.to_be_told(control, tx).await?,
        };
        self.tell_to(control, tx, to).await
    }

    /// The same for these.
    pub(crate) async fn tell_to(
        &self,
        control: &Control,
        tx: &mut Tx,
        to: Vec<Recipient>,
    ) -> Result<Vec<Notice>, StoreError> {
        let mut told = Vec::new();
        for recipient in to {
            let mut notice = self.notice(control, recipient);
            if !store::notice::insert(tx, &notice).await? {
                tracing::warn!(app.id = %self.app.id, to = ?notice.addressee, "A notice was not kept: too many wait there");
                (notice.state, notice.why) = (NoticeState::Failed, Some("too many wait there".to_owned()));
            }
            told.push(notice);
        }
        Ok(told)
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
        // Whoever tries it waits for it; and a log is not written together.
        let alone = to.addressee == Addressee::Log || self.turn == Turn::Test;
        let gather = if alone { Duration::ZERO } else { GATHER };
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
            author: self.author.filter(|_| self.turn != Turn::Test).map(|author| author.email.clone()),
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
