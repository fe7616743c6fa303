//! The programs: what the kernel asks before a dyno's socket is made, bound, connected or sent from.
//!
//! Each begins with the question which dyno it is; who is none of ours gets nothing. Addresses are IPv6 addresses of
//! four words here, IPv4 in its mapped form, as they come from the network: [`word`] makes constants look like that.

use super::assembler::Register::{R0, R1, R2, R3, R4, R6, R7, R8, R9, Stack};
use super::assembler::{Assembler, Function, Instruction, Label, Width};
use super::kernel::Hook;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The maps that programs look into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maps<'a> {
    /// A dyno's cgroup: its own loopback address.
    pub(super) dynos: BorrowedFd<'a>,
    /// What of this host is open, and what is this host ([`super::doors`]).
    pub(super) doors: BorrowedFd<'a>,
    /// Sockets that shall speak IPv6 only.
    pub(super) v6_only: BorrowedFd<'a>,
}

/// Which addresses a hook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

/// How something is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Connect,
    /// A datagram of a socket without a connection.
    Datagram,
}

/// The answers: to go on, or to fail with "operation not permitted".
const ALLOW: u32 = 1;
const REFUSE: u32 = 0;

/// `struct bpf_sock_addr`: what was asked for, and the socket.
const IP4: i16 = 4;
const IP6: i16 = 8;
const PORT: i16 = 24;
const PROTOCOL: i16 = 36;
const SOURCE_IP4: i16 = 40;
const SOCKET: i16 = 64;

/// On the stack, below its end: the cgroup, the key of a door (an address and a port), and a socket address.
const CGROUP: i16 = -8;
const DOOR: i16 = -32;
const DOOR_PORT: i16 = -16;
const SOURCE: i16 = -64;

/// The word before the last in a mapped IPv4 address, and the last one in `::1`.
const MAPPED: u32 = word([0, 0, 0xff, 0xff]);
const ONE: u32 = word([0, 0, 0, 1]);
const LOCALHOST: u32 = word([127, 0, 0, 1]);
const FIRST_BYTE: u32 = word([0xff, 0, 0, 0]);

/// Four bytes from the network as the processor sees them in one word.
const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

/// All programs, with their names and hooks.
pub(super) fn all(maps: Maps<'_>) -> Vec<(&'static str, Hook, Vec<Instruction>)> {
    use Version::{V4, V6};
    use Way::{Connect, Datagram};
    let about_addresses = |moment| Hook { kind: 18, moment };
    vec![
        ("fl_bind4", about_addresses(8), bind(maps, V4)),
        ("fl_bind6", about_addresses(9), bind(maps, V6)),
        ("fl_connect4", about_addresses(10), reach(maps, V4, Connect)),
        ("fl_connect6", about_addresses(11), reach(maps, V6, Connect)),
        ("fl_send4", about_addresses(14), reach(maps, V4, Datagram)),
        ("fl_send6", about_addresses(15), reach(maps, V6, Datagram)),
        ("fl_receive4", about_addresses(19), name(maps, V4)),
        ("fl_receive6", about_addresses(20), name(maps, V6)),
        ("fl_peer4", about_addresses(29), name(maps, V4)),
        ("fl_peer6", about_addresses(30), name(maps, V6)),
        ("fl_name4", about_addresses(31), name(maps, V4)),
        ("fl_name6", about_addresses(32), name(maps, V6)),
        ("fl_create", Hook { kind: 9, moment: 2 }, create()),
        ("fl_option", Hook { kind: 25, moment: 22 }, option(maps)),
        ("fl_arrive", Hook { kind: 8, moment: 0 }, super::arrival::program(maps)),
    ]
}

/// Who asks? Leaves the context in R6 and the dyno's own address in R7.
fn dyno(program: &mut Assembler, maps: Maps<'_>, unknown: Label) {
    program.copy(R6, R1);
    program.call(Function::CurrentCgroup);
    own_address(program, maps, unknown);
}

/// R7 = the own address of the dyno whose cgroup is in R0.
pub(super) fn own_address(program: &mut Assembler, maps: Maps<'_>, unknown: Label) {
    program.store(Width::Double, Stack, CGROUP, R0);
    program.copy(R2, Stack);
    program.add(R2, CGROUP.into());
    program.map(R1, maps.dynos.as_raw_fd());
    program.call(Function::MapLookup);
    program.jump_unless_found(R0, unknown);
    program.load(Width::Word, R7, R0, 0);
}

