//! Addresses that stay a test's own while nobody listens there.
//!
//! A port that the kernel chose is anybody's again as soon as its listener ends, as when a server is killed to be started
//! again: the next outgoing connection of any process may get it. These lie below what the kernel and Flowline choose from.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as Name, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Linux chooses from 32768 up (`net.ipv4.ip_local_port_range`), Flowline for dynos from 20000.
const FIRST: u16 = 10_000;

/// Taken together.
const BLOCK: u16 = 8;

const BLOCKS: u16 = 1_200;

/// Some ports of the loopback address, nobody else's for as long as this lives.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    /// Held by whoever has the block, in this process or another one; the kernel gives it back, however that one ends.
    _name: UnixListener,
}

impl Ports {
    /// A block of them on which nobody listens.
    ///
    /// # Panics
    /// When all are taken.
    #[must_use]
    pub fn take() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Two processes begin at different places: else the later one tries all that the earlier one has.
        let start =
            (std::process::id() % u32::from(BLOCKS)).try_into().unwrap_or(0) + NEXT.fetch_add(1, Ordering::Relaxed);
        let mut blocks = (0..BLOCKS).map(|at| FIRST + (start.wrapping_add(at) % BLOCKS) * BLOCK);
        blocks.find_map(Self::of).expect("no block of ports is free")
    }

    fn of(first: u16) -> Option<Self> {
        let name = Name::from_abstract_name(format!("flowline-testkit-ports-{first}")).ok()?;
        let ports = Self { first, _name: UnixListener::bind_addr(&name).ok()? };
        let free = (0..BLOCK).all(|at| TcpListener::bind(ports.at(at)).is_ok());
        free.then_some(ports)
    }

    /// One of them: 0 to 7.
    ///
    /// # Panics
    /// Beyond these.
    #[must_use]
    pub fn at(&self, number: u16) -> SocketAddr {
        assert!(number < BLOCK, "a block has {BLOCK} ports");
        (Ipv4Addr::LOCALHOST, self.first + number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart_and_come_back() {
        let (one, two) = (Ports::take(), Ports::take());
        assert!(one.at(0).port().abs_diff(two.at(0).port()) >= BLOCK);
        let listener = TcpListener::bind(one.at(3)).unwrap();
        let first = one.first;
        assert!(Ports::of(first).is_none(), "somebody has it");
        drop(one);
        assert!(Ports::of(first).is_none(), "somebody listens there");
        drop(listener);
        assert!(Ports::of(first).is_some());
    }
}
