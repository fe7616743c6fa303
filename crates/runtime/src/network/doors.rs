//! What of this host a dyno can reach, and what is this host at all: the contents of a map that the programs ask.
//!
//! A door is an address with a port. Port 0 stands for the host's own address: it is closed but for the doors. The
//! address `::` stands for every address of the host: the router's public ports.

use super::kernel::Map;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Sixteen bytes of the address, IPv4 in its mapped form, and four of the port: two as they come from the network, two
/// zeros.
pub(super) const KEY_BYTES: usize = 20;

/// As the programs know it.
pub(super) type Door = [u8; KEY_BYTES];

/// The map of all of them.
pub(super) type Doors = Map<KEY_BYTES, 4>;

/// Addresses of a host (one for each container bridge, for example), and services on it.
pub(super) const DOORS: u32 = 8192;

/// Where name servers listen.
const NAME_SERVICE: u16 = 53;

/// What the operator opens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Openings {
    /// Services of this host that apps use.
    pub(crate) services: Vec<SocketAddr>,
    /// Where the router listens: apps call each other as anybody does.
    pub(crate) public: Vec<SocketAddr>,
}

/// Everything that is to be in the map now.
pub(super) fn wanted(openings: &Openings) -> BTreeSet<Door> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let own = own_v4(&read("/proc/net/fib_trie")).into_iter().map(IpAddr::from);
    let own = own.chain(own_v6(&read("/proc/net/if_inet6")).into_iter().map(IpAddr::from));
    let resolvers = resolvers(&read("/etc/resolv.conf")).into_iter().map(|ip| door(ip, NAME_SERVICE));
    let open = openings.services.iter().chain(&openings.public).map(|at| door(at.ip(), at.port()));
    // Without an address a door would be one at every address; without a port, an address of this host.
    own.map(|ip| door(ip, 0)).chain(resolvers).chain(open).collect()
}

/// Makes the map so. Additions come first: nothing that stays open is closed for a moment.
pub(super) fn write(doors: &Doors, wanted: &BTreeSet<Door>) -> io::Result<()> {
    let present: BTreeSet<Door> = doors.keys()?.into_iter().collect();
    wanted.difference(&present).try_for_each(|door| doors.insert(door, &[0; 4]))?;
    present.difference(wanted).try_for_each(|door| doors.remove(door))
}

fn door(ip: IpAddr, port: u16) -> Door {
    let ip = match ip {
        // Both mean every address of this host.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv6Addr::UNSPECIFIED,
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut door = [0; KEY_BYTES];
    let port = u32::from(u16::from_ne_bytes(port.to_be_bytes())).to_ne_bytes();
    door.iter_mut().zip(ip.octets().into_iter().chain(port)).for_each(|(to, from)| *to = from);
    door
}

/// The kernel's table of IPv4 routes says of each address whether it is this host's: `|-- ADDRESS`, and on the next line
/// `/32 host LOCAL`. A broadcast address would reach this host too.
fn own_v4(table: &str) -> Vec<Ipv4Addr> {
    let mut last: Option<Ipv4Addr> = None;
    let mut own = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 ") && (line.ends_with(" LOCAL") || line.ends_with(" BROADCAST")) {
            own.extend(last);
        }
    }
    own
}

/// Thirty-two digits, then what does not matter here.
fn own_v6(table: &str) -> Vec<Ipv6Addr> {
    let digits = table.lines().filter_map(|line| line.split(' ').next());
    digits.filter_map(|digits| u128::from_str_radix(digits, 16).ok()).map(Ipv6Addr::from_bits).collect()
}

fn resolvers(configuration: &str) -> Vec<IpAddr> {
    let lines = configuration.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    // `fe80::1%eth0` names an interface too.
    lines.filter_map(|rest| rest.trim().split('%').next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_say_what_this_host_is() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 192.0.2.0\n\
                    \x20       /24 link UNICAST\nLocal:\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 127.0.0.1\n\
                    \x20       /32 host LOCAL\n     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n\
                    \x20       /32 link BROADCAST\n";
        assert_eq!(own_v4(trie), ["127.0.0.1", "192.0.2.2", "192.0.2.255"].map(|ip| ip.parse::<Ipv4Addr>().unwrap()));
        let interfaces = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n";
        assert_eq!(own_v6(interfaces), ["fe80::fc:ff:fe00:1".parse::<Ipv6Addr>().unwrap()]);
        let resolv = "# made by hand\nnameserver 127.0.0.53\n nameserver fe80::1%eth0\nsearch example\nnameserver x\n";
        assert_eq!(resolvers(resolv), ["127.0.0.53", "fe80::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn a_door_is_what_the_programs_look_for() {
        let door = |text: &str| {
            let at: SocketAddr = text.parse().unwrap();
            super::door(at.ip(), at.port())
        };
        let v4 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
        assert_eq!(door("127.0.0.1:5432")[..16], v4);
        assert_eq!(door("127.0.0.1:5432")[16..18], [0x15, 0x38]);
        assert_eq!(door("0.0.0.0:80"), door("[::]:80"));
        assert!(wanted(&Openings::default()).contains(&door("127.0.0.1:0")));
    }
}