/// Puts the four words of an address into the key of a door; the last one stays in R9.
fn address(program: &mut Assembler, version: Version) {
    match version {
        Version::V4 => {
            program.load(Width::Word, R9, R6, IP4);
            program.set(R1, 0);
            program.store(Width::Word, Stack, DOOR, R1);
            program.store(Width::Word, Stack, DOOR + 4, R1);
            program.set(R1, MAPPED);
            program.store(Width::Word, Stack, DOOR + 8, R1);
        }
        Version::V6 => {
            for offset in [0, 4, 8] {
                program.load(Width::Word, R1, R6, IP6 + offset);
                program.store(Width::Word, Stack, DOOR + offset, R1);
            }
            program.load(Width::Word, R9, R6, IP6 + 12);
        }
    }
    program.store(Width::Word, Stack, DOOR + 12, R9);
}

/// Is there a door with this key?
pub(super) fn door(program: &mut Assembler, maps: Maps<'_>, found: Label) {
    program.copy(R2, Stack);
    program.add(R2, DOOR.into());
    program.map(R1, maps.doors.as_raw_fd());
    program.call(Function::MapLookup);
    program.jump_if_found(R0, found);
}

/// Is the router there, at every address of this host? The port is in R8.
fn public_door(program: &mut Assembler, maps: Maps<'_>, found: Label) {
    program.set(R1, 0);
    for offset in [0, 4, 8, 12] {
        program.store(Width::Word, Stack, DOOR + offset, R1);
    }
    program.store(Width::Word, Stack, DOOR_PORT, R8);
    door(program, maps, found);
}

/// May it go there, and where is there really?
fn reach(maps: Maps<'_>, version: Version, way: Way) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let p = &mut program;
    let [allow, refuse, loopback, inside, outside] = [(); 5].map(|()| p.label());
    dyno(p, maps, refuse);
    address(p, version);
    p.load(Width::Word, R8, R6, PORT);
    p.store(Width::Word, Stack, DOOR_PORT, R8);
    door(p, maps, allow);
    if version == Version::V6 {
        v6_destinations(p, refuse, loopback, outside);
    }
    v4_destinations(p, refuse, loopback);
    p.place(outside);
    // An address of this host without a port: it is one at all.
    p.set(R1, 0);
    p.store(Width::Word, Stack, DOOR_PORT, R1);
    door(p, maps, inside);
    p.place(allow);
    p.answer(ALLOW);
    p.place(inside);
    public_door(p, maps, allow);
    p.place(refuse);
    p.answer(REFUSE);
    p.place(loopback);
    let to_itself = p.label();
    let localhost = p.label();
    p.jump_if(R9, LOCALHOST, localhost);
    p.jump_unless(R9, ONE, to_itself);
    p.place(localhost);
    public_door(p, maps, allow);
    p.place(to_itself);
    redirect(p, version, way);
    program.finish()
}

/// Falls through for a mapped IPv4 address.
fn v6_destinations(p: &mut Assembler, refuse: Label, loopback: Label, outside: Label) {
    let [global, mapped, ordinary] = [(); 3].map(|()| p.label());
    p.load(Width::Word, R1, Stack, DOOR);
    p.load(Width::Word, R2, Stack, DOOR + 4);
    p.load(Width::Word, R3, Stack, DOOR + 8);
    p.jump_unless(R1, 0, global);
    p.jump_unless(R2, 0, global);
    p.jump_if(R3, MAPPED, mapped);
    p.jump_unless(R3, 0, refuse);
    // Also `::`, which the kernel takes for `::1`.
    p.jump_if(R9, 0, loopback);
    p.jump_if(R9, ONE, loopback);
    p.jump(refuse);
    p.place(global);
    p.copy(R4, R1);
    p.and(R4, FIRST_BYTE);
    // Multicast.
    p.jump_if(R4, word([0xff, 0, 0, 0]), refuse);
    p.copy(R4, R1);
    p.and(R4, word([0xff, 0xc0, 0, 0]));
    // Link-local: neighbours on the wire, and clouds' services for this machine.
    p.jump_if(R4, word([0xfe, 0x80, 0, 0]), refuse);
    // fd00:ec2::254, a cloud's metadata.
    p.jump_unless(R1, word([0xfd, 0, 0x0e, 0xc2]), ordinary);
    p.jump_unless(R2, 0, ordinary);
    p.jump_unless(R3, 0, ordinary);
    p.jump_if(R9, word([0, 0, 0x02, 0x54]), refuse);
    p.place(ordinary);
    p.jump(outside);
    p.place(mapped);
}

