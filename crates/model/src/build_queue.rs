//! May a build begin now, or does it wait, and for what?

use std::fmt;
use std::time::Duration;

/// A mebibyte.
const MIB: u64 = 1024 * 1024;

/// Builds that wait on one server; more are refused. Each holds an open push and nothing else.
pub const WAITING_LIMIT: usize = 64;

/// A build that cannot begin for this long is given up: whoever pushed has gone to look for the reason.
pub const WAIT_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What an ordinary build needs, below its limit…
const NEED_BYTES: u64 = 512 * MIB;

/// …on a machine that has at least this many times as much; a smaller one's builds have to do with their part of it.
const NEED_PART: u64 = 8;

/// Of ten seconds, the hundredths in which something waited for memory: from here on a build would make it worse.
const SOME_LIMIT: f64 = 20.0;

/// The same, with everything waiting.
const FULL_LIMIT: f64 = 5.0;

/// The memory of the machine at a moment; what it does not tell is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineMemory {
    /// All of it.
    pub total_bytes: Option<u64>,
    /// What programs could have without any other program noticing.
    pub available_bytes: Option<u64>,
    /// Hundredths of the last ten seconds in which something waited for memory.
    pub some_avg10: Option<f64>,
    /// Hundredths of the last ten seconds in which everything did.
    pub full_avg10: Option<f64>,
}

impl MachineMemory {
    /// From the texts of `/proc/meminfo` and `/proc/pressure/memory`; the latter is not on every machine.
    #[must_use]
    pub fn read(meminfo: &str, pressure: &str) -> Self {
        let bytes = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
        };
        let share = |name: &str| {
            let line = pressure.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
        };
        Self {
            total_bytes: bytes("MemTotal:"),
            available_bytes: bytes("MemAvailable:"),
            some_avg10: share("some "),
            full_avg10: share("full "),
        }
    }

    /// Why no build should begin now.
    fn shortage(&self) -> Option<Shortage> {
        let waits = |share: Option<f64>, limit: f64| share.filter(|share| *share > limit);
        if let Some(share) = waits(self.some_avg10, SOME_LIMIT).or_else(|| waits(self.full_avg10, FULL_LIMIT)) {
            return Some(Shortage::Pressure(share));
        }
        let available_bytes = self.available_bytes?;
        let need_bytes = self.total_bytes.map_or(NEED_BYTES, |total| NEED_BYTES.min(total / NEED_PART));
        (available_bytes < need_bytes).then_some(Shortage::Room { available_bytes, need_bytes })
    }
}

/// How the machine is short of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shortage {
    /// Programs wait for it, for so many hundredths of the time.
    Pressure(f64),
    /// Too little of it is left.
    Room {
        /// What is left.
        available_bytes: u64,
        /// What a build needs.
        need_bytes: u64,
    },
}

/// What a build that is next or behind others does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Admission {
    /// It begins.
    Begin,
    /// So many run or wait before it.
    Behind(usize),
    /// It is its turn, but there is no memory for it.
    Short(Shortage),
}

/// `running` of `at_once` builds run, and `waiting` wait in front of this one.
#[must_use]
pub fn admit(running: usize, waiting: usize, at_once: usize, memory: &MachineMemory) -> Admission {
    if waiting > 0 || running >= at_once {
        return Admission::Behind(running + waiting);
    }
    memory.shortage().map_or(Admission::Begin, Admission::Short)
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin => f.write_str("Beginning"),
            Self::Behind(1) => f.write_str("Waiting: 1 build is ahead"),
            Self::Behind(count) => write!(f, "Waiting: {count} builds are ahead"),
            Self::Short(shortage) => write!(f, "Waiting for memory: {shortage}"),
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pressure(_) => f.write_str("what runs on this machine has too little already"),
            Self::Room { available_bytes, need_bytes } => {
                write!(f, "{} MB are free, a build needs {} MB", available_bytes / MIB, need_bytes / MIB)
            }
        }
    }
}

/// How many builds run at the same time when nobody says so: dynos keep half of a larger machine.
#[must_use]
pub fn at_once(cores: usize) -> usize {
    (cores / 2).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: &str =
        "some avg10=0.00 avg60=7.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

    fn meminfo(total_mib: u64, available_mib: u64) -> String {
        format!("MemTotal:       {} kB\nMemFree: 1 kB\nMemAvailable:   {} kB\n", total_mib * 1024, available_mib * 1024)
    }

    #[test]
    fn builds_take_their_turns() {
        let memory = MachineMemory::read(&meminfo(4096, 3000), CALM);
        assert_eq!(admit(0, 0, 2, &memory), Admission::Begin);
        assert_eq!(admit(1, 0, 2, &memory), Admission::Begin);
        assert_eq!(admit(2, 0, 2, &memory).to_string(), "Waiting: 2 builds are ahead");
        assert_eq!(admit(1, 1, 2, &memory), Admission::Behind(2), "nobody overtakes");
        assert_eq!(admit(1, 0, 1, &memory).to_string(), "Waiting: 1 build is ahead");
    }

    #[test]
    fn a_build_waits_while_programs_wait_for_memory() {
        for pressure in ["some avg10=20.01 avg60=0\nfull avg10=0.00", "some avg10=6.00\nfull avg10=5.50 avg60=0.00"] {
            let admission = admit(0, 0, 2, &MachineMemory::read(&meminfo(4096, 3000), pressure));
            assert!(admission.to_string().starts_with("Waiting for memory: "), "{admission:?}");
        }
    }

    #[test]
    fn a_build_waits_until_there_is_room_for_it() {
        let admission = |total, available| admit(0, 0, 2, &MachineMemory::read(&meminfo(total, available), ""));
        assert_eq!(admission(8192, 300).to_string(), "Waiting for memory: 300 MB are free, a build needs 512 MB");
        assert_eq!(admission(8192, 512), Admission::Begin);
        assert_eq!(admission(1024, 128), Admission::Begin, "a small machine builds too");
        assert_eq!(admit(0, 0, 2, &MachineMemory::default()), Admission::Begin, "a machine that tells nothing");
    }

    #[test]
    fn half_of_the_cores_build() {
        assert_eq!([1, 2, 4, 5, 16].map(at_once), [2, 2, 2, 2, 8]);
    }
}
