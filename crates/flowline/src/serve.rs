//! `flowline serve`: the control plane from start to signal.

use crate::args::Serve;
use crate::home::{FolderError, Home};
use crate::logging;
use crate::system_world::SystemWorld;
use api::authority::Authority;
use api::tls::Tls;
use control::{Control, Settings, StartError};
use model::build_queue::at_once;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError, Vault};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Threads of the control plane: it waits for others most of the time.
const THREADS: usize = 2;

/// Connections that the SSH door has not taken yet; it takes them at once.
const TUNNELS_WAITING: usize = 16;

/// What of the server's environment reaches every build: where packages come from. Nothing else does.
const SITE_ENV: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
];

/// And what begins like this.
const SITE_ENV_PREFIXES: &[&str] =
    &["NPM_CONFIG_", "npm_config_", "YARN_", "PIP_", "UV_", "CARGO_NET_", "CARGO_REGISTRIES_"];

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "{0} is in use or not an address of this machine ({1}). Stop what listens there, or choose another with --listen"
    )]
    Listen(SocketAddr, std::io::Error),
    #[error(
        "{0} is in use or not an address of this machine ({1}). Stop what listens there, or choose another with --rendezvous"
    )]
    Rendezvous(SocketAddr, std::io::Error),
    #[error(
        "{0} is in use or not an address of this machine ({1}). Stop what listens there, or choose another with --tls"
    )]
    Tls(SocketAddr, std::io::Error),
    #[error(
        "{0} is in use or not an address of this machine ({1}). Stop what listens there, or choose another with --ssh"
    )]
    Ssh(SocketAddr, std::io::Error),
    #[error(transparent)]
    Mail(#[from] model::smtp::BadSmtp),
    #[error("The server failed: {0}")]
    Io(#[from] std::io::Error),
}

/// How the server is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM: apps and router go on; the next start finds them (an upgrade).
    KeepApps,
    /// SIGINT, Ctrl-C: everything ends.
    StopAll,
}

pub(crate) fn main(args: Serve) -> ExitCode {
    logging::start(args.log_format, "serve");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let served = runtime.map_err(ServeError::from).and_then(|runtime| runtime.block_on(serve(args)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            logging::fail(&error.to_string())
        }
    }
}

async fn serve(args: Serve) -> Result<(), ServeError> {
    let mut signals = Signals::new()?;
    let folder = Home::take(&args.data)?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| ServeError::Listen(args.listen, error))?;
    let meeting = TcpListener::bind(args.rendezvous).await;
    let meeting = meeting.map_err(|error| ServeError::Rendezvous(args.rendezvous, error))?;
    let secure = bind_again(&folder.tls_port(), args.tls).await.map_err(|error| ServeError::Tls(args.tls, error))?;
    let ssh = match args.ssh {
        Some(addr) => Some(TcpListener::bind(addr).await.map_err(|error| ServeError::Ssh(addr, error))?),
        None => None,
    };
    let world = Arc::new(SystemWorld);
    let ssh = SshSide::new(&folder.ssh_key(&*world)?, ssh)?;
    let authority = folder.authority(&*world, names(&args, [meeting.local_addr()?, secure.local_addr()?]))?;
    let token = folder.admin_token(&*world)?;
    // The key is checked before the database is made, so that a lost one is noticed.
    let vault = Vault::new(&folder.master_key(&*world)?).map_err(StoreError::from)?;
    let store = Store::open(&folder.database(), vault).await?;
    control::account::ensure_admin(&store, &*world, &token).await?;
    let settings = Settings {
        dir: folder.path.clone(),
        exe: std::env::current_exe()?,
        api: listener.local_addr()?,
        apps: args.apps,
        router_metrics: args.router_metrics.unwrap_or_else(|| beside(args.apps)),
        rendezvous: meeting.local_addr()?,
        attach_limit: Duration::from_secs(args.attach_limit_s),
        dns_target: args.dns_target.unwrap_or_else(|| format!("dns.{}", args.domain)),
        git_url: args.git_url,
        drain_ca: args.drain_ca,
        mail: args.mail.settings(&args.domain)?,
        calm_after: Duration::from_secs(args.calm_after_s),
        autoscale_window: Duration::from_secs(args.autoscale_window_s),
        domain: args.domain,
        cycling: !args.no_cycling,
        stop_frozen_after: Duration::from_secs(u64::from(args.stop_frozen_after) * 60),
        host_services: args.host_services,
        budgets: args.budgets.budgets(),
        builds_at_once: args.builds_at_once.map_or_else(|| at_once(cores()), usize::from),
        site_env: site_env(),
    };
    let control = Control::start(settings, store, world, api::WIRE).await?;
    let doors = Doors { plain: listener, secure, ssh: ssh.door.clone() };
    say_ready(&control, &doors)?;
    let (end, ended) = watch::channel(false);
    let meetings = tokio::spawn(serve_rendezvous(meeting, Arc::clone(&authority), control.clone(), ended.clone()));
    let visits = tokio::spawn(ssh.serve(control.clone(), ended.clone()));
    let doors = tokio::spawn(doors.serve(control.clone(), authority, ended));
    let how = signals.wait().await;
    tracing::info!(?how, "Ending");
    end.send_replace(true);
    control::stop(&control, how == End::StopAll).await;
    meetings.await.and(visits.await).and(doors.await).map_err(|error| ServeError::Io(std::io::Error::other(error)))
}

