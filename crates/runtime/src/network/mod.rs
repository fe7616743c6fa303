//! What dynos can reach: the internet and themselves, not each other, not this host.
//!
//! A dyno is in the host's network; the kernel asks small programs of ours ([`program`], [`arrival`], [`departure`]) about each of its
//! sockets, because they are attached to the cgroup of all dynos. It has a loopback address of its own ([`address`]),
//! which it takes for 127.0.0.1, and of the host it reaches what is opened for it ([`doors`]). The nursery raises the
//! [`Walls`], a keeper admits its dyno, and `serve` keeps the doors ([`upkeep`]).

mod address;
mod arrival;
mod assembler;
mod departure;
mod doors;
mod kernel;
mod place;
mod program;
mod reach;
mod socket;
mod upkeep;
mod watch;

pub(crate) use address::{BLOCKS, Block};
pub(crate) use doors::Openings;
pub(crate) use upkeep::{Network, OwnAddress};

use doors::{DOORS, Doors};
use kernel::Map;
use program::Maps;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Dynos, builds and what is being made ready, at once on one machine: many times what its memory allows.
const DYNOS: u32 = 16 * 1024;

/// A dyno's cgroup, by the number that the kernel gives it, and its own address.
type Dynos = Map<8, 4>;

/// The programs and maps of one Flowline. They belong to its branch in the cgroup tree: they stand as long as that does,
/// also while no process of Flowline runs.
#[derive(Debug)]
pub(crate) struct Walls {
    dynos: Dynos,
    standing: Standing,
}

/// Where others find them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The branch of all dynos' cgroups.
    branch: PathBuf,
    /// The addresses of its dynos.
    block: Block,
    /// Numbers of the maps.
    dynos: u32,
    doors: u32,
}

impl Walls {
    /// Raises them around a branch, with the dynos that live there already; if others stood, in their place.
    pub(crate) fn raise(
        (branch, block): (&Path, Block),
        openings: &Openings,
        living: impl Iterator<Item = (PathBuf, Ipv4Addr)>,
    ) -> io::Result<Self> {
        let named =
            |name: &'static str| move |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
        let dynos = Dynos::create("fl_dynos", DYNOS).map_err(named("fl_dynos"))?;
        let doors = Doors::create("fl_doors", DOORS).map_err(named("fl_doors"))?;
        let v6_only = kernel::socket_storage("fl_v6_only").map_err(named("fl_v6_only"))?;
        doors::write(&doors, &doors::wanted(openings)).map_err(named("fl_doors"))?;
        let standing = Standing { branch: branch.to_owned(), block, dynos: dynos.id()?, doors: doors.id()? };
        let walls = Self { dynos, standing };
        for (cgroup, own) in living {
            // One that has just ended needs none.
            let _ended = walls.admit(&cgroup, own);
        }
        let maps = Maps { dynos: walls.dynos.as_fd(), doors: doors.as_fd(), v6_only: v6_only.as_fd() };
        let cgroup = File::open(branch)?;
        for (name, hook, program) in program::all(maps) {
            let loaded = kernel::load(name, hook, &program).map_err(named(name))?;
            kernel::attach(cgroup.as_fd(), hook, name, loaded.as_fd()).map_err(named(name))?;
        }
        Ok(walls)
    }

    /// Lets a dyno in this cgroup use the network.
    pub(crate) fn admit(&self, cgroup: &Path, own: Ipv4Addr) -> io::Result<()> {
        self.dynos.insert(&number(cgroup)?.to_ne_bytes(), &own.octets())
    }

    /// It has ended. Its cgroup must still be there.
    pub(crate) fn dismiss(&self, cgroup: &Path) -> io::Result<()> {
        self.dynos.remove(&number(cgroup)?.to_ne_bytes())
    }

    /// For a trial, where nobody else is.
    pub(crate) fn first_address(&self) -> Ipv4Addr {
        self.standing.block.address(1)
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }
}

/// A dyno's admission, as its keeper holds it: it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    walls: Walls,
    cgroup: PathBuf,
}

impl Place {
    /// Admits a dyno, if there are walls; what is missing then is an error.
    pub(crate) fn take(
        walls: Option<Walls>,
        cgroup: Option<&Path>,
        own: Option<Ipv4Addr>,
    ) -> Result<Option<Self>, String> {
        match (walls, cgroup, own) {
            (Some(walls), Some(cgroup), Some(own)) => {
                walls.admit(cgroup, own).map_err(|error| format!("admitting the dyno to the network: {error}"))?;
                Ok(Some(Self { walls, cgroup: cgroup.to_owned() }))
            }
            (_, _, None) => Ok(None),
            (None, _, Some(_)) | (_, None, Some(_)) => {
                Err("the walls around dynos have gone; start it again".to_owned())
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays is forgotten by `serve`.
        let _stays = self.walls.dismiss(&self.cgroup);
    }
}

/// The kernel's number of a cgroup is that of its folder.
fn number(cgroup: &Path) -> io::Result<u64> {
    Ok(fs::metadata(cgroup)?.ino())
}
