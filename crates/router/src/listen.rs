//! Where clients connect: one listening socket per thread on one port.

use crate::error::RouterError;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener};

/// Connections that wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// `count` listeners on `addr`, and the real address. The kernel spreads connections over them.
pub(crate) fn listen(addr: SocketAddr, count: usize) -> Result<(Vec<TcpListener>, SocketAddr), RouterError> {
    let failed = |source| RouterError::Listen { addr, source };
    // SO_REUSEPORT would let two routers share a port unseen, so the first socket is bound without it.
    let first = socket(addr).map_err(failed)?;
    first.bind(&addr.into()).map_err(failed)?;
    let real = first.local_addr().map_err(failed)?.as_socket().unwrap_or(addr);
    first.set_reuse_port(true).map_err(failed)?;
    let mut sockets = vec![first];
    for _ in 1..count {
        let next = socket(real).map_err(failed)?;
        next.set_reuse_port(true).map_err(failed)?;
        next.bind(&real.into()).map_err(failed)?;
        sockets.push(next);
    }
    for socket in &sockets {
        socket.listen(BACKLOG).map_err(failed)?;
    }
    Ok((sockets.into_iter().map(TcpListener::from).collect(), real))
}

fn socket(addr: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Connections of a router that just ended do not keep the port.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_port_and_two_routers_do_not() {
        let (listeners, addr) = listen("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert!(addr.port() > 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == addr));
        let error = listen(addr, 2).unwrap_err().to_string();
        assert!(error.contains(&addr.to_string()) && error.contains("in use"), "{error}");
    }
}
