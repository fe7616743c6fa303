//! Which sockets a dyno may have, and what is noted about them.

use super::assembler::Register::{R0, R1, R2, R3, R4, R6, R9};
use super::assembler::{Assembler, Function, Instruction, Width};
use super::program::{ALLOW, Maps, REFUSE};
use std::os::fd::AsRawFd;

/// TCP and UDP: the other programs know no other protocols, so there are none.
pub(super) fn create() -> Vec<Instruction> {
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
pub(super) fn option(maps: Maps<'_>) -> Vec<Instruction> {
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
