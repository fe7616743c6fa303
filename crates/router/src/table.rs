//! A thread's own copy of the route table.

use crate::activity::Activity;
use crate::counts::{Counts, Totals};
use crate::entry::Entry;
use crate::failure::{Failure, Kind};
use crate::frame;
use crate::pool::Backend;
use bytes::Bytes;
use model::id::{AppId, DynoId};
use model::route::Web;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What the control plane changes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The whole table.
    Sync(Vec<Entry>),
    /// One app, new or changed.
    Set(Entry),
    /// One app less.
    Remove(AppId),
}

/// What a request meets, with the dynos of this thread behind it.
#[derive(Clone)]
pub(crate) enum Meets {
    Up(Rc<[Rc<Backend>]>),
    Starting,
    Asleep,
    NoWeb,
    Crashed,
    Maintenance,
    Blank,
    /// The app was removed while a request waited for it.
    Gone,
}

/// One app.
pub(crate) struct App {
    pub(crate) id: AppId,
    hosts: RefCell<Vec<Rc<str>>>,
    meets: RefCell<Meets>,
    changed: Notify,
    held: Cell<usize>,
    name: RefCell<Box<str>>,
    affinity: Cell<bool>,
    error_page: RefCell<Option<Bytes>>,
    maintenance_page: RefCell<Option<Bytes>>,
    pub(crate) counts: Counts,
}

impl App {
    pub(crate) fn meets(&self) -> Meets {
        self.meets.borrow().clone()
    }

    /// Resolves at the next change of what requests meet.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Do a visitor's requests go to one dyno?
    pub(crate) fn has_affinity(&self) -> bool {
        self.affinity.get()
    }

    /// The page that the app's owner wants for this failure (ROUTE-62), where there is one.
    pub(crate) fn page(&self, failure: Failure) -> Option<Bytes> {
        match failure.kind() {
            Kind::Maintenance => self.maintenance_page.borrow().clone(),
            Kind::Application => self.error_page.borrow().clone(),
            Kind::Blank | Kind::Request | Kind::NoApp => None,
        }
    }

    fn totals(&self) -> Totals {
        self.counts.totals(self.held.get())
    }

    fn turn_to(&self, meets: Meets) {
        *self.meets.borrow_mut() = meets;
        self.changed.notify_waiters();
    }
}

/// A request's place among those that wait for a dyno (H11).
pub(crate) struct Held(Rc<App>);

impl Held {
    /// `None`: too many wait already.
    pub(crate) fn take(app: &Rc<App>, limit: usize) -> Option<Self> {
        let held = app.held.get();
        (held < limit).then(|| {
            app.held.set(held + 1);
            app.counts.held();
            Self(Rc::clone(app))
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get().saturating_sub(1));
    }
}

/// Hosts to apps, and the dynos behind them.
#[derive(Default)]
pub(crate) struct Table {
    hosts: RefCell<HashMap<Rc<str>, Rc<App>>>,
    /// Some of them may begin with `*.`.
    wildcards: Cell<bool>,
    apps: RefCell<HashMap<AppId, Rc<App>>>,
    /// Also those that left the table while requests were in flight on them.
    backends: RefCell<HashMap<DynoId, Rc<Backend>>>,
}

/// The app whose `*.example.com` covers this host (ROUTE-2); the longest such name counts.
fn wild<'a>(hosts: &'a HashMap<Rc<str>, Rc<App>>, host: &str) -> Option<&'a Rc<App>> {
    host.match_indices('.').find_map(|(dot, _)| hosts.get(format!("*{}", &host[dot..]).as_str()))
}

impl Table {
    /// The app of a lower-case host name, and that name.
    pub(crate) fn find(&self, host: &str) -> Option<(Rc<str>, Rc<App>)> {
        let hosts = self.hosts.borrow();
        match hosts.get_key_value(host) {
            Some((host, app)) => Some((Rc::clone(host), Rc::clone(app))),
            None => self.wildcards.get().then(|| Some((host.into(), Rc::clone(wild(&hosts, host)?))))?,
        }
    }

    pub(crate) fn apply(&self, change: &Change) {
        match change {
            Change::Sync(routes) => {
                let wanted: HashSet<AppId> = routes.iter().map(|entry| entry.route.app).collect();
                let gone: Vec<AppId> = self.apps.borrow().keys().filter(|id| !wanted.contains(id)).copied().collect();
                gone.into_iter().for_each(|id| self.remove(id));
                routes.iter().for_each(|entry| self.set(entry));
            }
            Change::Set(entry) => self.set(entry),
            Change::Remove(id) => self.remove(*id),
        }
        self.retire_unused();
    }

