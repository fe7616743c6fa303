//! A notification route: who is told of which alarms, and how.

use crate::account::{BadEmail, Email};
use crate::alarm::{AlarmKind, NoSuchKind, NoSuchSeverity, Severity, Turn};
use crate::id::{AppId, NotificationRouteId, PipelineId};
use crate::pipeline::{NoSuchStage, Stage};
use crate::time::Timestamp;
use crate::webhook::{TargetUrl, WebhookRefused};
use std::time::Duration;

/// Routes of one app, of one pipeline, and of the server.
pub const LIMIT_PER_SCOPE: usize = 20;

/// Addresses of one route: more people are a mailing list's job.
pub const ADDRESSES_LIMIT: usize = 10;

/// The longest time that others are told later than the author.
pub const AFTER_LIMIT_S: u32 = 24 * 3600;

/// The word for whoever wrote the change.
pub const AUTHOR: &str = "author";

/// The word for the app's log.
pub const LOG: &str = "log";

/// Whose alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of every app of the server.
    Server,
    /// Of the apps of a pipeline, also those that come into it later.
    Pipeline(PipelineId),
    /// Of one app.
    App(AppId),
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// By e-mail to whoever wrote the change that broke or mended it.
    Author,
    /// By e-mail to these.
    Email(Vec<Email>),
    /// By a signed POST to this address.
    Webhook(TargetUrl),
    /// By a line in the app's log.
    Log,
}