/// Falls through for an address that may be outside.
fn v4_destinations(p: &mut Assembler, refuse: Label, loopback: Label) {
    // The kernel takes it for the loopback address.
    p.jump_if(R9, 0, loopback);
    // A cloud's metadata.
    p.jump_if(R9, word([100, 100, 100, 200]), refuse);
    p.copy(R1, R9);
    p.and(R1, FIRST_BYTE);
    p.jump_if(R1, word([127, 0, 0, 0]), loopback);
    p.jump_if(R1, 0, refuse);
    p.copy(R1, R9);
    p.and(R1, word([0xe0, 0, 0, 0]));
    // Multicast, broadcast, and what was never given out.
    p.jump_if(R1, word([0xe0, 0, 0, 0]), refuse);
    p.copy(R1, R9);
    p.and(R1, word([0xff, 0xff, 0, 0]));
    // Link-local, and with it most clouds' metadata.
    p.jump_if(R1, word([169, 254, 0, 0]), refuse);
}

/// The loopback address of this dyno instead of the one that it asked for.
fn redirect(p: &mut Assembler, version: Version, way: Way) {
    match (version, way) {
        (Version::V4, Way::Connect) => {
            p.store(Width::Word, R6, IP4, R7);
            come_from_itself(p, version);
        }
        (Version::V6, Way::Connect) => {
            mapped(p);
            come_from_itself(p, version);
        }
        (Version::V4, Way::Datagram) => {
            p.store(Width::Word, R6, IP4, R7);
            // An answer finds its way back only to the same address.
            p.store(Width::Word, R6, SOURCE_IP4, R7);
        }
        // The kernel has left the way by which a mapped address could go.
        (Version::V6, Way::Datagram) => return p.answer(REFUSE),
    }
    p.answer(ALLOW);
}

/// The address of the context becomes the own address, mapped.
fn mapped(p: &mut Assembler) {
    p.set(R1, 0);
    p.store(Width::Word, R6, IP6, R1);
    p.store(Width::Word, R6, IP6 + 4, R1);
    p.set(R1, MAPPED);
    p.store(Width::Word, R6, IP6 + 8, R1);
    p.store(Width::Word, R6, IP6 + 12, R7);
}

/// A connected datagram socket hears only what comes to the address that it has. Without one the kernel would choose
/// 127.0.0.1, to which no answer would go. A socket that has one already keeps it.
fn come_from_itself(p: &mut Assembler, version: Version) {
    const DATAGRAMS: u32 = libc::IPPROTO_UDP as u32;
    let done = p.label();
    p.load(Width::Word, R1, R6, PROTOCOL);
    p.jump_unless(R1, DATAGRAMS, done);
    p.set(R1, 0);
    for offset in (0..28).step_by(4) {
        p.store(Width::Word, Stack, SOURCE + offset, R1);
    }
    let (family, length) = match version {
        Version::V4 => (libc::AF_INET, 16),
        Version::V6 => (libc::AF_INET6, 28),
    };
    p.set(R1, family.cast_unsigned());
    p.store(Width::Half, Stack, SOURCE, R1);
    match version {
        Version::V4 => p.store(Width::Word, Stack, SOURCE + 4, R7),
        Version::V6 => {
            p.set(R1, MAPPED);
            p.store(Width::Word, Stack, SOURCE + 16, R1);
            p.store(Width::Word, Stack, SOURCE + 20, R7);
        }
    }
    p.copy(R1, R6);
    p.copy(R2, Stack);
    p.add(R2, SOURCE.into());
    p.set(R3, length);
    p.call(Function::Bind);
    p.place(done);
}

/// Where may it listen? At its own loopback address, whatever it says.
fn bind(maps: Maps<'_>, version: Version) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let p = &mut program;
    let [refuse, any, own, unchanged] = [(); 4].map(|()| p.label());
    dyno(p, maps, refuse);
    address(p, version);
    p.load(Width::Word, R8, R6, PORT);
    if version == Version::V6 {
        let v4 = p.label();
        p.load(Width::Word, R1, Stack, DOOR);
        p.load(Width::Word, R2, Stack, DOOR + 4);
        p.load(Width::Word, R3, Stack, DOOR + 8);
        p.or(R1, R2);
        p.jump_unless(R1, 0, refuse);
        p.jump_if(R3, MAPPED, v4);
        p.jump_unless(R3, 0, refuse);
        v6_places(p, maps, (refuse, own, unchanged));
        p.place(v4);
    }
    p.jump_if(R9, 0, any);
    p.copy(R1, R9);
    p.and(R1, FIRST_BYTE);
    p.jump_if(R1, word([127, 0, 0, 0]), own);
    p.place(refuse);
    p.answer(REFUSE);
    p.place(any);
    // A client that wants any port, and its answers: what arrives there is looked at (`arrival`).
    p.jump_if(R8, 0, unchanged);
    p.place(own);
    match version {
        Version::V4 => p.store(Width::Word, R6, IP4, R7),
        Version::V6 => mapped(p),
    }
    p.place(unchanged);
    p.answer(ALLOW);
    program.finish()
}

