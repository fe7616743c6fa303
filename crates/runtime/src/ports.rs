//! A port for each dyno that listens, and with its address what it has of the host's network.

use crate::network::OwnAddress;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// Below the range from which the kernel gives ports to outgoing connections, above the well-known services.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// Which ports living dynos have.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    used: HashSet<u16>,
    /// Ports go round: one that just became free is the last to be given again, because a request that is still on its
    /// way must not reach another app.
    last: Option<u16>,
}

/// What one dyno has of the host's network until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    pub(crate) port: Option<Port>,
    pub(crate) own: Option<OwnAddress>,
}

impl Seat {
    /// The dyno has ended and left nothing.
    pub(crate) fn left(&self) {
        self.own.iter().for_each(OwnAddress::left);
    }

    /// Its own address, where there are walls.
    pub(crate) fn own(&self) -> Option<Ipv4Addr> {
        self.own.as_ref().map(|own| own.ip)
    }

    /// Where it will listen, if it has a port.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        let ip = self.own().unwrap_or(Ipv4Addr::LOCALHOST);
        self.port.as_ref().map(|port| (ip, port.number).into())
    }
}

/// A port that belongs to one dyno until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    ports: Arc<Ports>,
    number: u16,
}

impl Ports {
    /// The next port that nothing listens on. `seed` is where the first round starts.
    pub(crate) fn take(self: &Arc<Self>, seed: u32) -> Option<Port> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = LAST - FIRST + 1;
        let start = state.last.map_or_else(|| (seed % u32::from(size)) as u16, |last| last - FIRST + 1);
        let number = (0..size)
            .map(|step| FIRST + (start + step) % size)
            .find(|port| !state.used.contains(port) && is_free(*port))?;
        state.used.insert(number);
        state.last = Some(number);
        Some(Port { ports: Arc::clone(self), number })
    }

    /// Marks the port of an adopted dyno.
    pub(crate) fn claim(self: &Arc<Self>, number: u16) -> Port {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used.insert(number);
        Port { ports: Arc::clone(self), number }
    }
}

/// Without walls a dyno binds all addresses, so all must be free.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

impl Port {
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.0.lock().unwrap_or_else(PoisonError::into_inner).used.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_port_comes_back_last() {
        let ports = Arc::new(Ports::default());
        let first = ports.take(7).unwrap().number();
        let second = ports.take(7).unwrap();
        assert_ne!(first, second.number());
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, second.number() + 1)).unwrap();
        assert_ne!(ports.take(7).unwrap().number(), taken.local_addr().unwrap().port());
    }
}
