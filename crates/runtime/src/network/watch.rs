//! The kernel tells when an address of this host comes or goes.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram as PlainDatagrams;
use tokio::net::UnixDatagram;

/// `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;

/// One message is smaller; of what it says nothing is read.
const MESSAGE_BYTES: usize = 4096;

/// Calls `changed` after each change, until that says `false`.
pub(super) fn addresses(changed: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, ADDRESS_GROUPS))?;
    // Waiting and receiving are the same for every kind of datagrams, and tokio has this one.
    let socket = UnixDatagram::from_std(PlainDatagrams::from(socket))?;
    tokio::spawn(async move {
        while socket.readable().await.is_ok() {
            // Many changes at once are one.
            while drained(&socket) {}
            if !changed() {
                return;
            }
        }
    });
    Ok(())
}

/// `false`: no more is there. Too many changes to keep are an error, after which it goes on.
fn drained(socket: &UnixDatagram) -> bool {
    !matches!(socket.try_recv(&mut [0; MESSAGE_BYTES]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}
