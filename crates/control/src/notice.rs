//! Notices on their way: what the outbox holds goes to mail server, webhooks and logs, at least once. What is for the same one
//! goes together; one at a time for each, several side by side.

use crate::event::RETRY;
use crate::notify::Notifier;
use crate::{Control, alarm, journal};
use mail::{Mail, MailError, Mailer};
use model::delivery::Outcome;
use model::id::NotificationRouteId;
use model::letter::{letter, log_line};
use model::notice::{MAILS_AN_HOUR, Notice, Plan, Sending, plan};
use model::notification_route::{Addressee, Channel};
use model::time::Timestamp;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::sync::Semaphore;

/// Sent at the same time: mail servers take few connections from one client.
const AT_ONCE: usize = 8;

/// Without any signal the outbox is looked at this often, and what was mended a while ago is told.
const PERIOD: Duration = Duration::from_secs(10);

const HOUR: Duration = Duration::from_secs(3600);

/// What is being sent, and with what.
struct Courier {
    control: Control,
    notifier: Notifier,
    mailer: Option<Mailer>,
    room: Arc<Semaphore>,
    busy: Mutex<HashSet<Addressee>>,
}

/// Begins to send, also what the last server left.
pub(crate) fn begin(control: &Control, notifier: Notifier) {
    let courier = Arc::new(Courier {
        control: control.clone(),
        notifier,
        mailer: control.settings.mail.clone().map(Mailer::new),
        room: Arc::new(Semaphore::new(AT_ONCE)),
        busy: Mutex::default(),
    });
    tokio::spawn(async move {
        loop {
            let pause = courier.look().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "Notices cannot be read; trying again");
                RETRY
            });
            tokio::select! {
                () = courier.control.store.notices().notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
}

impl Courier {
    fn busy(&self) -> MutexGuard<'_, HashSet<Addressee>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is due and has room; how long until the next look.
    async fn look(self: &Arc<Self>) -> Result<Duration, StoreError> {
        alarm::calm(&self.control).await?;
        // Before the outbox is read: what is being sent meanwhile may be shown with what is open, and rings again.
        let busy = self.busy().clone();
        let mut open = store::notice::open(self.control.store.db()).await?;
        open.retain(|notice| !busy.contains(&notice.addressee));
        let Plan { lots, mut next } = plan(open, self.control.now());
        for lot in lots {
            let Some(addressee) = lot.first().map(|notice| notice.addressee.clone()) else { continue };
            if let Some(later) = self.enough(&addressee).await? {
                next = [next, Some(later)].into_iter().flatten().min();
                continue;
            }
            // Whoever ends makes room and rings.
            let Ok(turn) = Arc::clone(&self.room).try_acquire_owned() else { break };
            self.busy().insert(addressee.clone());
            let courier = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = courier.attempt(lot).await {
                    // What was sent is sent again: it has the same id.
                    tracing::warn!(%error, "What became of notices could not be noted; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                courier.busy().remove(&addressee);
                drop(turn);
                courier.control.store.notices().notify_one();
            });
        }
        Ok(next.map_or(PERIOD, |next| next.since(self.control.now())).min(PERIOD))
    }

    /// Until when an address gets no mail, because it got many.
    async fn enough(&self, addressee: &Addressee) -> Result<Option<Timestamp>, StoreError> {
        let Addressee::Email(address) = addressee else { return Ok(None) };
        let hour_us = i64::try_from(HOUR.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp(self.control.now().0.saturating_sub(hour_us));
        let sent = store::notice::sent(self.control.store.db(), address, since).await?;
        let over = sent.len().checked_sub(MAILS_AN_HOUR);
        Ok(over.and_then(|over| sent.get(over)).map(|first| first.plus(HOUR)))
    }

    async fn attempt(&self, lot: Vec<Notice>) -> Result<(), StoreError> {
        let Some(first) = lot.first() else { return Ok(()) };
        let sending = match &first.addressee {
            Addressee::Email(address) => self.mail(address, &lot, first).await,
            Addressee::Webhook(route) => self.post(*route, &lot).await?,
            Addressee::Log => self.log(&lot).await,
        };
        tracing::debug!(to = ?first.addressee, notices = lot.len(), ?sending, "Sent notices");
        if let Sending::Refused(why) | Sending::NotNow(why) = &sending {
            tracing::warn!(app.id = %first.key.app, notices = lot.len(), why, "Notices were not taken");
        }
        let now = self.control.now();
        let mut tx = self.control.store.begin().await?;
        for notice in lot {
            store::notice::note(&mut tx, &notice.on(sending.clone(), now)).await?;
        }
        tx.commit().await
    }

    async fn mail(&self, to: &str, lot: &[Notice], first: &Notice) -> Sending {
        let Some(mailer) = &self.mailer else {
            return Sending::Refused("this server has no mail server: start it with --smtp-url".to_owned());
        };
        let letter = letter(lot, &format!("http://{}", self.control.settings.api));
        let key = &first.key;
        // Of a header: a branch may be called anything.
        let thing: String = key.thing.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let thread = format!("alarm-{}-{}-{thing}-{}", key.app, key.kind, first.since.0);
        let (id, at) = (format!("notice-{}", first.id), self.control.now());
        let mail = Mail { to: to.to_owned(), subject: letter.subject, text: letter.text, id, thread, at };
        match mailer.send(&mail).await {
            Ok(()) => Sending::Taken,
            Err(MailError::NotNow(why)) => Sending::NotNow(why),
            Err(MailError::Refused(why)) => Sending::Refused(why),
        }
    }

    async fn post(&self, route: NotificationRouteId, lot: &[Notice]) -> Result<Sending, StoreError> {
        let found = store::notification_route::by_id(&self.control.store, route).await?;
        let keys = store::notification_route::keys(&self.control.store, route).await?;
        let url = found.and_then(|route| match route.channel {
            Channel::Webhook(url) => Some(url),
            Channel::Author | Channel::Email(_) | Channel::Log => None,
        });
        let (Some(url), Some(keys)) = (url, keys) else { return Ok(Sending::Refused("the route is gone".to_owned())) };
        let body = (self.control.wire.notices)(lot);
        Ok(match self.notifier.send(url.as_str(), &keys, body).await {
            outcome if outcome.is_success() => Sending::Taken,
            Outcome::Answered(status) => Sending::NotNow(format!("the receiver answered {status}")),
            Outcome::Unanswered(why) => Sending::NotNow(format!("the receiver did not answer: {}", why.word())),
        })
    }

    async fn log(&self, lot: &[Notice]) -> Sending {
        for notice in lot {
            let line = log_line(notice);
            tracing::info!(app.id = %notice.key.app, alarm = notice.turn.word(), "{line}");
            journal::api(&self.control, notice.key.app, self.control.now(), line).await;
        }
        Sending::Taken
    }
}
