//! What `serve` does for the walls: it gives out addresses, keeps the doors as the host changes, and removes what dynos
//! that were killed have left.

use super::address::Addresses;
use super::doors::{self, Doors, Openings};
use super::{Dynos, Standing, watch};
use crate::cgroup;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// The network of one runtime's dynos.
#[derive(Debug, Default)]
pub(crate) struct Network {
    addresses: Addresses,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    openings: Openings,
    walls: Option<Maps>,
}

#[derive(Debug)]
struct Maps {
    standing: Standing,
    dynos: Dynos,
    doors: Doors,
}

impl Network {
    pub(crate) fn new(openings: Openings) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { openings, walls: None }), ..Self::default() })
    }

    /// What is open now.
    pub(crate) fn openings(&self) -> Openings {
        self.state().openings.clone()
    }

    /// A nursery has raised walls, or could not.
    pub(crate) fn stands(&self, standing: Option<Standing>) -> io::Result<()> {
        let maps = standing.map(|standing| {
            let (dynos, doors) = (Dynos::by_id(standing.dynos)?, Doors::by_id(standing.doors)?);
            Ok::<_, io::Error>(Maps { standing, dynos, doors })
        });
        self.state().walls = maps.transpose()?;
        Ok(())
    }

    /// An address for a new dyno, where there are walls. An error: there is none left.
    pub(crate) fn address(self: &Arc<Self>) -> Result<Option<OwnAddress>, NoAddress> {
        let Some(block) = self.state().walls.as_ref().map(|maps| maps.standing.block) else { return Ok(None) };
        let ip = self.addresses.take(block).ok_or(NoAddress)?;
        Ok(Some(OwnAddress { network: Arc::clone(self), ip }))
    }

    /// The address of an adopted dyno.
    pub(crate) fn claim(self: &Arc<Self>, ip: Ipv4Addr) -> OwnAddress {
        self.addresses.claim(ip);
        OwnAddress { network: Arc::clone(self), ip }
    }

    /// How many dynos have an entry.
    pub(crate) fn admitted(&self) -> Option<usize> {
        self.state().walls.as_ref().and_then(|maps| maps.dynos.keys().ok()).map(|keys| keys.len())
    }

    /// The router listens there.
    pub(crate) fn publish(&self, public: Vec<SocketAddr>) {
        self.state().openings.public = public;
        self.refresh();
    }

    /// Makes the doors what they are to be now, and forgets dynos that are gone.
    pub(crate) fn refresh(&self) {
        let state = self.state();
        let Some(maps) = &state.walls else { return };
        let written = doors::write(&maps.doors, &doors::wanted(&state.openings));
        if let Err(error) = written.and_then(|()| forget(&maps.dynos, &maps.standing.branch)) {
            warn!(%error, "What dynos can reach of this host could not be brought up to date");
        }
    }

    /// Refreshes whenever an address of this host changes, as long as the network is in use.
    pub(crate) fn watch(self: &Arc<Self>) {
        let network = Arc::downgrade(self);
        if let Err(error) = watch::addresses(move || network.upgrade().map(|network| network.refresh()).is_some()) {
            warn!(%error, "New addresses of this host are closed to dynos only when the next one starts");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address that belongs to one dyno until this is dropped.
#[derive(Debug)]
pub(crate) struct OwnAddress {
    network: Arc<Network>,
    pub(crate) ip: Ipv4Addr,
}

impl OwnAddress {
    /// The dyno has ended, and its cgroup has gone. Its keeper has told the kernel, if it lived long enough.
    pub(crate) fn left(&self) {
        self.network.refresh();
    }
}

impl Drop for OwnAddress {
    fn drop(&mut self) {
        self.network.addresses.free(self.ip);
    }
}

/// All addresses of the block are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoAddress;

/// Removes the entries of cgroups that are not there any more: their keepers were killed.
fn forget(dynos: &Dynos, branch: &Path) -> io::Result<()> {
    // In this order: an entry that comes later is not looked at.
    let entries = dynos.keys()?;
    let living: HashSet<u64> = cgroup::dynos(branch).filter_map(|entry| Some(entry.metadata().ok()?.ino())).collect();
    let gone = entries.iter().filter(|key| !living.contains(&u64::from_ne_bytes(**key)));
    gone.into_iter().try_for_each(|key| dynos.remove(key))
}