/// `::` and `::1`. A socket for IPv6 only cannot have a mapped address: it gets `::1`, which no dyno can reach. Servers
/// that listen twice, once for each version, would not start otherwise.
fn v6_places(p: &mut Assembler, maps: Maps<'_>, (refuse, own, unchanged): (Label, Label, Label)) {
    let [ask, wanted] = [(); 2].map(|()| p.label());
    p.jump_if(R9, ONE, ask);
    p.jump_unless(R9, 0, refuse);
    p.jump_if(R8, 0, unchanged);
    p.place(ask);
    p.load(Width::Double, R2, R6, SOCKET);
    p.jump_unless_found(R2, refuse);
    p.map(R1, maps.v6_only.as_raw_fd());
    p.set(R3, 0);
    p.set(R4, 0);
    p.call(Function::SocketStorage);
    p.jump_unless_found(R0, own);
    p.load(Width::Word, R1, R0, 0);
    p.jump_unless(R1, 0, wanted);
    p.jump(own);
    p.place(wanted);
    p.set(R1, ONE);
    p.store(Width::Word, R6, IP6 + 12, R1);
    p.answer(ALLOW);
}

/// What a dyno is told about addresses: its own one is called 127.0.0.1.
fn name(maps: Maps<'_>, version: Version) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let p = &mut program;
    let done = p.label();
    dyno(p, maps, done);
    let last = match version {
        Version::V4 => IP4,
        Version::V6 => {
            p.load(Width::Word, R1, R6, IP6 + 8);
            p.jump_unless(R1, MAPPED, done);
            IP6 + 12
        }
    };
    p.load(Width::Word, R1, R6, last);
    p.jump_unless_same(R1, R7, done);
    p.set(R1, LOCALHOST);
    p.store(Width::Word, R6, last, R1);
    p.place(done);
    p.answer(ALLOW);
    program.finish()
}

/// TCP and UDP: the other programs know no other protocols, so there are none.
fn create() -> Vec<Instruction> {
    /// `struct bpf_sock`.
    const KIND: i16 = 8;
    const PROTOCOL: i16 = 12;
    let mut program = Assembler::default();
    let p = &mut program;
    let [udp, refuse] = [(); 2].map(|()| p.label());
    p.load(Width::Word, R2, R1, KIND);
    p.load(Width::Word, R3, R1, PROTOCOL);
    p.jump_unless(R2, libc::SOCK_STREAM.cast_unsigned(), udp);
    p.jump_unless(R3, libc::IPPROTO_TCP.cast_unsigned(), refuse);
    p.answer(ALLOW);
    p.place(udp);
    p.jump_unless(R2, libc::SOCK_DGRAM.cast_unsigned(), refuse);
    p.jump_unless(R3, libc::IPPROTO_UDP.cast_unsigned(), refuse);
    p.answer(ALLOW);
    p.place(refuse);
    p.answer(REFUSE);
    program.finish()
}

/// Notes which sockets shall speak IPv6 only.
fn option(maps: Maps<'_>) -> Vec<Instruction> {
    /// `struct bpf_sockopt`.
    const SOCKET: i16 = 0;
    const VALUE: i16 = 8;
    const VALUE_END: i16 = 16;
    const LEVEL: i16 = 24;
    const NAME: i16 = 28;
    /// Makes an entry when there is none.
    const CREATE: u32 = 1;
    let mut program = Assembler::default();
    let p = &mut program;
    let done = p.label();
    p.copy(R6, R1);
    p.load(Width::Word, R2, R6, LEVEL);
    p.jump_unless(R2, libc::IPPROTO_IPV6.cast_unsigned(), done);
    p.load(Width::Word, R2, R6, NAME);
    p.jump_unless(R2, libc::IPV6_V6ONLY.cast_unsigned(), done);
    p.load(Width::Double, R2, R6, VALUE);
    p.load(Width::Double, R3, R6, VALUE_END);
    p.copy(R1, R2);
    p.add(R1, 4);
    p.jump_if_behind(R1, R3, done);
    p.load(Width::Word, R9, R2, 0);
    p.map(R1, maps.v6_only.as_raw_fd());
    p.load(Width::Double, R2, R6, SOCKET);
    p.set(R3, 0);
    p.set(R4, CREATE);
    p.call(Function::SocketStorage);
    p.jump_unless_found(R0, done);
    p.store(Width::Word, R0, 0, R9);
    p.place(done);
    p.answer(ALLOW);
    program.finish()
}