/// Port 0 stays: any free one.
fn beside(apps: SocketAddr) -> SocketAddr {
    let port = if apps.port() == 0 { 0 } else { apps.port().checked_add(10).unwrap_or(0) };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where the API and git are.
struct Doors {
    plain: TcpListener,
    secure: TcpListener,
    ssh: api::SshDoor,
}

/// The SSH door.
struct SshSide {
    door: api::SshDoor,
    key: ssh::HostKey,
    tunnels: mpsc::Receiver<api::Tunnel>,
    listener: Option<TcpListener>,
}

impl SshSide {
    fn new(seed: &[u8; 32], listener: Option<TcpListener>) -> std::io::Result<Self> {
        let (to, tunnels) = mpsc::channel(TUNNELS_WAITING);
        let key = ssh::HostKey::of_seed(seed);
        let listens = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let door = api::SshDoor { host_key: key.public_line().into(), tunnels: to, listens };
        Ok(Self { door, key, tunnels, listener })
    }

    async fn serve(self, control: Control, ended: watch::Receiver<bool>) {
        ssh::serve(control, &self.key, self.tunnels, self.listener, over(ended)).await;
    }
}

impl Doors {
    async fn serve(self, control: Control, authority: Arc<Authority>, ended: watch::Receiver<bool>) {
        let tls = self.secure.local_addr().ok();
        let settings = api::Settings { tls, ssh: Some(self.ssh), ..api::Settings::default() };
        let router = api::router(control.clone(), Arc::clone(&authority), &settings);
        let secure = async {
            match Tls::new(&authority, control) {
                Ok(tls) => api::serve(self.secure, Some(tls), router.clone(), &settings, over(ended.clone())).await,
                Err(error) => tracing::error!(%error, "There is no TLS listener"),
            }
        };
        tokio::join!(api::serve(self.plain, None, router.clone(), &settings, over(ended.clone())), secure);
    }
}

/// Listens; for port 0 where the last start did, which `saved` remembers: git remotes hold the address.
async fn bind_again(saved: &Path, addr: SocketAddr) -> std::io::Result<TcpListener> {
    if addr.port() != 0 {
        return TcpListener::bind(addr).await;
    }
    let last = std::fs::read_to_string(saved).ok().and_then(|port| port.trim().parse().ok());
    let again = match last {
        Some(port) => TcpListener::bind((addr.ip(), port)).await.ok(),
        None => None,
    };
    let listener = match again {
        Some(listener) => listener,
        None => TcpListener::bind(addr).await?,
    };
    std::fs::write(saved, format!("{}\n", listener.local_addr()?.port()))?;
    Ok(listener)
}

async fn serve_rendezvous(
    listener: TcpListener,
    authority: Arc<Authority>,
    control: Control,
    ended: watch::Receiver<bool>,
) {
    if let Err(error) = api::rendezvous::serve(listener, &authority, control, over(ended)).await {
        tracing::error!(%error, "No program can be attached to");
    }
}

/// Either way it is over: told so, or nobody is left to tell.
async fn over(mut ended: watch::Receiver<bool>) {
    let _told = ended.wait_for(|over| *over).await.is_ok();
}

/// By what clients may call this server before the first has come.
fn names(args: &Serve, others: [SocketAddr; 2]) -> Vec<String> {
    let addresses = others.into_iter().chain([args.listen]).map(|addr| addr.ip());
    let addresses = addresses.filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    let domain = [args.domain.clone()].into_iter().filter(|name| name != "localhost");
    addresses.map(|ip| ip.to_string()).chain(domain).chain(args.names.iter().cloned()).collect()
}

/// The one line on stdout: where everything really listens.
#[derive(Serialize)]
struct Ready<'a> {
    api: String,
    tls: String,
    apps: String,
    rendezvous: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh: Option<String>,
    domain: &'a str,
}

fn say_ready(control: &Control, doors: &Doors) -> Result<(), ServeError> {
    let settings = control.settings();
    let ready = Ready {
        api: format!("http://{}", settings.api),
        tls: format!("https://{}", doors.secure.local_addr()?),
        apps: format!("http://{}", control.apps_addr()),
        rendezvous: format!("rendezvous://{}", settings.rendezvous),
        ssh: doors.ssh.listens.map(|listens| format!("ssh://{listens}")),
        domain: &settings.domain,
    };
    let ready = serde_json::to_string(&ready).map_err(std::io::Error::other)?;
    tracing::info!(api = %settings.api, apps = %control.apps_addr(), data = %settings.dir.display(), "Ready");
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")?;
    Ok(stdout.flush()?)
}

#[allow(clippy::disallowed_methods, reason = "the environment is read once, here")]
fn site_env() -> BTreeMap<String, String> {
    let wanted =
        |name: &str| SITE_ENV.contains(&name) || SITE_ENV_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    // A path that no sandbox sees would only make package managers complain.
    let visible = |value: &str| !value.starts_with('/') || value.starts_with("/usr/") || value.starts_with("/etc/");
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| wanted(name) && visible(value))
        .collect()
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::KeepApps,
            _ = self.interrupt.recv() => End::StopAll,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Ports;

    #[tokio::test]
    async fn any_port_is_the_one_of_the_last_start_if_it_is_free() {
        let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::take());
        let saved = folder.path().join("tls.port");
        std::fs::write(&saved, format!("{}\n", ports.at(0).port())).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let first = bind_again(&saved, any).await.unwrap();
        assert_eq!(first.local_addr().unwrap(), ports.at(0));
        let second = bind_again(&saved, any).await.unwrap();
        assert_ne!(second.local_addr().unwrap(), ports.at(0), "taken");
        assert_eq!(std::fs::read_to_string(&saved).unwrap(), format!("{}\n", second.local_addr().unwrap().port()));
    }
}
