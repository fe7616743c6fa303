//! The verbs: every use case, one file per noun. The only crate that uses hands together.

pub mod account;
pub mod acm;
pub mod alarm;
pub mod app;
mod app_json;
pub mod app_setup;
mod attach;
pub mod audit;
pub mod author;
pub mod authorization;
mod autoscale;
mod browser;
pub mod browser_login;
pub mod build;
pub mod build_cancel;
mod build_end;
pub mod build_gate;
mod build_make;
mod build_queue;
mod build_test;
pub mod buildpack_installation;
pub mod collaborator;
pub mod commit_check;
pub mod config_var;
pub mod delivery;
pub mod deployment;
#[cfg(test)]
mod dice;
mod disk;
pub mod domain;
pub mod drill;
pub mod dyno;
mod dyno_event;
pub mod error_count;
pub mod event;
pub mod favorite;
pub mod feature;
mod fetch;
pub mod formation;
pub mod gate;
mod gate_alarm;
pub mod idempotency;
pub mod idle;
pub mod image;
pub mod image_push;
pub mod image_release;
mod image_root;
mod image_sweep;
pub mod image_upload;
mod journal;
mod left_over;
mod life;
mod lines;
pub mod log_drain;
pub mod log_session;
pub mod metrics;
pub mod monitor;
mod notice;
pub mod notification_route;
mod notify;
pub mod oauth_client;
pub mod objects;
mod orphan;
mod outcome;
pub mod output;
mod password;
pub mod password_reset;
mod phase;
pub mod pipeline;
pub mod pipeline_coupling;
pub mod pipeline_transfer;
pub mod program;
mod progress;
mod promoter;
pub mod promotion;
mod promotion_gate;
mod promotion_places;
mod promotion_target;
pub mod promotion_watch;
pub mod push;
mod push_test;
mod quota;
pub mod receipt;
mod registry;
pub mod release;
pub mod release_phase;
mod rendezvous;
pub mod reservation;
mod resume;
mod retention;
mod room;
mod routing;
mod said;
mod sample;
mod sandbox;
pub mod second_factor;
mod session;
pub mod slug;
mod slumber;
pub mod sni_endpoint;
pub mod source;
pub mod ssh_key;
pub mod stage_board;
pub mod stage_gate;
mod start;
mod steps;
mod supervisor;
mod sweep;
pub mod team;
pub mod team_access;
pub mod telemetry_drain;
mod telling;
mod test_cache;
mod test_end;
pub mod test_gate;
pub mod test_override;
mod test_report;
pub mod test_run;
mod testing;
pub mod traffic;
pub mod transfer;
mod tries;
pub mod two_factor;
mod upkeep;
pub mod usage;
pub mod user_notification;
pub mod verification;
mod verification_artifact;
mod verify_end;
mod verify_run;
pub mod verify_terms;
pub mod visit;
pub mod webhook;

pub use mail::MailSettings;
pub use session::{Client, Greeting};
pub use start::{StartError, stop};

use model::app::AppName;
use model::budget::Budgets;
use model::pre_authorization::PreAuthorizations;
use model::time::Timestamp;
use model::world::World;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{RwLock, Semaphore};

/// What is decided once, at the start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder.
    pub dir: PathBuf,
    /// This binary.
    pub exe: PathBuf,
    /// Where the API really listens.
    pub api: SocketAddr,
    /// Where the router is to listen; its real address is [`Control::apps_addr`].
    pub apps: SocketAddr,
    /// Where the router tells its figures: a loopback address.
    pub router_metrics: SocketAddr,
    /// Where clients meet the programs that they are attached to.
    pub rendezvous: SocketAddr,
    /// Apps answer at `<name>.<domain>`.
    pub domain: String,
    /// The DNS entries of custom domains point to names below this one (CLI-10).
    pub dns_target: String,
    /// What `git_url` begins with; without it, where the client found the API (CLI-10).
    pub git_url: Option<String>,
    /// Authorities that the servers of log drains and webhooks may show certificates of, beside the system's: a PEM file.
    pub drain_ca: Option<PathBuf>,
    /// Are dynos of a formation replaced once a day (DYNO-33)?
    pub cycling: bool,
    /// An app that is frozen for this long is stopped.
    pub stop_frozen_after: Duration,
    /// Services of this machine that dynos and builds may use; without it they reach none but the router.
    pub host_services: Vec<SocketAddr>,
    /// How much of the disk each kind of thing may take.
    pub budgets: Budgets,
    /// So many builds run at the same time; more wait, so that dynos keep the CPU.
    pub builds_at_once: usize,
    /// A client that asked for an attached program must come within this time (R13).
    pub attach_limit: Duration,
    /// Where e-mail is handed in; without it there is none.
    pub mail: Option<MailSettings>,
    /// What crashed counts as mended when it has run for so long.
    pub calm_after: Duration,
    /// Response times of so long are looked at to scale apps.
    pub autoscale_window: Duration,
    /// The operator's environment for every build: registries, proxies, certificates.
    pub site_env: BTreeMap<String, String>,
}

