//! A loopback address for each dyno, `127.A.B.C`. Its own cgroup's programs make it the only one that it has, so no two
//! dynos on a machine may have the same: each Flowline takes a block of addresses, and gives them out one by one.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

/// How many blocks there are: 127.64.0.0 to 127.191.255.255, far away from what hosts use (127.0.x.y, and 127.1.1.1 of
/// some tools).
pub(crate) const BLOCKS: u16 = 2048;

/// The addresses of one block; more dynos than one machine has.
const BLOCK_SIZE: u32 = 4096;

const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 0]);

/// The addresses of one Flowline on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block(pub(crate) u16);

impl Block {
    pub(super) fn address(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(FIRST + u32::from(self.0 % BLOCKS) * BLOCK_SIZE + number % BLOCK_SIZE)
    }
}

/// Which addresses living dynos have.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    used: HashSet<Ipv4Addr>,
    /// They go round, so that what still goes to a dyno that has ended reaches nobody else.
    last: u32,
}

impl Addresses {
    /// The next free one of the block.
    pub(super) fn take(&self, block: Block) -> Option<Ipv4Addr> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, ip) = (1..BLOCK_SIZE)
            .map(|step| state.last + step)
            .map(|number| (number, block.address(number)))
            .find(|(_, ip)| !state.used.contains(ip))?;
        state.used.insert(ip);
        state.last = number % BLOCK_SIZE;
        Some(ip)
    }

    /// Marks the address of an adopted dyno.
    pub(super) fn claim(&self, ip: Ipv4Addr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used.insert(ip);
    }

    /// Its dyno has ended.
    pub(super) fn free(&self, ip: Ipv4Addr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used.remove(&ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_block_is_given_once() {
        let addresses = Addresses::default();
        let adopted = Ipv4Addr::new(127, 64, 16, 2);
        addresses.claim(adopted);
        let taken: Vec<Ipv4Addr> = std::iter::from_fn(|| addresses.take(Block(1))).collect();
        assert_eq!(taken[..2], [Ipv4Addr::new(127, 64, 16, 1), Ipv4Addr::new(127, 64, 16, 3)]);
        assert!(taken.iter().all(|ip| *ip != adopted && ip.octets()[..2] == [127, 64]));
        assert_eq!(taken.len(), 4095);
        addresses.free(adopted);
        assert_eq!(addresses.take(Block(1)), Some(adopted));
        assert_eq!(addresses.take(Block(BLOCKS - 1)).map(|ip| ip.octets()[..2].to_vec()), Some(vec![127, 191]));
    }
}
