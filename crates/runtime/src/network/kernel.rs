//! `bpf(2)`: maps, programs, and where they are attached.
#![allow(unsafe_code, reason = "the call has no safe form; each command is wrapped here once")]

use super::assembler::Instruction;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Commands of the call.
const MAP_CREATE: i32 = 0;
const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const MAP_NEXT_KEY: i32 = 4;
const PROGRAM_LOAD: i32 = 5;
const PROGRAM_ATTACH: i32 = 8;
const PROGRAM_BY_ID: i32 = 13;
const MAP_BY_ID: i32 = 14;
const ABOUT: i32 = 15;
const PROGRAM_QUERY: i32 = 16;
const TYPES_LOAD: i32 = 18;

const HASH: u32 = 1;
const SOCKET_STORAGE: u32 = 24;
/// Entries take memory when they are made.
const NO_PREALLOCATION: u32 = 1;
/// Others (a service manager) may attach programs beside ours.
const ALLOW_MULTI: u32 = 2;
/// Puts a program in the place of another in one step.
const REPLACE: u32 = 4;

/// More programs than anybody attaches to one cgroup.
const PROGRAMS_AT_ONCE: usize = 16;

/// The kernel's word why it does not take a program: the last lines are what matters.
const LOG_BYTES: usize = 256 * 1024;

/// Where a program belongs: its type, and the moment at which it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) kind: u32,
    pub(super) moment: u32,
}

/// A hash map whose keys have `K` bytes and whose values have `V`.
#[derive(Debug)]
pub(super) struct Map<const K: usize, const V: usize>(OwnedFd);

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
    interface: u32,
    types: u32,
    key_type: u32,
    value_type: u32,
}

#[repr(C)]
struct MapElement {
    map: u32,
    _room: u32,
    key: u64,
    /// Or where the next key is to be put.
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    moment: u32,
}

#[repr(C)]
struct ProgramAttach {
    target: u32,
    program: u32,
    moment: u32,
    flags: u32,
    replaced: u32,
    _room: u32,
}

#[repr(C)]
struct ProgramQuery {
    target: u32,
    moment: u32,
    flags: u32,
    attached: u32,
    ids: u64,
    count: u32,
    _room: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

#[repr(C)]
struct About {
    descriptor: u32,
    length: u32,
    place: u64,
}

/// Packed: where it ends, later kernels write an answer, and earlier ones want zeros.
#[repr(C, packed(4))]
struct TypesLoad {
    types: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
}

impl<const K: usize, const V: usize> Map<K, V> {
    /// An empty one for at most so many entries.
    pub(super) fn create(name: &str, entries: u32) -> io::Result<Self> {
        let wish = MapCreate {
            map_type: HASH,
            key_size: size(K),
            value_size: size(V),
            max_entries: entries,
            map_flags: NO_PREALLOCATION,
            name: kernel_name(name),
            ..MapCreate::default()
        };
        // SAFETY: the command reads the struct only.
        unsafe { descriptor(MAP_CREATE, &wish) }.map(Self)
    }

    /// One that another process made.
    pub(super) fn by_id(id: u32) -> io::Result<Self> {
        // SAFETY: the command reads the struct only.
        unsafe { descriptor(MAP_BY_ID, &ById { id, next: 0, flags: 0 }) }.map(Self)
    }

    /// By which another process finds it.
    pub(super) fn id(&self) -> io::Result<u32> {
        // The beginning of `struct bpf_map_info`: its type and its id.
        let mut known = [0_u32; 2];
        let about =
            About { descriptor: raw(self.0.as_fd()), length: size(size_of_val(&known)), place: place_mut(&mut known) };
        // SAFETY: the kernel writes at most `length` bytes to `known`.
        unsafe { call(ABOUT, &about) }?;
        Ok(known[1])
    }

    pub(super) fn insert(&self, key: &[u8; K], value: &[u8; V]) -> io::Result<()> {
        let element = MapElement { map: raw(self.0.as_fd()), _room: 0, key: place(key), value: place(value), flags: 0 };
        // SAFETY: the map's keys and values have the sizes of these arrays, which live through the call.
        unsafe { call(MAP_UPDATE, &element) }.map(drop)
    }

