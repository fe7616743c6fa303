//! The client connections of one thread. When there are as many as its files allow, each new one takes the place of one
//! that waits: whoever opens connections by the thousand keeps no visitor out.

use crate::watch::Watch;
use rustix::process::{Resource, getrlimit};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use tokio::sync::Notify;

/// Open files that are no connection of a client or to a dyno: listening sockets, the control plane's, logs, the runtime's.
const OTHER_FILES: u64 = 128;

/// So many connections are looked at to find one that may go: a look takes microseconds, however many there are.
const LOOKS: usize = 64;

/// Connections of clients that each of `threads` may have: half of the open files, because each request may need another
/// one to its dyno.
pub(crate) fn limit(threads: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = (files.saturating_sub(OTHER_FILES) / 2).checked_div(threads as u64).unwrap_or(1);
    usize::try_from(each).unwrap_or(usize::MAX).max(1)
}

/// By number, in the order in which they came.
type Watches = BTreeMap<u64, Weak<Watch>>;

/// Who is connected.
#[derive(Default)]
pub(crate) struct Crowd {
    /// As far as is known, these never sent a request: the first of them waits longest.
    strangers: RefCell<Watches>,
    others: RefCell<Watches>,
    next: Cell<u64>,
    /// Up to here others were looked at when one had to go.
    looked_at: Cell<u64>,
    let_go: Cell<u64>,
    last_gone: Notify,
}

/// Counts a connection while it lives.
pub(crate) struct Known {
    crowd: Rc<Crowd>,
    number: u64,
}

impl Drop for Known {
    fn drop(&mut self) {
        if self.crowd.strangers.borrow_mut().remove(&self.number).is_none() {
            self.crowd.others.borrow_mut().remove(&self.number);
        }
        if self.crowd.count() == 0 {
            self.crowd.last_gone.notify_waiters();
        }
    }
}

impl Crowd {
    /// One more; if there are `limit` of them, another one goes.
    pub(crate) fn register(self: &Rc<Self>, watch: &Rc<Watch>, limit: usize) -> Known {
        if self.count() >= limit {
            self.let_one_go();
        }
        let number = self.next.get();
        self.next.set(number + 1);
        self.strangers.borrow_mut().insert(number, Rc::downgrade(watch));
        Known { crowd: Rc::clone(self), number }
    }

    pub(crate) fn count(&self) -> usize {
        self.strangers.borrow().len() + self.others.borrow().len()
    }

    /// How many had to go so far.
    pub(crate) fn let_go(&self) -> u64 {
        self.let_go.get()
    }

    pub(crate) fn all(&self) -> Vec<Rc<Watch>> {
        let (strangers, others) = (self.strangers.borrow(), self.others.borrow());
        strangers.values().chain(others.values()).filter_map(Weak::upgrade).collect()
    }

    /// Resolves when there is none.
    pub(crate) async fn all_gone(&self) {
        while self.count() > 0 {
            self.last_gone.notified().await;
        }
    }

    /// The one that is worth least. Who is in a request stays.
    fn let_one_go(&self) {
        let candidates = [self.longest_stranger(), self.one_of_the_others()];
        let Some(least) = candidates.into_iter().flatten().min_by_key(|watch| watch.worth()) else { return };
        if self.let_go.get() == 0 {
            tracing::warn!(
                connections = self.count(),
                "There are more connections than the limit of open files allows: those that wait are closed. \
                 Raise the limit if they are visitors"
            );
        }
        self.let_go.set(self.let_go.get() + 1);
        least.let_go();
    }

    /// Those before it are no strangers any more.
    fn longest_stranger(&self) -> Option<Rc<Watch>> {
        let mut strangers = self.strangers.borrow_mut();
        while let Some(first) = strangers.first_entry() {
            let watch = first.get().upgrade();
            if watch.as_ref().is_some_and(|watch| watch.is_stranger()) {
                return watch;
            }
            let (number, watch) = first.remove_entry();
            self.others.borrow_mut().insert(number, watch);
        }
        None
    }

    /// Of some that come next in turn, the one that waits longest.
    fn one_of_the_others(&self) -> Option<Rc<Watch>> {
        let (others, from) = (self.others.borrow(), self.looked_at.get());
        let looks = || others.range(from..).chain(others.range(..from)).take(LOOKS);
        self.looked_at.set(looks().last().map_or(0, |(number, _)| number + 1));
        let waiting = looks().filter_map(|(_, watch)| watch.upgrade()).filter(|watch| watch.may_go());
        waiting.min_by_key(|watch| watch.worth())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Turn;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn who_never_asked_goes_first_then_who_waits_longest_and_who_is_in_a_request_stays() {
        let (crowd, begin) = (Rc::new(Crowd::default()), Instant::now());
        let watches: Vec<_> = (0..4).map(|second| Watch::new(begin + Duration::from_secs(second))).collect();
        watches[0].pass(Turn::DynoHead, begin);
        watches[1].open();
        watches[1].pass(Turn::Idle, begin);
        watches[2].pass(Turn::ClientHead, begin);
        let _known: Vec<_> = watches.iter().map(|watch| crowd.register(watch, 4)).collect();
        assert_eq!(crowd.let_go(), 0, "there is room");
        let mut gone = Vec::new();
        for _ in 0..4 {
            crowd.let_one_go();
            gone.extend((0..4).filter(|at| watches[*at].takes_leave()));
        }
        assert_eq!(gone, [2, 3, 1], "and not twice");
        assert_eq!((crowd.let_go(), crowd.count()), (3, 4));
    }
}
