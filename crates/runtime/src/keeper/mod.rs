//! `flowline keeper …`: the processes that own dynos. Plain code, one thread, no async runtime: each dyno has one.

mod birth;
mod buffer;
mod clock;
mod frames;
mod frost;
mod intake;
mod life;
mod link;
mod memory;
mod nursery;
mod probe;
mod split;

pub(crate) use buffer::BUFFER_LINES;
pub(crate) use clock::{monotonic_ms, pause, timespec};
pub(crate) use frames::receive;
pub(crate) use life::CGROUP_PAUSE_MS;
pub(crate) use probe::Findings;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use split::Splitter;

use std::ffi::OsString;
use std::process::ExitCode;

/// What the exit status says when the arguments make no sense (`EX_USAGE`).
const USAGE: u8 = 64;

/// The program behind `flowline keeper`; `args` are those behind that word. Call it first of all: it closes every
/// descriptor that it did not open, and later forks and goes on in the child, for which there may be no other thread.
///
/// `nursery` serves a socket, its standard input, over which `serve` asks for keepers. `probe` runs one program in a
/// sandbox, for [`crate::doctor`].
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    // Otherwise keepers, and dynos, would hold what a careless parent of `serve` left open, for as long as they live.
    if crate::sys::close_inherited().is_err() {
        return ExitCode::FAILURE;
    }
    match args.next() {
        Some(word) if word == "nursery" => nursery::run(),
        Some(word) if word == "probe" => args.next().map_or(ExitCode::from(USAGE), |dir| probe::run(dir.as_ref())),
        Some(_) | None => ExitCode::from(USAGE),
    }
}
