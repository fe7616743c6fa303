//! Dyno sizes, and what a sandbox may use.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A mebibyte.
const MIB: u64 = 1024 * 1024;

/// The largest sizes that are named by what they have: twice the largest that are hosted anywhere.
const FIR_LIMIT: (u16, u32) = (64, 256 * 1024);

/// A dyno may write so many times its memory to `/app` and `/tmp` together: a whole upload is spooled beside what is unpacked
/// from it.
const DISK_PER_MEMORY: u64 = 8;

/// The least of it, which is what the small sizes have.
const DISK_LEAST_BYTES: u64 = 4 * 1024 * MIB;

/// The most: large dynos share one disk with all others.
const DISK_MOST_BYTES: u64 = 32 * 1024 * MIB;

/// How much a dyno may use (section 8.2 of the behaviour rules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DynoSize {
    /// 512 MB.
    Eco,
    /// 512 MB.
    Basic,
    /// 512 MB.
    Standard1X,
    /// 1 GB.
    Standard2X,
    /// 2.5 GB.
    PerformanceM,
    /// 14 GB.
    PerformanceL,
    /// 30 GB.
    PerformanceLRam,
    /// 62 GB.
    PerformanceXl,
    /// 126 GB.
    Performance2Xl,
    /// 1 GB; what exceeds it is killed without a warning (SPACE-62).
    PrivateS,
    /// 2.5 GB, the same.
    PrivateM,
    /// 14 GB, the same.
    PrivateL,
    /// `dyno-2c-1gb`: so many CPUs and so much memory, no more of either.
    Fir {
        /// CPUs.
        cpus: u16,
        /// Mebibytes: 512, or whole gibibytes.
        memory_mib: u32,
    },
}

/// A size that this server does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("No such dyno size: `{0}`. Use one of {names}, or for example dyno-2c-1gb", names = names())]
pub struct NoSuchSize(pub String);

fn names() -> String {
    DynoSize::ALL.map(|size| size.to_string()).join(", ")
}

impl DynoSize {
    /// Those that have a name of their own, smallest first.
    pub const ALL: [Self; 12] = [
        Self::Eco,
        Self::Basic,
        Self::Standard1X,
        Self::Standard2X,
        Self::PerformanceM,
        Self::PerformanceL,
        Self::PerformanceLRam,
        Self::PerformanceXl,
        Self::Performance2Xl,
        Self::PrivateS,
        Self::PrivateM,
        Self::PrivateL,
    ];

    /// Memory in mebibytes, processes and threads, share of the CPU.
    fn measures(self) -> (u64, u32, u32) {
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => (512, 256, 100),
            Self::Standard2X | Self::PrivateS => (1024, 512, 200),
            Self::PerformanceM | Self::PrivateM => (2560, 16_384, 500),
            Self::PerformanceL | Self::PrivateL => (14 * 1024, 32_768, 1000),
            Self::PerformanceLRam => (30 * 1024, 32_768, 1000),
            Self::PerformanceXl => (62 * 1024, 32_768, 2000),
            Self::Performance2Xl => (126 * 1024, 32_768, 4000),
            Self::Fir { cpus, memory_mib } => {
                let processes = match memory_mib {
                    0..=512 => 256,
                    513..=1024 => 512,
                    1025..=14_335 => 16_384,
                    14_336.. => 32_768,
                };
                (memory_mib.into(), processes, u32::from(cpus) * 100)
            }
        }
    }

    /// What it may use.
    #[must_use]
    pub fn limits(self) -> Limits {
        let (memory_mib, processes, cpu_weight) = self.measures();
        let memory_bytes = memory_mib * MIB;
        // Above its quota a dyno goes on, with a warning, until it is vastly above it (DYNO-40, DYNO-41).
        let memory_hard_bytes = if self.is_warned() { 2 * memory_bytes } else { memory_bytes };
        let cpu_quota_percent = match self {
            Self::Fir { cpus, .. } => Some(u32::from(cpus) * 100),
            Self::Eco
            | Self::Basic
            | Self::Standard1X
            | Self::Standard2X
            | Self::PerformanceM
            | Self::PerformanceL
            | Self::PerformanceLRam
            | Self::PerformanceXl
            | Self::Performance2Xl
            | Self::PrivateS
            | Self::PrivateM
            | Self::PrivateL => None,
        };
        Limits {
            memory_bytes,
            memory_hard_bytes,
            processes,
            cpu_weight,
            cpu_quota_percent,
            open_files: 10_000,
            disk_bytes: (DISK_PER_MEMORY * memory_bytes).clamp(DISK_LEAST_BYTES, DISK_MOST_BYTES),
        }
    }

    /// Is it warned when it is above its quota (R14), or just ended (SPACE-62)?
    #[must_use]
    pub fn is_warned(self) -> bool {
        match self {
            Self::PrivateS | Self::PrivateM | Self::PrivateL => false,
            Self::Eco
            | Self::Basic
            | Self::Standard1X
            | Self::Standard2X
            | Self::PerformanceM
            | Self::PerformanceL
            | Self::PerformanceLRam
            | Self::PerformanceXl
            | Self::Performance2Xl
            | Self::Fir { .. } => true,
        }
    }
}