    fn set(&self, entry: &Entry) {
        let route = &entry.route;
        let meets = match &route.web {
            Web::Blank => Meets::Blank,
            Web::Maintenance => Meets::Maintenance,
            Web::NoWeb => Meets::NoWeb,
            Web::Starting => Meets::Starting,
            Web::Asleep => Meets::Asleep,
            Web::Crashed => Meets::Crashed,
            Web::Up { backends } if backends.is_empty() => Meets::Starting,
            Web::Up { backends } => Meets::Up(backends.iter().map(|backend| self.backend(backend)).collect()),
        };
        let app = Rc::clone(self.apps.borrow_mut().entry(route.app).or_insert_with(|| {
            Rc::new(App {
                id: route.app,
                hosts: RefCell::default(),
                meets: RefCell::new(Meets::Gone),
                changed: Notify::new(),
                held: Cell::new(0),
                name: RefCell::default(),
                affinity: Cell::new(false),
                error_page: RefCell::default(),
                maintenance_page: RefCell::default(),
                counts: Counts::new(Instant::now()),
            })
        }));
        *app.name.borrow_mut() = route.name.as_str().into();
        app.affinity.set(entry.session_affinity);
        let framed = |title, url: &Option<String>| url.as_deref().and_then(|url| frame::page(title, url));
        app.error_page.replace(framed("Application error", &entry.error_page));
        app.maintenance_page.replace(framed("Offline for maintenance", &entry.maintenance_page));
        self.name(&app, &route.hosts);
        app.turn_to(meets);
    }

    /// Gives `app` exactly these host names.
    fn name(&self, app: &Rc<App>, names: &[String]) {
        let mut hosts = self.hosts.borrow_mut();
        for old in app.hosts.borrow_mut().drain(..) {
            if hosts.get(&old).is_some_and(|owner| owner.id == app.id) {
                hosts.remove(&old);
            }
        }
        for name in names {
            let name: Rc<str> = name.to_ascii_lowercase().into();
            self.wildcards.set(self.wildcards.get() || name.starts_with("*."));
            hosts.insert(Rc::clone(&name), Rc::clone(app));
            app.hosts.borrow_mut().push(name);
        }
    }

    fn remove(&self, id: AppId) {
        let Some(app) = self.apps.borrow_mut().remove(&id) else { return };
        self.name(&app, &[]);
        app.turn_to(Meets::Gone);
    }

    /// The one [`Backend`] of a dyno; another address makes it another one.
    fn backend(&self, backend: &model::route::Backend) -> Rc<Backend> {
        let mut backends = self.backends.borrow_mut();
        match backends.get(&backend.dyno) {
            Some(known) if known.addr == backend.addr => {
                known.recall();
                Rc::clone(known)
            }
            Some(_) | None => {
                let new = Backend::new(backend);
                backends.insert(backend.dyno, Rc::clone(&new));
                new
            }
        }
    }

    /// Closes the connections of dynos that no route leads to, and forgets them when nothing is in flight there.
    fn retire_unused(&self) {
        let mut used = HashSet::new();
        for app in self.apps.borrow().values() {
            if let Meets::Up(backends) = &*app.meets.borrow() {
                used.extend(backends.iter().map(|backend| backend.dyno));
            }
        }
        self.backends.borrow_mut().retain(|dyno, backend| {
            if used.contains(dyno) {
                return true;
            }
            backend.retire();
            backend.in_flight() > 0
        });
    }

    /// What the requests of one app met; nothing for one that is not here.
    pub(crate) fn totals(&self, app: AppId) -> Totals {
        self.apps.borrow().get(&app).map(|app| app.totals()).unwrap_or_default()
    }

    /// What the requests of every app met, with the apps' names.
    pub(crate) fn all_totals(&self) -> BTreeMap<AppId, (Box<str>, Totals)> {
        let apps = self.apps.borrow();
        apps.values().map(|app| (app.id, (app.name.borrow().clone(), app.totals()))).collect()
    }

    /// What is open of every app, and how long nothing happened.
    pub(crate) fn activity(&self, now: Instant) -> BTreeMap<AppId, Activity> {
        self.apps.borrow().values().map(|app| (app.id, app.counts.activity(now))).collect()
    }

    /// Those of these dynos that this thread still knows.
    pub(crate) fn backends(&self, dynos: &[DynoId]) -> Vec<Rc<Backend>> {
        let known = self.backends.borrow();
        dynos.iter().filter_map(|dyno| known.get(dyno).cloned()).collect()
    }

    pub(crate) fn all_backends(&self) -> Vec<Rc<Backend>> {
        self.backends.borrow().values().cloned().collect()
    }
}
