//! The programs: what the kernel asks before a dyno's socket is made, bound, connected or sent from. Here is which there
//! are, and what they have in common.
//!
//! Each begins with the question which dyno it is; who is none of ours gets nothing. Addresses are IPv6 addresses of
//! four words here, IPv4 in its mapped form, as they come from the network: [`word`] makes constants look like that.

use super::assembler::Register::{R0, R1, R2, R6, R7, R9, Stack};
use super::assembler::{Assembler, Function, Instruction, Label, Width};
use super::kernel::Hook;
use super::reach::Way;
use super::{arrival, departure, place, reach, socket};
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
pub(super) enum Version {
    V4,
    V6,
}

/// The answers: to go on, or to fail with "operation not permitted".
pub(super) const ALLOW: u32 = 1;
pub(super) const REFUSE: u32 = 0;

/// `struct bpf_sock_addr`: what was asked for.
pub(super) const IP4: i16 = 4;
pub(super) const IP6: i16 = 8;
pub(super) const PORT: i16 = 24;

/// On the stack, below its end: the cgroup, and the key of a door (an address and a port).
const CGROUP: i16 = -8;
pub(super) const DOOR: i16 = -32;
pub(super) const DOOR_PORT: i16 = -16;

/// The word before the last in a mapped IPv4 address, and the last one in `::1`.
pub(super) const MAPPED: u32 = word([0, 0, 0xff, 0xff]);
pub(super) const ONE: u32 = word([0, 0, 0, 1]);
pub(super) const LOCALHOST: u32 = word([127, 0, 0, 1]);
pub(super) const FIRST_BYTE: u32 = word([0xff, 0, 0, 0]);

/// Four bytes from the network as the processor sees them in one word.
pub(super) const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

/// All programs, with their names and hooks.
pub(super) fn all(maps: Maps<'_>) -> Vec<(&'static str, Hook, Vec<Instruction>)> {
    use Version::{V4, V6};
    use Way::{Connect, Datagram};
    let about_addresses = |moment| Hook { kind: 18, moment };
    vec![
        ("fl_bind4", about_addresses(8), place::bind(maps, V4)),
        ("fl_bind6", about_addresses(9), place::bind(maps, V6)),
        ("fl_connect4", about_addresses(10), reach::program(maps, V4, Connect)),
        ("fl_connect6", about_addresses(11), reach::program(maps, V6, Connect)),
        ("fl_send4", about_addresses(14), reach::program(maps, V4, Datagram)),
        ("fl_send6", about_addresses(15), reach::program(maps, V6, Datagram)),
        ("fl_receive4", about_addresses(19), place::name(maps, V4)),
        ("fl_receive6", about_addresses(20), place::name(maps, V6)),
        ("fl_peer4", about_addresses(29), place::name(maps, V4)),
        ("fl_peer6", about_addresses(30), place::name(maps, V6)),
        ("fl_name4", about_addresses(31), place::name(maps, V4)),
        ("fl_name6", about_addresses(32), place::name(maps, V6)),
        ("fl_create", Hook { kind: 9, moment: 2 }, socket::create()),
        ("fl_option", Hook { kind: 25, moment: 22 }, socket::option(maps)),
        ("fl_arrive", Hook { kind: 8, moment: 0 }, arrival::program(maps)),
        ("fl_depart", Hook { kind: 8, moment: 1 }, departure::program(maps)),
    ]
}

/// Who asks? Leaves the context in R6 and the dyno's own address in R7.
pub(super) fn dyno(program: &mut Assembler, maps: Maps<'_>, unknown: Label) {
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
pub(super) fn address(program: &mut Assembler, version: Version) {
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

/// The address of the context becomes the own address, mapped.
pub(super) fn mapped(p: &mut Assembler) {
    p.set(R1, 0);
    p.store(Width::Word, R6, IP6, R1);
    p.store(Width::Word, R6, IP6 + 4, R1);
    p.set(R1, MAPPED);
    p.store(Width::Word, R6, IP6 + 8, R1);
    p.store(Width::Word, R6, IP6 + 12, R7);
}