    /// Removing what is not there is no error.
    pub(super) fn remove(&self, key: &[u8; K]) -> io::Result<()> {
        let element = MapElement { map: raw(self.0.as_fd()), _room: 0, key: place(key), value: 0, flags: 0 };
        // SAFETY: the map's keys have the size of this array, which lives through the call.
        match unsafe { call(MAP_DELETE, &element) } {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            done => done.map(drop),
        }
    }

    /// All keys. Others may change the map meanwhile.
    pub(super) fn keys(&self) -> io::Result<Vec<[u8; K]>> {
        let (mut keys, mut next) = (Vec::new(), [0; K]);
        loop {
            let after = keys.last().map_or(0, place);
            let element =
                MapElement { map: raw(self.0.as_fd()), _room: 0, key: after, value: place_mut(&mut next), flags: 0 };
            // SAFETY: the map's keys have the size of both arrays, which live through the call.
            match unsafe { call(MAP_NEXT_KEY, &element) } {
                Ok(_) => keys.push(next),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(keys),
                Err(error) => return Err(error),
            }
        }
    }
}

impl<const K: usize, const V: usize> AsFd for Map<K, V> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A map with one number for each socket, which goes with the socket.
pub(super) fn socket_storage(name: &str) -> io::Result<OwnedFd> {
    let types = types_of_a_number();
    let load = TypesLoad { types: place_slice(&types), log: 0, size: size(types.len()), log_size: 0, log_level: 0 };
    // SAFETY: the command reads the struct and `size` bytes of `types`.
    let types = unsafe { descriptor(TYPES_LOAD, &load) }?;
    let wish = MapCreate {
        map_type: SOCKET_STORAGE,
        key_size: 4,
        value_size: 4,
        map_flags: NO_PREALLOCATION,
        name: kernel_name(name),
        types: raw(types.as_fd()),
        key_type: 1,
        value_type: 1,
        ..MapCreate::default()
    };
    // SAFETY: the command reads the struct only.
    unsafe { descriptor(MAP_CREATE, &wish) }
}

/// Such a map must say what it holds, in the kernel's type format (BTF): one type, a number of 32 bits.
fn types_of_a_number() -> Vec<u8> {
    const NAMES: &[u8] = b"\0int\0";
    const KIND_NUMBER: u32 = 1 << 24;
    // The type's name, kind, bytes and bits.
    let number: [u32; 4] = [1, KIND_NUMBER, 4, 32];
    // Bytes of this head, then where types and names are, counted from the end of the head.
    let head: [u32; 5] = [24, 0, 16, 16, size(NAMES.len())];
    let mut bytes = Vec::with_capacity(45);
    bytes.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
    bytes.extend_from_slice(&[1, 0]);
    head.iter().chain(&number).for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
    bytes.extend_from_slice(NAMES);
    bytes
}

/// Gives a program to the kernel, which proves that it is harmless, or says why it is not.
pub(super) fn load(name: &str, hook: Hook, program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut wish = ProgramLoad {
        kind: hook.kind,
        count: size(program.len()),
        instructions: place_slice(program),
        // Some of the functions are for programs under a licence like the kernel's only; ours are not among them.
        licence: place_slice(c"Apache-2.0".to_bytes_with_nul()),
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel: 0,
        flags: 0,
        name: kernel_name(name),
        interface: 0,
        moment: hook.moment,
    };
    // SAFETY: the command reads the struct, `count` instructions, and a C string.
    let error = match unsafe { descriptor(PROGRAM_LOAD, &wish) } {
        Ok(loaded) => return Ok(loaded),
        Err(error) => error,
    };
    let mut log = vec![0_u8; LOG_BYTES];
    (wish.log_level, wish.log_size, wish.log) = (1, size(log.len()), log.as_mut_ptr() as u64);
    // SAFETY: as above, and the kernel writes at most `log_size` bytes to the log.
    let again = unsafe { descriptor(PROGRAM_LOAD, &wish) };
    let log = String::from_utf8_lossy(&log);
    let said: Vec<&str> = log.trim_end_matches('\0').lines().rev().take(3).collect();
    let why = said.into_iter().rev().collect::<Vec<_>>().join("; ");
    again.map_err(|_| io::Error::new(error.kind(), format!("{error} {why}")))
}

/// Attaches a program to a cgroup and all below it, in the place of the one of that name that is there.
pub(super) fn attach(cgroup: BorrowedFd<'_>, hook: Hook, name: &str, program: BorrowedFd<'_>) -> io::Result<()> {
    let earlier = attached(cgroup, hook, name)?;
    let replaced = earlier.as_ref().map_or(0, |earlier| raw(earlier.as_fd()));
    let flags = if earlier.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI };
    let (target, program) = (raw(cgroup), raw(program));
    let wish = ProgramAttach { target, program, moment: hook.moment, flags, replaced, _room: 0 };
    // SAFETY: the command reads the struct only.
    unsafe { call(PROGRAM_ATTACH, &wish) }.map(drop)
}

