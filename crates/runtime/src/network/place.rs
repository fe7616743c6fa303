//! Where a dyno may listen, and what it is told about that.

use super::assembler::Register::{R0, R1, R2, R3, R4, R6, R7, R8, R9, Stack};
use super::assembler::{Assembler, Function, Instruction, Label, Width};
use super::program::{
    ALLOW, DOOR, FIRST_BYTE, IP4, IP6, LOCALHOST, MAPPED, Maps, ONE, PORT, REFUSE, Version, address, dyno, mapped, word,
};
use std::os::fd::AsRawFd;

/// `struct bpf_sock_addr`.
const SOCKET: i16 = 64;

/// Where may it listen? At its own loopback address, whatever it says.
pub(super) fn bind(maps: Maps<'_>, version: Version) -> Vec<Instruction> {
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
pub(super) fn name(maps: Maps<'_>, version: Version) -> Vec<Instruction> {
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