/// Everything that the verbs use. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Parts>);

/// The hands and what the verbs share.
pub struct Parts {
    pub(crate) settings: Settings,
    pub(crate) world: Arc<dyn World>,
    pub(crate) store: store::Store,
    pub(crate) wire: event::Wire,
    pub(crate) git: Arc<git::Git>,
    pub(crate) logs: logs::Logs,
    pub(crate) drain_trust: Arc<logs::Trust>,
    pub(crate) runtime: runtime::Runtime,
    pub(crate) router: router::link::RouterLink,
    pub(crate) packs: builder::Packs,
    pub(crate) slugs: builder::Slugs,
    pub(crate) images: image::Images,
    pub(crate) objects: objects::Objects,
    pub(crate) outputs: output::Outputs,
    pub(crate) owner: Option<builder::tree::Owner>,
    pub(crate) registry: registry::Registry,
    pub(crate) supervisor: supervisor::Supervisor,
    pub(crate) slumber: slumber::Slumber,
    pub(crate) log_sessions: log_session::LogSessions,
    pub(crate) desk: Arc<rendezvous::Desk>,
    pub(crate) reservations: reservation::Reservations,
    pub(crate) tickets: push::Tickets,
    pub(crate) build_queue: build_queue::BuildQueue,
    pub(crate) builds: build_cancel::Running,
    pub(crate) test_runs: test_run::Running,
    pub(crate) phases: phase::Changes,
    pub(crate) counters: metrics::Counters,
    /// Read by whoever makes an archive, until its slug is in the ledger; written by whoever removes archives: the same bytes
    /// may be made again while they go.
    pub(crate) archives: RwLock<()>,
    /// Read by whoever starts a dyno on an unpacked slug; written by whoever removes those that nothing runs.
    pub(crate) unpacked: RwLock<()>,
    pub(crate) promotions: promotion_watch::Promotions,
    pub(crate) promoter: promoter::Promoter,
    pub(crate) steps: quota::Steps,
    pub(crate) tries: tries::Tries,
    pub(crate) pre_authorizations: Mutex<PreAuthorizations>,
    /// Mails with a password reset that are on their way.
    pub(crate) resets: Arc<Semaphore>,
    pub(crate) browser_logins: browser_login::BrowserLogins,
    /// Logins that are checked at the same time.
    pub(crate) logins: Semaphore,
    /// App setups whose sources are read at the same time.
    pub(crate) setups: Semaphore,
    /// What dynos and builds had written at the last measurement, in bytes.
    pub(crate) written: AtomicU64,
}

impl Deref for Control {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// What was decided at the start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where apps really answer.
    #[must_use]
    pub fn apps_addr(&self) -> SocketAddr {
        self.router.addr()
    }

    /// The number of a one-off dyno: 1 to 9999 (DYNO-50).
    pub(crate) fn one_off_number(&self) -> u32 {
        1 + self.world.below(9999)
    }
}

impl Settings {
    /// The host that leads to an app.
    #[must_use]
    pub fn host(&self, app: &AppName) -> String {
        format!("{app}.{}", self.domain)
    }

    /// Where an app answers (ROUTE-1); clients read it, and do not build it.
    #[must_use]
    pub fn web_url(&self, app: &AppName) -> String {
        match self.apps.port() {
            80 => format!("http://{}/", self.host(app)),
            port => format!("http://{}:{port}/", self.host(app)),
        }
    }
}

/// Are two secrets the same? Takes as long for a near miss as for a far one.
pub(crate) fn same_secret(known: &str, given: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(known.as_bytes(), given.as_bytes()).is_ok()
}
