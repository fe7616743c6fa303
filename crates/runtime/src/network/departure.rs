//! What a dyno sends to its own loopback address arrives at its own sockets or nowhere: a service of the host that listens
//! at all addresses listens at that one, too.
//!
//! Each packet is looked at, not only the first one: a dyno that closes its own server at the right moment could bring the
//! first one to the host's, but no connection comes of it.

use super::arrival::{HEAD, bytes, ours};
use super::assembler::Register::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, Stack};
use super::assembler::{Assembler, Function, Instruction, Width};
use super::program::{FIRST_BYTE, Maps, own_address, word};

const PASS: u32 = 1;
const DROP: u32 = 0;

/// An IPv4 head without options, and the ports behind it.
const HEAD_BYTES: u32 = 24;
const WITHOUT_OPTIONS: u32 = 0x45;

/// In the head: protocol, destination; where both addresses and ports begin, in the order that a lookup wants.
const PROTOCOL: i16 = HEAD + 9;
const DESTINATION: i16 = HEAD + 16;
const ENDS: i16 = HEAD + 12;
const ENDS_BYTES: u32 = 12;

/// The namespace where this packet is.
const HERE: u32 = u32::MAX;

/// The program.
pub(super) fn program(maps: Maps<'_>) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let p = &mut program;
    let [pass, drop, udp, looked] = [(); 4].map(|()| p.label());
    p.copy(R6, R1);
    bytes(p, (HEAD, HEAD_BYTES), Some(0), drop);
    p.load(Width::Byte, R1, Stack, HEAD);
    p.copy(R2, R1);
    p.and(R2, 0xf0);
    p.jump_unless(R2, 0x40, pass);
    p.load(Width::Word, R2, Stack, DESTINATION);
    p.and(R2, FIRST_BYTE);
    p.jump_unless(R2, word([127, 0, 0, 0]), pass);
    // Options could name another way than the one that was asked for.
    p.jump_unless(R1, WITHOUT_OPTIONS, drop);
    ours(p, maps, drop);
    p.load(Width::Word, R1, Stack, DESTINATION);
    p.jump_unless_same(R1, R7, pass);
    // Who would get it?
    p.load(Width::Byte, R8, Stack, PROTOCOL);
    p.copy(R1, R6);
    p.copy(R2, Stack);
    p.add(R2, ENDS.into());
    p.set(R3, ENDS_BYTES);
    p.set(R4, HERE);
    p.set(R5, 0);
    p.jump_if(R8, libc::IPPROTO_UDP.cast_unsigned(), udp);
    p.jump_unless(R8, libc::IPPROTO_TCP.cast_unsigned(), drop);
    p.call(Function::LookupTcp);
    p.jump(looked);
    p.place(udp);
    p.call(Function::LookupUdp);
    p.place(looked);
    // Nobody: the kernel says so to the sender.
    p.jump_unless_found(R0, pass);
    p.copy(R9, R0);
    p.copy(R1, R9);
    p.call(Function::CgroupOfSocket);
    p.copy(R8, R0);
    p.copy(R1, R9);
    p.call(Function::ReleaseSocket);
    p.copy(R0, R8);
    own_address(p, maps, drop);
    p.load(Width::Word, R1, Stack, DESTINATION);
    p.jump_unless_same(R1, R7, drop);
    p.place(pass);
    p.answer(PASS);
    p.place(drop);
    p.answer(DROP);
    program.finish()
}
