//! What reaches a dyno's sockets: the first packet of a connection, and every datagram. Sockets that were bound by the
//! kernel itself (an app that listens without an address, a client that sends) have all addresses of the host; what is
//! not for this dyno ends here.

use super::assembler::Register::{R0, R1, R2, R3, R4, R6, R7, Stack};
use super::assembler::{Assembler, Function, Instruction, Label, Width};
use super::program::{Maps, door, own_address};

const PASS: u32 = 1;
const DROP: u32 = 0;

/// Where the packet's head is on the stack, and how much of it: a whole IPv6 head.
pub(super) const HEAD: i16 = -72;
const HEAD_BYTES: u32 = 40;

/// Below it: a byte or two of what follows the head.
const NEXT: i16 = -80;

/// The key of a door, as in `program`.
const DOOR: i16 = -32;

const TCP: u32 = libc::IPPROTO_TCP as u32;
const UDP: u32 = libc::IPPROTO_UDP as u32;

/// In TCP's flags: SYN, and SYN with ACK. The first of a connection has SYN alone.
const SYN: u32 = 0x02;
const SYN_ACK: u32 = 0x12;
const FLAGS_AT: i32 = 13;

const FIRST_BYTE: u32 = u32::from_ne_bytes([0xff, 0, 0, 0]);

/// The program.
pub(super) fn program(maps: Maps<'_>) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let p = &mut program;
    let [drop, pass, v6] = [(); 3].map(|()| p.label());
    p.copy(R6, R1);
    // An IPv4 packet has at least 28 bytes with what follows its head.
    bytes(p, (HEAD, 28), Some(0), drop);
    p.load(Width::Byte, R1, Stack, HEAD);
    p.and(R1, 0xf0);
    p.jump_if(R1, 0x60, v6);
    v4(p, maps, (pass, drop));
    p.place(v6);
    bytes(p, (HEAD, HEAD_BYTES), Some(0), drop);
    v6_packet(p, maps, (pass, drop));
    p.place(pass);
    p.answer(PASS);
    p.place(drop);
    p.answer(DROP);
    program.finish()
}

/// Copies bytes of the packet to the stack; R2 says where from, when `from` does not.
pub(super) fn bytes(p: &mut Assembler, (to, count): (i16, u32), from: Option<u32>, missing: Label) {
    if let Some(from) = from {
        p.set(R2, from);
    }
    p.copy(R1, R6);
    p.copy(R3, Stack);
    p.add(R3, to.into());
    p.set(R4, count);
    p.call(Function::LoadPacketBytes);
    p.jump_unless(R0, 0, missing);
}

fn v4(p: &mut Assembler, maps: Maps<'_>, (pass, drop): (Label, Label)) {
    let datagram = p.label();
    // Where what follows the head begins.
    p.load(Width::Byte, R7, Stack, HEAD);
    p.and(R7, 0x0f);
    p.shift_left(R7, 2);
    p.load(Width::Byte, R1, Stack, HEAD + 9);
    p.jump_if(R1, UDP, datagram);
    p.jump_unless(R1, TCP, drop);
    p.copy(R2, R7);
    p.add(R2, FLAGS_AT);
    first_of_a_connection(p, None, (pass, drop));
    // Only to its own address.
    ours(p, maps, drop);
    p.load(Width::Word, R1, Stack, HEAD + 16);
    p.jump_unless_same(R1, R7, drop);
    p.jump(pass);

    p.place(datagram);
    p.copy(R2, R7);
    bytes(p, (NEXT, 2), None, drop);
    ours(p, maps, drop);
    p.load(Width::Word, R1, Stack, HEAD + 16);
    p.jump_if_same(R1, R7, pass);
    p.copy(R2, R1);
    p.and(R2, u32::from_ne_bytes([0xf0, 0, 0, 0]));
    p.jump_if(R2, u32::from_ne_bytes([0xe0, 0, 0, 0]), drop);
    p.and(R1, FIRST_BYTE);
    p.jump_unless(R1, u32::from_ne_bytes([127, 0, 0, 0]), pass);
    // To another loopback address: an answer of a service that is open to dynos, or none of its business.
    p.set(R1, 0);
    p.store(Width::Word, Stack, DOOR, R1);
    p.store(Width::Word, Stack, DOOR + 4, R1);
    p.set(R1, u32::from_ne_bytes([0, 0, 0xff, 0xff]));
    p.store(Width::Word, Stack, DOOR + 8, R1);
    p.load(Width::Word, R1, Stack, HEAD + 12);
    p.store(Width::Word, Stack, DOOR + 12, R1);
    answer_of_a_service(p, maps, (pass, drop));
}

fn v6_packet(p: &mut Assembler, maps: Maps<'_>, (pass, drop): (Label, Label)) {
    const HEAD_END: u32 = 40;
    let [datagram, loopback] = [(); 2].map(|()| p.label());
    p.load(Width::Byte, R1, Stack, HEAD + 6);
    p.jump_if(R1, UDP, datagram);
    p.jump_unless(R1, TCP, drop);
    // No dyno listens at an IPv6 address that anybody could have a business with.
    first_of_a_connection(p, Some(HEAD_END + FLAGS_AT.cast_unsigned()), (pass, drop));
    p.jump(drop);

    p.place(datagram);
    bytes(p, (NEXT, 2), Some(HEAD_END), drop);
    p.load(Width::Byte, R1, Stack, HEAD + 24);
    p.jump_if(R1, 0xff, drop);
    p.load(Width::Double, R1, Stack, HEAD + 24);
    p.jump_if_any_bit(R1, pass);
    p.load(Width::Word, R1, Stack, HEAD + 32);
    p.jump_if(R1, 0, loopback);
    p.jump(pass);
    p.place(loopback);
    for offset in [0, 4, 8, 12] {
        p.load(Width::Word, R1, Stack, HEAD + 8 + offset);
        p.store(Width::Word, Stack, DOOR + offset, R1);
    }
    answer_of_a_service(p, maps, (pass, drop));
}

/// Lets pass what is not; R2 says where the flags are, when `at` does not.
fn first_of_a_connection(p: &mut Assembler, at: Option<u32>, (pass, drop): (Label, Label)) {
    bytes(p, (NEXT, 1), at, drop);
    p.load(Width::Byte, R1, Stack, NEXT);
    p.and(R1, SYN_ACK);
    p.jump_unless(R1, SYN, pass);
}

/// R7 = the own address of the dyno that has this socket.
pub(super) fn ours(p: &mut Assembler, maps: Maps<'_>, unknown: Label) {
    p.copy(R1, R6);
    p.call(Function::CgroupOfPacket);
    own_address(p, maps, unknown);
}

/// The address is in the key already, the port in the first bytes behind the head.
fn answer_of_a_service(p: &mut Assembler, maps: Maps<'_>, (pass, drop): (Label, Label)) {
    p.load(Width::Half, R1, Stack, NEXT);
    p.store(Width::Word, Stack, DOOR + 16, R1);
    door(p, maps, pass);
    p.jump(drop);
}