/// What is not taken for a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteRefused {
    /// Nobody to tell.
    #[error("to: write e-mail addresses, an http(s) address, `{AUTHOR}` or `{LOG}`")]
    NobodyToTell,
    /// More than one way in a route.
    #[error("to: `{AUTHOR}`, `{LOG}` and an http(s) address stand alone; make a route for each")]
    Mixed,
    /// Too many.
    #[error("to: a route takes {ADDRESSES_LIMIT} addresses at most; give people a mailing list")]
    TooManyAddresses,
    /// No e-mail address.
    #[error("to: {0}")]
    BadEmail(#[from] BadEmail),
    /// No address to post to.
    #[error("to: {0}")]
    BadUrl(WebhookRefused),
    /// No kind.
    #[error(transparent)]
    BadKind(#[from] NoSuchKind),
    /// No stage.
    #[error(transparent)]
    BadStage(#[from] NoSuchStage),
    /// No severity.
    #[error(transparent)]
    BadSeverity(#[from] NoSuchSeverity),
    /// Too late to be of use.
    #[error("after_s must be 0 to {AFTER_LIMIT_S} seconds")]
    BadAfter,
}

impl Channel {
    /// Reads `to`: e-mail addresses, or one http(s) address, or `author`, or `log`.
    ///
    /// # Errors
    /// [`RouteRefused`].
    pub fn read(to: &[String]) -> Result<Self, RouteRefused> {
        let alone = |channel| if to.len() == 1 { Ok(channel) } else { Err(RouteRefused::Mixed) };
        let url = |text: &&String| text.starts_with("http://") || text.starts_with("https://");
        if to.is_empty() {
            return Err(RouteRefused::NobodyToTell);
        }
        if to.iter().any(|text| text == AUTHOR) {
            return alone(Self::Author);
        }
        if to.iter().any(|text| text == LOG) {
            return alone(Self::Log);
        }
        if let Some(text) = to.iter().find(url) {
            return alone(Self::Webhook(text.parse().map_err(RouteRefused::BadUrl)?));
        }
        let mut addresses: Vec<Email> = Vec::new();
        for text in to {
            let address = text.trim().parse()?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.len() > ADDRESSES_LIMIT { Err(RouteRefused::TooManyAddresses) } else { Ok(Self::Email(addresses)) }
    }

    /// Back to what [`Self::read`] reads.
    #[must_use]
    pub fn to(&self) -> Vec<String> {
        match self {
            Self::Author => vec![AUTHOR.to_owned()],
            Self::Email(addresses) => addresses.iter().map(Email::to_string).collect(),
            Self::Webhook(url) => vec![url.to_string()],
            Self::Log => vec![LOG.to_owned()],
        }
    }
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRoute {
    /// Its id.
    pub id: NotificationRouteId,
    /// Whose alarms.
    pub scope: Scope,
    /// Only of apps at this stage of a pipeline.
    pub stage: Option<Stage>,
    /// Which kinds; all when empty.
    pub kinds: Vec<AlarmKind>,
    /// Those that matter at least so much; with `info` also what went well.
    pub severity: Severity,
    /// How.
    pub channel: Channel,
    /// Only of what is still broken so many seconds after it broke: the author has that long to mend it.
    pub after_s: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is told, as far as routing asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The app.
    pub app: AppId,
    /// Where in a pipeline it is, if it is in one.
    pub place: Option<(PipelineId, Stage)>,
    /// What of it.
    pub kind: AlarmKind,
    /// What became of it.
    pub turn: Turn,
}

impl News {
    /// How much it matters: what went well is only good to know.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.turn {
            Turn::Well | Turn::Test => Severity::Info,
            Turn::Broke | Turn::StillBroken | Turn::Fixed => self.kind.severity(),
        }
    }
}

/// Reads `after_s`.
///
/// # Errors
/// [`RouteRefused::BadAfter`].
pub fn after(seconds: u64) -> Result<u32, RouteRefused> {
    u32::try_from(seconds).ok().filter(|seconds| *seconds <= AFTER_LIMIT_S).ok_or(RouteRefused::BadAfter)
}

impl NotificationRoute {
    /// Is this told here? Of a test every route hears that the app's alarms can take, whatever it wants to hear otherwise.
    #[must_use]
    pub fn wants(&self, news: &News) -> bool {
        let scope = match self.scope {
            Scope::Server => true,
            Scope::Pipeline(pipeline) => news.place.is_some_and(|(of, _)| of == pipeline),
            Scope::App(app) => app == news.app,
        };
        let stage = self.stage.is_none_or(|stage| news.place.is_some_and(|(_, at)| at == stage));
        let wanted = (self.kinds.is_empty() || self.kinds.contains(&news.kind)) && news.severity() >= self.severity;
        scope && stage && (wanted || news.turn == Turn::Test)
    }

    /// How long after it happened.
    #[must_use]
    pub fn delay(&self, news: &News) -> Duration {
        if news.turn == Turn::Test { Duration::ZERO } else { Duration::from_secs(u64::from(self.after_s)) }
    }
}

/// Where one notice goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Addressee {
    /// By e-mail to this address.
    Email(String),
    /// By a POST to the address of this route.
    Webhook(NotificationRouteId),
    /// Into the log of the app.
    Log,
}

/// One who is told, by which route. Without a route: the author of the change, whom nobody has to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The route.
    pub route: Option<NotificationRouteId>,
    /// Where to.
    pub addressee: Addressee,
    /// How long after it happened.
    pub delay: Duration,
}

/// Who is told of something new, the author first, nobody twice. `routes` are all that might be asked (the app's, its
/// pipeline's, the server's). The author is told of what matters at least as a warning unless a route says otherwise.
#[must_use]
pub fn recipients(routes: &[NotificationRoute], news: &News, author: Option<&str>) -> Vec<Recipient> {
    let mut told: Vec<Recipient> = Vec::new();
    let mut add = |route: Option<&NotificationRoute>, addressee: Addressee| {
        if !told.iter().any(|one| one.addressee == addressee) {
            let delay = route.map(|route| route.delay(news)).unwrap_or_default();
            let id = route.map(|route| route.id);
            told.push(Recipient { route: id, addressee, delay });
        }
    };
    if let Some(author) = author {
        let to_author = |route: &&NotificationRoute| route.channel == Channel::Author;
        let wanted = routes.iter().filter(to_author).find(|route| route.wants(news));
        let matters = news.severity() >= Severity::Warning || news.turn == Turn::Test;
        let by_default = !routes.iter().any(|route| to_author(&route)) && matters;
        if wanted.is_some() || by_default {
            add(wanted, Addressee::Email(author.to_ascii_lowercase()));
        }
    }
    if news.turn == Turn::StillBroken {
        return told;
    }
    for route in routes.iter().filter(|route| route.wants(news)) {
        match &route.channel {
            Channel::Author => {}
            Channel::Email(addresses) => {
                addresses.iter().for_each(|address| add(Some(route), Addressee::Email(address.to_string())));
            }
            Channel::Webhook(_) => add(Some(route), Addressee::Webhook(route.id)),
            Channel::Log => add(Some(route), Addressee::Log),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const SHOP: AppId = AppId(Uuid::from_u128(1));

    fn route(n: u128, to: &[&str], severity: Severity) -> NotificationRoute {
        let to: Vec<String> = to.iter().map(|text| (*text).to_owned()).collect();
        NotificationRoute {
            id: NotificationRouteId(Uuid::from_u128(n)),
            scope: Scope::App(SHOP),
            stage: None,
            kinds: Vec::new(),
            severity,
            channel: Channel::read(&to).unwrap(),
            after_s: 0,
            created_at: Timestamp(0),
        }
    }

    fn emails(told: &[Recipient]) -> Vec<&str> {
        told.iter()
            .map(|one| match &one.addressee {
                Addressee::Email(address) => address.as_str(),
                Addressee::Webhook(_) => "webhook",
                Addressee::Log => "log",
            })
            .collect()
    }

    #[test]
    fn the_author_is_told_first_and_nobody_twice() {
        let news = News { app: SHOP, place: None, kind: AlarmKind::Build, turn: Turn::Broke };
        let routes = [
            route(1, &["ops@example.org", "Ada@example.org"], Severity::Warning),
            route(2, &["ops@example.org"], Severity::Info),
            route(3, &["boss@example.org"], Severity::Critical),
        ];
        let told = recipients(&routes, &news, Some("ada@example.org"));
        assert_eq!(emails(&told), ["ada@example.org", "ops@example.org"]);
        assert_eq!((told[0].route, told[1].route), (None, Some(routes[0].id)));
        assert_eq!(emails(&recipients(&routes, &news, None)), ["ops@example.org", "ada@example.org"]);
        assert_eq!(emails(&recipients(&[], &news, Some("ada@example.org"))), ["ada@example.org"]);
        assert!(recipients(&[], &News { turn: Turn::Well, ..news }, Some("ada@example.org")).is_empty());
    }

    #[test]
    fn still_broken_is_not_repeated_but_to_an_author_and_a_route_to_the_author_replaces_the_default() {
        let news = News { app: SHOP, place: None, kind: AlarmKind::Build, turn: Turn::StillBroken };
        let ops = route(1, &["ops@example.org"], Severity::Info);
        assert_eq!(emails(&recipients(std::slice::from_ref(&ops), &news, Some("bob@x"))), ["bob@x"]);
        let seldom = route(2, &["author"], Severity::Critical);
        let broke = News { turn: Turn::Broke, ..news };
        assert_eq!(emails(&recipients(&[ops, seldom.clone()], &broke, Some("bob@x"))), ["ops@example.org"]);
        let crash = News { kind: AlarmKind::Crash, ..broke };
        assert_eq!(recipients(std::slice::from_ref(&seldom), &crash, Some("bob@x"))[0].route, Some(seldom.id));
    }

    #[test]
    fn a_drill_reaches_every_route_at_once_whatever_it_wants_to_hear_otherwise() {
        let news = News { app: SHOP, place: None, kind: AlarmKind::Drill, turn: Turn::Test };
        let mut late = route(1, &["boss@example.org"], Severity::Critical);
        (late.kinds, late.after_s) = (vec![AlarmKind::Build], 3600);
        let mut elsewhere = route(2, &["log"], Severity::Info);
        elsewhere.scope = Scope::App(AppId(Uuid::from_u128(2)));
        let mut staged = route(3, &["http://127.0.0.1:1/x"], Severity::Info);
        staged.stage = Some(Stage::Production);
        let told = recipients(&[late, elsewhere, staged], &news, Some("ada@x"));
        assert_eq!(emails(&told), ["ada@x", "boss@example.org"]);
        assert!(told.iter().all(|one| one.delay.is_zero()));
    }

    #[test]
    fn a_route_chooses_by_app_kind_and_severity() {
        let news = |kind, turn| News { app: SHOP, place: None, kind, turn };
        let mut ops = route(1, &["log"], Severity::Warning);
        assert!(ops.wants(&news(AlarmKind::Build, Turn::Fixed)) && !ops.wants(&news(AlarmKind::Build, Turn::Well)));
        ops.kinds = vec![AlarmKind::Crash];
        assert!(!ops.wants(&news(AlarmKind::Build, Turn::Broke)) && ops.wants(&news(AlarmKind::Crash, Turn::Broke)));
        ops.scope = Scope::App(AppId(Uuid::from_u128(2)));
        assert!(!ops.wants(&news(AlarmKind::Crash, Turn::Broke)));
        ops.scope = Scope::Server;
        let crash = news(AlarmKind::Crash, Turn::Broke);
        assert!(ops.wants(&crash));
        let pipeline = PipelineId(Uuid::from_u128(3));
        let placed = |stage| News { place: Some((pipeline, stage)), ..crash };
        ops.stage = Some(Stage::Production);
        assert_eq!(
            [crash, placed(Stage::Staging), placed(Stage::Production)].map(|news| ops.wants(&news)),
            [false, false, true]
        );
        (ops.scope, ops.stage) = (Scope::Pipeline(pipeline), None);
        assert_eq!([crash, placed(Stage::Staging)].map(|news| ops.wants(&news)), [false, true]);
        ops.scope = Scope::Pipeline(PipelineId(Uuid::from_u128(4)));
        assert!(!ops.wants(&placed(Stage::Staging)));
    }

    #[test]
    fn what_is_no_route() {
        let read = |to: &[&str]| Channel::read(&to.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&[]), Err(RouteRefused::NobodyToTell));
        for mixed in [["author", "a@b"], ["log", "author"], ["https://example.org/x", "a@b"]] {
            assert_eq!(read(&mixed), Err(RouteRefused::Mixed));
        }
        assert!(matches!(read(&["ops"]), Err(RouteRefused::BadEmail(_))));
        assert!(matches!(read(&["https://"]), Err(RouteRefused::BadUrl(_))));
        let many: Vec<String> = (0..=ADDRESSES_LIMIT).map(|n| format!("a{n}@b")).collect();
        assert_eq!(Channel::read(&many), Err(RouteRefused::TooManyAddresses));
        for to in [&["author"][..], &["log"], &["http://127.0.0.1:1/x"], &["a@b", "c@d"]] {
            assert_eq!(read(to).unwrap().to(), to);
        }
        assert_eq!((after(0), after(86_400), after(86_401)), (Ok(0), Ok(86_400), Err(RouteRefused::BadAfter)));
    }
}
