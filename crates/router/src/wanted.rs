//! Apps that are asleep while requests wait for them: told to the control plane until it wakes them.
//!
//! Every request that waits holds a [`Wish`]. Nothing is queued: what is to be said follows from who waits at the moment
//! it is said, so nothing is lost with a connection or a full queue, and nothing is said of requests that are gone.

use crate::table::Change;
use model::id::AppId;
use model::route::Web;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// While requests wait, the control plane is told again after this.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// Which sleeping apps are wanted, of all threads.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    apps: Mutex<BTreeMap<AppId, Want>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Want {
    /// Requests that wait here.
    waiting: usize,
    /// The router before this one said that requests wait there.
    passed_on: bool,
    /// It wakes up: those who wait are about to go on.
    awake: bool,
    said: Option<Instant>,
}

/// A request that waits for an app to wake up.
#[derive(Debug)]
pub(crate) struct Wish {
    wanted: Arc<Wanted>,
    app: AppId,
}

impl Drop for Wish {
    fn drop(&mut self) {
        if let Some(want) = self.wanted.apps().get_mut(&self.app) {
            want.waiting = want.waiting.saturating_sub(1);
        }
    }
}

impl Want {
    /// When it is to be said; `None`: there is nothing to say.
    fn due(&self, now: Instant) -> Option<Instant> {
        let waits = (self.waiting > 0 || self.passed_on) && !self.awake;
        waits.then(|| self.said.map_or(now, |said| said + SAY_AGAIN))
    }

    /// Nobody waits, and whoever comes next may be told of at once.
    fn is_over(&self, now: Instant) -> bool {
        self.due(now).is_none() && self.said.is_none_or(|said| said + SAY_AGAIN <= now)
    }
}

impl Wanted {
    fn apps(&self) -> MutexGuard<'_, BTreeMap<AppId, Want>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins to wait.
    pub(crate) fn wish(wanted: &Arc<Self>, app: AppId) -> Wish {
        let first = {
            let mut apps = wanted.apps();
            let want = apps.entry(app).or_default();
            want.waiting += 1;
            want.waiting == 1
        };
        if first {
            wanted.changed.notify_one();
        }
        Wish { wanted: Arc::clone(wanted), app }
    }

    /// Requests wait at the router before this one.
    pub(crate) fn pass_on(&self, app: AppId) {
        self.apps().entry(app).or_default().passed_on = true;
        self.changed.notify_one();
    }

    /// There is another one to be told.
    pub(crate) fn say_again(&self) {
        self.apps().values_mut().for_each(|want| want.said = None);
        self.changed.notify_one();
    }

    /// An app that changed is told of at once when it is wanted, however short ago it was before the change.
    pub(crate) fn renew(&self, change: &Change) {
        let mut apps = self.apps();
        let turn = |want: &mut Want, web: Option<&Web>| {
            want.awake = web != Some(&Web::Asleep);
            // Asleep as before is no news.
            want.said = want.said.filter(|_| !want.awake);
        };
        match change {
            Change::Sync(routes) => apps.iter_mut().for_each(|(app, want)| {
                let entry = routes.iter().find(|entry| entry.route.app == *app);
                turn(want, entry.map(|entry| &entry.route.web));
            }),
            Change::Set(entry) => {
                if let Some(want) = apps.get_mut(&entry.route.app) {
                    turn(want, Some(&entry.route.web));
                }
            }
            Change::Remove(app) => {
                if let Some(want) = apps.get_mut(app) {
                    turn(want, None);
                }
            }
        }
    }

    /// The next app to tell of; waits for one. Cancelling loses nothing before it returns.
    pub(crate) async fn next(&self) -> AppId {
        loop {
            let changed = self.changed.notified();
            let at = match self.take(Instant::now()) {
                Ok(app) => return app,
                Err(at) => at,
            };
            match at {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// The app to tell of now, or when there is one.
    fn take(&self, now: Instant) -> Result<AppId, Option<Instant>> {
        let mut apps = self.apps();
        apps.retain(|_, want| !want.is_over(now));
        let next = apps.iter_mut().filter_map(|(app, want)| Some((want.due(now)?, app, want)));
        match next.min_by_key(|(at, app, _)| (*at, **app)) {
            Some((at, app, want)) if at <= now => {
                want.said = Some(now);
                want.passed_on = false;
                Ok(*app)
            }
            Some((at, _, _)) => Err(Some(at)),
            None => Err(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: AppId = AppId(uuid::Uuid::from_u128(7));

    fn turned(web: Web) -> Change {
        let route = model::route::Route { app: APP, name: "shop".parse().unwrap(), hosts: vec![], web };
        Change::Set(route.into())
    }

    /// Is the app to be told of at this many milliseconds?
    fn said(wanted: &Wanted, began: Instant, after_ms: u64) -> bool {
        wanted.take(began + Duration::from_millis(after_ms)).is_ok()
    }

    #[test]
    fn a_want_is_said_at_once_and_every_second_while_somebody_waits() {
        let (wanted, began) = (Arc::new(Wanted::default()), Instant::now());
        assert!(!said(&wanted, began, 0));
        let first = Wanted::wish(&wanted, APP);
        assert!(said(&wanted, began, 0) && !said(&wanted, began, 0));
        let second = Wanted::wish(&wanted, APP);
        drop(first);
        assert_eq!(wanted.take(began + Duration::from_millis(999)), Err(Some(began + SAY_AGAIN)));
        assert!(said(&wanted, began, 1000) && !said(&wanted, began, 1999));
        drop(second);
        assert!(!said(&wanted, began, 2000) && wanted.apps().is_empty());
    }

    #[test]
    fn a_new_listener_and_a_new_sleep_are_told_at_once() {
        let (wanted, began) = (Arc::new(Wanted::default()), Instant::now());
        let wish = Wanted::wish(&wanted, APP);
        assert!(said(&wanted, began, 0) && !said(&wanted, began, 1));
        wanted.say_again();
        assert!(said(&wanted, began, 2) && !said(&wanted, began, 3));
        wanted.renew(&turned(Web::Asleep));
        assert!(!said(&wanted, began, 4));
        wanted.renew(&turned(Web::Starting));
        assert!(!said(&wanted, began, 5000));
        drop(wish);
        wanted.renew(&turned(Web::Asleep));
        assert!(!said(&wanted, began, 5));
        let _wish = Wanted::wish(&wanted, APP);
        assert!(said(&wanted, began, 6) && !said(&wanted, began, 7));
    }

    #[test]
    fn what_another_router_said_is_passed_on_once() {
        let (wanted, began) = (Wanted::default(), Instant::now());
        wanted.pass_on(APP);
        assert!(said(&wanted, began, 0) && !said(&wanted, began, 1) && !said(&wanted, began, 5000));
    }
}
