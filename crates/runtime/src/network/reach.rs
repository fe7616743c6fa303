//! Where a dyno may connect and send to, and where that is really.

use super::assembler::Register::{R1, R2, R3, R4, R6, R7, R8, R9, Stack};
use super::assembler::{Assembler, Function, Instruction, Label, Width};
use super::program::{
    ALLOW, DOOR, DOOR_PORT, FIRST_BYTE, IP4, LOCALHOST, MAPPED, Maps, ONE, PORT, REFUSE, Version, address, door, dyno,
    mapped, word,
};

/// How something is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Connect,
    /// A datagram of a socket without a connection.
    Datagram,
}

/// `struct bpf_sock_addr`.
const PROTOCOL: i16 = 36;
const SOURCE_IP4: i16 = 40;

/// On the stack, below the key of a door: a socket address.
const SOURCE: i16 = -64;

/// May it go there, and where is there really?
pub(super) fn program(maps: Maps<'_>, version: Version, way: Way) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let p = &mut program;
    let [allow, refuse, loopback, inside, outside] = [(); 5].map(|()| p.label());
    dyno(p, maps, refuse);
    address(p, version);
    p.load(Width::Word, R8, R6, PORT);
    p.store(Width::Word, Stack, DOOR_PORT, R8);
    let ordinary = p.label();
    // A door without a port says that an address is this host's, and opens nothing.
    p.jump_if(R8, 0, ordinary);
    door(p, maps, allow);
    p.place(ordinary);
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

/// Is the router there, at every address of this host? The port is in R8.
fn public_door(program: &mut Assembler, maps: Maps<'_>, found: Label) {
    program.set(R1, 0);
    for offset in [0, 4, 8, 12] {
        program.store(Width::Word, Stack, DOOR + offset, R1);
    }
    program.store(Width::Word, Stack, DOOR_PORT, R8);
    door(program, maps, found);
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