/// The program of that name at a cgroup itself.
fn attached(cgroup: BorrowedFd<'_>, hook: Hook, name: &str) -> io::Result<Option<OwnedFd>> {
    let mut ids = [0_u32; PROGRAMS_AT_ONCE];
    let mut query = ProgramQuery {
        target: raw(cgroup),
        moment: hook.moment,
        flags: 0,
        attached: 0,
        ids: place_mut(&mut ids),
        count: size(PROGRAMS_AT_ONCE),
        _room: 0,
    };
    // SAFETY: the kernel writes at most `count` ids, and to the struct itself.
    unsafe { call_mut(PROGRAM_QUERY, &mut query) }?;
    for id in ids.into_iter().take(query.count as usize) {
        // SAFETY: the command reads the struct only.
        let program = unsafe { descriptor(PROGRAM_BY_ID, &ById { id, next: 0, flags: 0 }) }?;
        if name_of(program.as_fd())? == kernel_name(name) {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

fn name_of(program: BorrowedFd<'_>) -> io::Result<[u8; 16]> {
    /// `struct bpf_prog_info` has the name here.
    const NAME_AT: usize = 64;
    let mut known = [0_u8; NAME_AT + 16];
    let about = About { descriptor: raw(program), length: size(known.len()), place: place_mut(&mut known) };
    // SAFETY: the kernel writes at most `length` bytes to `known`; the places in it that say how much room there is for
    // more are zero.
    unsafe { call(ABOUT, &about) }?;
    Ok(known.last_chunk().copied().unwrap_or_default())
}

/// # Safety
/// What the struct points to must be as the command wants it.
unsafe fn descriptor<T>(command: i32, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    let fd = unsafe { call(command, attributes) }?;
    // SAFETY: just opened (with close-on-exec, as this call always does), nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// What the struct points to must be as the command wants it, and the command must not write to the struct.
unsafe fn call<T>(command: i32, attributes: &T) -> io::Result<i32> {
    // SAFETY: the struct lives through the call, and its size is given.
    checked(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) })
}

/// # Safety
/// What the struct points to must be as the command wants it.
unsafe fn call_mut<T>(command: i32, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the struct lives through the call, and its size is given.
    checked(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) })
}

fn checked(result: i64) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn place<T>(of: &T) -> u64 {
    std::ptr::from_ref(of) as u64
}

fn place_mut<T>(of: &mut T) -> u64 {
    std::ptr::from_mut(of) as u64
}

fn place_slice<T>(of: &[T]) -> u64 {
    of.as_ptr() as u64
}

fn size(bytes: usize) -> u32 {
    // All of them are constants or lengths of small programs.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// At most 15 characters, and a zero at the end.
fn kernel_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.iter_mut().take(15).zip(name.bytes()).for_each(|(to, from)| *to = from);
    bytes
}
