//! A notice: something new about an alarm on its way to one who is told. What waits for the same one goes together.

use crate::alarm::{AlarmKey, Severity, Turn};
use crate::app::AppName;
use crate::delivery::{GIVE_UP_AFTER, pause};
use crate::id::{NoticeId, NotificationRouteId};
use crate::notification_route::Addressee;
use crate::pipeline::Stage;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// What comes for one addressee within this time goes together: one cause often breaks several things.
pub const GATHER: Duration = Duration::from_secs(2);

/// Notices that wait for one addressee; beyond it nothing is added, because nobody reads so many.
pub const WAITING_LIMIT: usize = 200;

/// Mails to one address in an hour; beyond it notices wait, and go together.
pub const MAILS_AN_HOUR: usize = 60;

/// Notices are kept as long as events are.
pub const KEPT_FOR: Duration = crate::event::KEPT_FOR;

/// How far a notice is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeState {
    /// It was not tried yet.
    Pending {
        /// Not before.
        due: Timestamp,
    },
    /// It was tried in vain, and will be again.
    Retrying {
        /// When.
        due: Timestamp,
    },
    /// It was taken.
    Sent,
    /// It will not be tried any more.
    Failed,
    /// What broke was mended before this was due.
    Withdrawn,
}

impl NoticeState {
    /// Its word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Retrying { .. } => "retrying",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// When it is tried next.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { due } | Self::Retrying { due } => Some(*due),
            Self::Sent | Self::Failed | Self::Withdrawn => None,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// It was taken.
    Taken,
    /// Not now, for this reason.
    NotNow(String),
    /// Never, for this reason.
    Refused(String),
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id: a receiver knows a repeated one by it.
    pub id: NoticeId,
    /// Its place among all notices.
    pub sequence: i64,
    /// The route; none for the author of a change whom nobody has asked for.
    pub route: Option<NotificationRouteId>,
    /// Where to.
    pub addressee: Addressee,
    /// What it is about.
    pub key: AlarmKey,
    /// The app's name, as it was.
    pub app_name: AppName,
    /// Where in a pipeline the app was.
    pub stage: Option<Stage>,
    /// What became of it.
    pub turn: Turn,
    /// How much that matters.
    pub severity: Severity,
    /// In one line.
    pub what: String,
    /// The first line that says why.
    pub first_line: Option<String>,
    /// Whose change it was: an e-mail address.
    pub author: Option<String>,
    /// When it broke; for what went well: when it did.
    pub since: Timestamp,
    /// How often it failed since.
    pub failures: u32,
    /// It waits for as long as the author has to mend it.
    pub delayed: bool,
    /// How far it is.
    pub state: NoticeState,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt came to nothing.
    pub why: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Notice {
    /// The only way a notice changes by being sent. What is over stays so.
    #[must_use]
    pub fn on(mut self, sending: Sending, now: Timestamp) -> Self {
        if self.state.due().is_none() {
            return self;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.updated_at = now;
        (self.state, self.why) = match sending {
            Sending::Taken => (NoticeState::Sent, None),
            Sending::Refused(why) => (NoticeState::Failed, Some(why)),
            Sending::NotNow(why) if now.since(self.created_at) < GIVE_UP_AFTER => {
                (NoticeState::Retrying { due: now.plus(pause(self.attempts)) }, Some(why))
            }
            Sending::NotNow(why) => (NoticeState::Failed, Some(why)),
        };
        self
    }

    /// What is told: `The build of shop is broken`.
    #[must_use]
    pub fn headline(&self) -> String {
        headline(&self.app_name, self.stage, &self.key, self.turn)
    }
}

/// What became of an alarm of an app, in one line.
pub(crate) fn headline(name: &AppName, stage: Option<Stage>, key: &AlarmKey, turn: Turn) -> String {
    let thing = if key.thing.is_empty() { String::new() } else { format!(" of {}", key.thing) };
    let app = stage.map_or_else(|| name.to_string(), |stage| format!("{name} ({})", stage.word()));
    let kind = key.kind;
    match turn {
        Turn::Broke => format!("{app}: {kind}{thing} broken"),
        Turn::StillBroken => format!("{app}: {kind}{thing} still broken"),
        Turn::Fixed => format!("{app}: {kind}{thing} fixed"),
        Turn::Well => format!("{app}: {kind}{thing} went well"),
        Turn::Test => format!("{app}: a test of notifications"),
    }
}

/// What to send now, and when to look again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Notices that go together, each lot to one addressee.
    pub lots: Vec<Vec<Notice>>,
    /// When the next one is due.
    pub next: Option<Timestamp>,
}

/// Sorts what is open (in the order of its sequence) into lots. Whoever could not be reached gets nothing before the next attempt
/// is due, and then everything that is due, in order; what waits for the author to mend it keeps nothing else waiting.
#[must_use]
pub fn plan(open: Vec<Notice>, now: Timestamp) -> Plan {
    let mut of: Vec<(Addressee, Vec<Notice>)> = Vec::new();
    let mut places: HashMap<Addressee, usize> = HashMap::new();
    for notice in open {
        let key = addressee_key(&notice);
        let place = *places.entry(key.clone()).or_insert(of.len());
        if place == of.len() {
            of.push((key, Vec::new()));
        }
        if let Some((_, lot)) = of.get_mut(place) {
            lot.push(notice);
        }
    }
    let mut plan = Plan::default();
    for (_, notices) in of {
        let retry = notices.iter().filter_map(retry_due).max();
        let first = notices.iter().filter_map(|notice| notice.state.due()).min();
        let due = retry.or(first).unwrap_or(now);
        if due > now {
            plan.next = Some(plan.next.map_or(due, |next| next.min(due)));
            continue;
        }
        let (lot, later): (Vec<Notice>, Vec<Notice>) =
            notices.into_iter().partition(|notice| !notice.delayed || notice.state.due().is_some_and(|due| due <= now));
        let next = later.iter().filter_map(|notice| notice.state.due()).min();
        plan.next = [plan.next, next].into_iter().flatten().min();
        if !lot.is_empty() {
            plan.lots.push(lot);
        }
    }
    plan
}

/// The log is another one for every app.
fn addressee_key(notice: &Notice) -> Addressee {
    match &notice.addressee {
        Addressee::Log => Addressee::Email(format!("log of {}", notice.key.app)),
        other @ (Addressee::Email(_) | Addressee::Webhook(_)) => other.clone(),
    }
}

fn retry_due(notice: &Notice) -> Option<Timestamp> {
    match notice.state {
        NoticeState::Retrying { due } => Some(due),
        NoticeState::Pending { .. } | NoticeState::Sent | NoticeState::Failed | NoticeState::Withdrawn => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alarm::AlarmKind;
    use crate::id::AppId;
    use uuid::Uuid;

    pub(crate) fn notice(sequence: i64, to: &str, due: i64) -> Notice {
        let key = AlarmKey { app: AppId(Uuid::nil()), kind: AlarmKind::Build, thing: String::new() };
        Notice {
            id: NoticeId(Uuid::nil()),
            sequence,
            route: None,
            addressee: Addressee::Email(to.into()),
            key,
            app_name: "shop".parse().unwrap(),
            stage: None,
            turn: Turn::Broke,
            severity: Severity::Warning,
            what: "no".into(),
            first_line: None,
            author: None,
            since: Timestamp(0),
            failures: 1,
            delayed: false,
            state: NoticeState::Pending { due: Timestamp(due) },
            attempts: 0,
            why: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn sequences(plan: &Plan) -> Vec<Vec<i64>> {
        plan.lots.iter().map(|lot| lot.iter().map(|notice| notice.sequence).collect()).collect()
    }

    #[test]
    fn what_waits_for_the_same_one_goes_together_in_order() {
        let open = vec![notice(1, "a", 5), notice(2, "b", 9), notice(3, "a", 9), notice(4, "c", 20)];
        let planned = plan(open.clone(), Timestamp(4));
        assert_eq!((sequences(&planned), planned.next), (vec![], Some(Timestamp(5))));
        let planned = plan(open, Timestamp(9));
        assert_eq!((sequences(&planned), planned.next), (vec![vec![1, 3], vec![2]], Some(Timestamp(20))));
    }

    #[test]
    fn who_could_not_be_reached_gets_nothing_before_its_time_and_then_all() {
        let mut failed = notice(1, "a", 0).on(Sending::NotNow("451".into()), Timestamp(10));
        assert_eq!(failed.state, NoticeState::Retrying { due: Timestamp(10).plus(Duration::from_secs(1)) });
        let open = vec![failed.clone(), notice(2, "a", 10)];
        assert_eq!(sequences(&plan(open.clone(), Timestamp(999_999))), Vec::<Vec<i64>>::new());
        assert_eq!(sequences(&plan(open, Timestamp(1_000_010))), [[1, 2]]);
        failed = failed.on(Sending::NotNow("451".into()), Timestamp(0).plus(GIVE_UP_AFTER));
        assert_eq!((failed.state.clone(), failed.attempts), (NoticeState::Failed, 2));
        assert_eq!(failed.clone().on(Sending::Taken, Timestamp(0)), failed, "over is over");
        let refused = notice(1, "a", 0).on(Sending::Refused("550 nobody".into()), Timestamp(1));
        assert_eq!((refused.state, refused.why.as_deref()), (NoticeState::Failed, Some("550 nobody")));
    }

    #[test]
    fn what_gives_the_author_time_keeps_nothing_else_waiting() {
        let mut later = notice(1, "a", 600);
        later.delayed = true;
        let planned = plan(vec![later.clone(), notice(2, "a", 3)], Timestamp(5));
        assert_eq!((sequences(&planned), planned.next), (vec![vec![2]], Some(Timestamp(600))));
        assert_eq!(sequences(&plan(vec![later], Timestamp(600))), [[1]]);
    }
}