impl FromStr for DynoSize {
    type Err = NoSuchSize;

    fn from_str(text: &str) -> Result<Self, NoSuchSize> {
        let named = Self::ALL.into_iter().find(|size| size.to_string().eq_ignore_ascii_case(text));
        named.or_else(|| fir(&text.to_ascii_lowercase())).ok_or_else(|| NoSuchSize(text.to_owned()))
    }
}

/// `dyno-1c-0.5gb`, `dyno-4c-16gb`.
fn fir(text: &str) -> Option<DynoSize> {
    let (cpus, memory) = text.strip_prefix("dyno-")?.strip_suffix("gb")?.split_once("c-")?;
    let is_number = |text: &str| text.starts_with(|c: char| ('1'..='9').contains(&c));
    let cpus: u16 = cpus.parse().ok().filter(|_| is_number(cpus))?;
    let memory_mib = match memory {
        "0.5" => 512,
        whole => whole.parse::<u32>().ok().filter(|_| is_number(whole))?.checked_mul(1024)?,
    };
    (cpus <= FIR_LIMIT.0 && memory_mib <= FIR_LIMIT.1).then_some(DynoSize::Fir { cpus, memory_mib })
}

impl fmt::Display for DynoSize {
    /// As the API reports it (CLI-12).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eco => "Eco",
            Self::Basic => "Basic",
            Self::Standard1X => "Standard-1X",
            Self::Standard2X => "Standard-2X",
            Self::PerformanceM => "Performance-M",
            Self::PerformanceL => "Performance-L",
            Self::PerformanceLRam => "Performance-L-RAM",
            Self::PerformanceXl => "Performance-XL",
            Self::Performance2Xl => "Performance-2XL",
            Self::PrivateS => "Private-S",
            Self::PrivateM => "Private-M",
            Self::PrivateL => "Private-L",
            Self::Fir { cpus, memory_mib: 512 } => return write!(f, "dyno-{cpus}c-0.5gb"),
            Self::Fir { cpus, memory_mib } => return write!(f, "dyno-{cpus}c-{}gb", memory_mib / 1024),
        })
    }
}

/// What one sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Its quota: what it is told that it has, and above which a dyno is warned.
    pub memory_bytes: u64,
    /// Where the kernel ends it: everything in memory, page cache last. At least the quota.
    #[serde(default)]
    pub memory_hard_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Share of the CPU against other sandboxes when there is contention; 100 is an ordinary dyno.
    pub cpu_weight: u32,
    /// No more than this even when nobody else wants it; 100 is one CPU.
    #[serde(default)]
    pub cpu_quota_percent: Option<u32>,
    /// Open files per process; lowered to the machine's own hard limit where that is smaller.
    pub open_files: u64,
    /// What it may write to the disk, in bytes; no single file may be larger either.
    #[serde(default)]
    pub disk_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_12_sizes_in_any_case() {
        assert_eq!("standard-2x".parse::<DynoSize>().unwrap().to_string(), "Standard-2X");
        for size in DynoSize::ALL {
            assert_eq!(size.to_string().to_uppercase().parse(), Ok(size));
        }
        let refused = "huge".parse::<DynoSize>().unwrap_err().to_string();
        assert!(refused.contains("Performance-2XL") && refused.contains("dyno-2c-1gb"), "{refused}");
    }

    #[test]
    fn sizes_that_say_what_they_have() {
        for name in ["dyno-1c-0.5gb", "dyno-2c-1gb", "dyno-16c-128gb"] {
            assert_eq!(name.parse::<DynoSize>().unwrap().to_string(), name);
        }
        let limits = "Dyno-2c-4GB".parse::<DynoSize>().unwrap().limits();
        assert_eq!((limits.memory_bytes, limits.cpu_quota_percent), (4 << 30, Some(200)));
        for bad in [
            "dyno-0c-1gb",
            "dyno-1c-0gb",
            "dyno-01c-1gb",
            "dyno-+1c-1gb",
            "dyno-1c-1.5gb",
            "dyno-65c-1gb",
            "dyno-1c-257gb",
        ] {
            assert!(bad.parse::<DynoSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn dyno_40_the_kernel_ends_a_dyno_at_twice_its_quota_and_a_private_one_at_it() {
        let ratio = |size: DynoSize| size.limits().memory_hard_bytes / size.limits().memory_bytes;
        assert_eq!(
            (ratio(DynoSize::Standard1X), ratio(DynoSize::Performance2Xl), ratio(DynoSize::PrivateS)),
            (2, 2, 1)
        );
    }
}
