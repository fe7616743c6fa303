//! The local back end: starts dynos on this machine and finds them again.

use crate::adopt;
use crate::dyno::Dyno;
use crate::error::RuntimeError;
use crate::folder::Folder;
use crate::meeting::{Met, Unmet, meet};
use crate::network::{Network, Openings};
use crate::nursery::Nursery;
use crate::ports::{Port, Ports, Seat};
use crate::spec::{DynoSpec, Order, SPEC_LIMIT_BYTES, SpecError};
use crate::wire::{self, Settled};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A local connect takes microseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// One that waits may just have been killed; two in a row means that something else is wrong.
const KEEPERS_TRIED: u32 = 2;

/// Where and with what.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// `DIR/run/dynos`; made when missing.
    pub dir: PathBuf,
    /// The program whose `keeper` word is [`crate::keeper::main`]: `flowline` itself.
    pub exe: PathBuf,
    /// Services of this machine that dynos may use, at the machine's own addresses. Without it they reach none.
    pub host_services: Vec<SocketAddr>,
    /// Where the router listens, as far as that is known already: see [`Runtime::publish`].
    pub public: Vec<SocketAddr>,
}

impl RuntimeConfig {
    /// With nothing of this machine open to dynos.
    #[must_use]
    pub fn new(dir: PathBuf, exe: PathBuf) -> Self {
        Self { dir, exe, host_services: Vec::new(), public: Vec::new() }
    }
}

/// Starts dynos. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    nursery: Arc<Nursery>,
    ports: Arc<Ports>,
    network: Arc<Network>,
    settled: Settled,
}

impl Shared {
    /// What is to be done after each start.
    async fn look_after(self: Arc<Self>) {
        Arc::clone(&self.nursery).refill().await;
        // Another resolver, for example.
        self.network.refresh();
    }
}

/// A dyno that an earlier `serve` started. It runs still, or has ended meanwhile: its output and its end are delivered
/// in either case.
pub struct Adopted {
    /// What it runs; `env` is empty, because that is never written down.
    pub spec: DynoSpec,
    /// The last word of [`crate::DynoControl::mark`].
    pub mark: Option<String>,
    /// The dyno.
    pub dyno: Dyno,
}

impl Runtime {
    /// Opens the folder and finds the dynos of an earlier life. Call it in a tokio runtime.
    pub async fn open(config: RuntimeConfig) -> Result<(Self, Vec<Adopted>), RuntimeError> {
        let RuntimeConfig { dir, exe, host_services: services, public } = config;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(RuntimeError::folder(&dir))?;
        let dir = fs::canonicalize(&dir).map_err(RuntimeError::folder(&dir))?;
        // First the nursery: when it is ready, no older one can start anything any more.
        let network = Network::new(Openings { services, public });
        let (nursery, settled) = Nursery::open(&exe, &dir, Arc::clone(&network)).await?;
        network.watch();
        let ports = Arc::new(Ports::default());
        let adopted = adopt::all(&dir, &ports, &network).await?;
        Ok((Self { shared: Arc::new(Shared { dir, nursery, ports, network, settled }) }, adopted))
    }

    /// What this machine cannot limit; worth a warning in the log.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.shared.settled.warnings
    }

    /// Why dynos share the host's network on this machine; none: they do not.
    #[must_use]
    pub fn open_network(&self) -> Option<&str> {
        self.shared.settled.walls.as_ref().err().map(String::as_str)
    }

    /// How many dynos the kernel lets use the network now; none where there are no walls.
    #[must_use]
    pub fn admitted(&self) -> Option<usize> {
        self.shared.network.admitted()
    }

    /// The router listens there: dynos may connect to it, at every address of this machine if it has no certain one.
    pub fn publish(&self, public: Vec<SocketAddr>) {
        self.shared.network.publish(public);
    }

    /// Starts a dyno. When this returns its payload runs, or has already ended.
    pub async fn start(&self, mut spec: DynoSpec) -> Result<Dyno, RuntimeError> {
        spec.check().map_err(|source| RuntimeError::Spec { name: spec.name.clone(), source })?;
        let own = self.shared.network.address().map_err(|_| RuntimeError::NoPort { name: spec.name.clone() })?;
        let seat = Seat { port: self.port(&mut spec)?, own };
        let name = spec.name.clone();
        let folder = Folder::of(&self.shared.dir, spec.id);
        let order = Order { spec, addr: seat.addr(), own: seat.own(), cgroups: Vec::new() };
        let met = self.order(&folder, &message(&order)?).await?;
        // Not earlier: making the next keeper ready would take time from this start.
        tokio::spawn(Arc::clone(&self.shared).look_after());
        match met {
            Ok(met) => Ok(Dyno::of(met, folder, seat)),
            Err(Unmet::Refused(reason)) => Err(RuntimeError::Sandbox { name, reason }),
            Err(Unmet::Gone) => Err(RuntimeError::Sandbox { name, reason: "its keeper has gone".to_owned() }),
        }
    }

    /// Gives the order to a keeper that waits; to another one, if that was killed before it began with it. Of one that was
    /// killed later it is not known how far it came, and nothing runs twice.
    async fn order(&self, folder: &Folder, message: &[u8]) -> Result<Result<Met, Unmet>, RuntimeError> {
        for _ in 0..KEEPERS_TRIED {
            let mut keeper = self.shared.nursery.keeper().await?;
            let given = keeper.write_all(message).await;
            let met = meet(keeper).await;
            if !matches!(met, Err(Unmet::Gone)) {
                return Ok(met);
            }
            let begun = given.is_ok() && folder.read_order().is_ok();
            left_behind(folder.clone()).await?;
            if begun {
                return Ok(met);
            }
        }
        Ok(Err(Unmet::Gone))
    }

    fn port(&self, spec: &mut DynoSpec) -> Result<Option<Port>, RuntimeError> {
        if !spec.port {
            return Ok(None);
        }
        // Ids are random: each life of serve starts its round somewhere else.
        let seed = spec.id.0.as_fields().0;
        let port = self.shared.ports.take(seed).ok_or_else(|| RuntimeError::NoPort { name: spec.name.clone() })?;
        spec.env.insert("PORT".to_owned(), port.number().to_string());
        Ok(Some(port))
    }
}

/// Removes what a keeper left that was killed before it said hello; its sandbox ended with it.
async fn left_behind(folder: Folder) -> Result<(), RuntimeError> {
    let path = folder.path().to_owned();
    let removed = tokio::task::spawn_blocking(move || folder.remove()).await.map_err(io::Error::other);
    match removed.flatten() {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(RuntimeError::folder(&path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn message(order: &Order) -> Result<Vec<u8>, RuntimeError> {
    let bad = |source| RuntimeError::Spec { name: order.spec.name.clone(), source };
    let json = serde_json::to_vec(order).map_err(|_| bad(SpecError::Nul("the specification")))?;
    if json.len() > SPEC_LIMIT_BYTES {
        return Err(bad(SpecError::TooLarge(json.len())));
    }
    let mut message = Vec::with_capacity(json.len() + 8);
    wire::frame(b'S', &[&json], &mut message);
    Ok(message)
}

/// Does something accept connections there? One attempt; a dyno is up when this says so.
pub async fn accepts(addr: SocketAddr) -> bool {
    matches!(timeout(CONNECT_LIMIT, TcpStream::connect(addr)).await, Ok(Ok(_)))
}
