//! A small assembler for eBPF: instructions by name, jumps by label. Only what [`super::program`] needs.

/// A register. `R0` is what a call answers and what a program returns; calls lose `R1` to `R5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    /// The end of the stack, which lies below it.
    Stack,
}

impl Register {
    fn number(self) -> u8 {
        match self {
            Self::R0 => 0,
            Self::R1 => 1,
            Self::R2 => 2,
            Self::R3 => 3,
            Self::R4 => 4,
            Self::R5 => 5,
            Self::R6 => 6,
            Self::R7 => 7,
            Self::R8 => 8,
            Self::R9 => 9,
            Self::Stack => 10,
        }
    }
}

/// How much is loaded or stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Byte,
    Half,
    Word,
    Double,
}

impl Width {
    fn bits(self) -> u8 {
        match self {
            Self::Word => 0x00,
            Self::Half => 0x08,
            Self::Byte => 0x10,
            Self::Double => 0x18,
        }
    }
}

/// A function of the kernel, by its number in `linux/bpf.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Function {
    MapLookup = 1,
    LoadPacketBytes = 26,
    Bind = 64,
    CgroupOfPacket = 79,
    CurrentCgroup = 80,
    LookupTcp = 84,
    LookupUdp = 85,
    ReleaseSocket = 86,
    SocketStorage = 107,
    CgroupOfSocket = 128,
}

/// A place to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// One instruction as the kernel reads it (`struct bpf_insn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    code: u8,
    /// The low half is the destination, the high half the source.
    registers: u8,
    offset: i16,
    value: i32,
}

/// A program that is being written.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<Instruction>,
    /// Where each label is.
    labels: Vec<usize>,
    /// Which instruction jumps to which label.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// A label for a place that comes later: [`Self::place`] says where.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(usize::MAX);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(super) fn place(&mut self, label: Label) {
        if let Some(at) = self.labels.get_mut(label.0) {
            *at = self.code.len();
        }
    }

    pub(super) fn copy(&mut self, to: Register, from: Register) {
        self.push(0xbf, to, from, 0, 0);
    }

    /// A constant; the upper half of the register becomes zero.
    pub(super) fn set(&mut self, to: Register, value: u32) {
        self.push(0xb4, to, Register::R0, 0, value.cast_signed());
    }

    pub(super) fn add(&mut self, to: Register, value: i32) {
        self.push(0x07, to, Register::R0, 0, value);
    }

    pub(super) fn or(&mut self, to: Register, from: Register) {
        self.push(0x4f, to, from, 0, 0);
    }

    /// The lower half only; the upper one becomes zero.
    pub(super) fn and(&mut self, to: Register, mask: u32) {
        self.push(0x54, to, Register::R0, 0, mask.cast_signed());
    }

    pub(super) fn shift_left(&mut self, to: Register, bits: u8) {
        self.push(0x67, to, Register::R0, 0, bits.into());
    }

    /// `to` = what lies `offset` behind `base`.
    pub(super) fn load(&mut self, width: Width, to: Register, base: Register, offset: i16) {
        self.push(0x61 | width.bits(), to, base, offset, 0);
    }

    /// Puts `from` to `offset` behind `base`.
    pub(super) fn store(&mut self, width: Width, base: Register, offset: i16, from: Register) {
        self.push(0x63 | width.bits(), base, from, offset, 0);
    }

    /// The address of a map, by its descriptor.
    pub(super) fn map(&mut self, to: Register, descriptor: i32) {
        // The source register 1 says that the value is a map's descriptor; the second half is the upper 32 bits.
        self.push(0x18, to, Register::R1, 0, descriptor);
        self.push(0, Register::R0, Register::R0, 0, 0);
    }

    pub(super) fn call(&mut self, function: Function) {
        self.push(0x85, Register::R0, Register::R0, 0, function as i32);
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.jump_with(0x05, Register::R0, Register::R0, 0, to);
    }

    /// Compares the lower halves.
    pub(super) fn jump_if(&mut self, one: Register, value: u32, to: Label) {
        self.jump_with(0x16, one, Register::R0, value.cast_signed(), to);
    }

    pub(super) fn jump_unless(&mut self, one: Register, value: u32, to: Label) {
        self.jump_with(0x56, one, Register::R0, value.cast_signed(), to);
    }

    pub(super) fn jump_if_same(&mut self, one: Register, other: Register, to: Label) {
        self.jump_with(0x1e, one, other, 0, to);
    }

    pub(super) fn jump_unless_same(&mut self, one: Register, other: Register, to: Label) {
        self.jump_with(0x5e, one, other, 0, to);
    }

    /// Is the whole register anything but zero?
    pub(super) fn jump_if_any_bit(&mut self, one: Register, to: Label) {
        self.jump_with(0x55, one, Register::R0, 0, to);
    }

    /// For what a lookup answers: is it a pointer to something?
    pub(super) fn jump_if_found(&mut self, pointer: Register, to: Label) {
        self.jump_with(0x55, pointer, Register::R0, 0, to);
    }

    pub(super) fn jump_unless_found(&mut self, pointer: Register, to: Label) {
        self.jump_with(0x15, pointer, Register::R0, 0, to);
    }

    /// Is the pointer behind the end that another one marks?
    pub(super) fn jump_if_behind(&mut self, pointer: Register, end: Register, to: Label) {
        self.jump_with(0x2d, pointer, end, 0, to);
    }

    /// Ends the program with this answer.
    pub(super) fn answer(&mut self, value: u32) {
        self.set(Register::R0, value);
        self.push(0x95, Register::R0, Register::R0, 0, 0);
    }

    /// The program, with all jumps resolved. A label that was never placed leads out of the program, which the kernel
    /// refuses to load.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        for (at, label) in self.jumps {
            let target = self.labels.get(label.0).filter(|target| **target != usize::MAX);
            let distance = target.map(|target| target.cast_signed() - (at + 1).cast_signed());
            let distance = distance.and_then(|distance| i16::try_from(distance).ok());
            if let Some(instruction) = self.code.get_mut(at) {
                instruction.offset = distance.unwrap_or(i16::MAX);
            }
        }
        self.code
    }

    fn jump_with(&mut self, code: u8, one: Register, other: Register, value: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.push(code, one, other, 0, value);
    }

    fn push(&mut self, code: u8, to: Register, from: Register, offset: i16, value: i32) {
        let registers = to.number() | from.number() << 4;
        self.code.push(Instruction { code, registers, offset, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_to_their_labels() {
        let mut program = Assembler::default();
        let (end, middle) = (program.label(), program.label());
        program.jump_if(Register::R1, 7, end);
        program.jump(middle);
        program.add(Register::R1, 1);
        program.place(middle);
        program.copy(Register::R6, Register::R1);
        program.place(end);
        program.answer(1);
        let code = program.finish();
        let offsets: Vec<i16> = code.iter().map(|instruction| instruction.offset).collect();
        assert_eq!(offsets, [3, 1, 0, 0, 0, 0]);
        assert_eq!(code[3], Instruction { code: 0xbf, registers: 0x16, offset: 0, value: 0 });
    }

    #[test]
    fn a_label_without_a_place_leads_nowhere() {
        let mut program = Assembler::default();
        let lost = program.label();
        program.jump(lost);
        assert_eq!(program.finish()[0].offset, i16::MAX);
    }
}
