//! How much of the disk must stay free, so that apps and ledger never meet a full one.

/// Below this a build is refused: a slug of the largest size (500 MB), unpacked beside its archive, still fits.
pub const FREE_FLOOR_BYTES: u64 = 1024 * 1024 * 1024;

/// On a disk under 20 GiB the floor is a share of it instead, in percent: a gigabyte would be too much to ask.
pub const FREE_FLOOR_PERCENT: u64 = 5;

/// A file system, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total_bytes: u64,
    /// What may still be written.
    pub free_bytes: u64,
}

/// Too little is free for a build or an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The server's disk is nearly full: {} are free, and pushes, builds and uploads are taken only with {}. Apps go on; free some space, or destroy apps that nobody needs, and try again",
    amount(*.free_bytes), amount(*.floor_bytes)
)]
pub struct Short {
    /// What is free.
    pub free_bytes: u64,
    /// What should be.
    pub floor_bytes: u64,
}

/// `512 KB`, `3.5 MB`, `1.0 GB`, as people say it.
#[must_use]
pub fn amount(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..0x10_0000 => format!("{} KB", bytes.div_ceil(1024)),
        0x10_0000..0x4000_0000 => format!("{} MB", tenths(0x10_0000)),
        _ => format!("{} GB", tenths(0x4000_0000)),
    }
}

impl Space {
    /// What builds leave alone.
    #[must_use]
    pub fn floor_bytes(self) -> u64 {
        FREE_FLOOR_BYTES.min(self.total_bytes / 100 * FREE_FLOOR_PERCENT)
    }

    /// Is less than the floor free?
    #[must_use]
    pub fn is_short(self) -> bool {
        self.free_bytes < self.floor_bytes()
    }

    /// May something begin that announces so many bytes? A build announces none.
    ///
    /// # Errors
    /// [`Short`] when less than the floor would be free.
    pub fn admits(self, bytes: u64) -> Result<(), Short> {
        let floor_bytes = self.floor_bytes().saturating_add(bytes);
        if self.free_bytes >= floor_bytes {
            return Ok(());
        }
        Err(Short { free_bytes: self.free_bytes, floor_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn amounts() {
        for (bytes, text) in [(0, "0 KB"), (1, "1 KB"), (MIB - 1, "1024 KB"), (MIB, "1.0 MB"), (1600 * MIB, "1.5 GB")] {
            assert_eq!(amount(bytes), text);
        }
    }

    #[test]
    fn the_floor_is_a_gigabyte_or_a_share_of_a_small_disk() {
        for (total_mib, free_mib, good) in [
            (100_000, 1024, true),
            (100_000, 1023, false),
            (100, 5, true),
            (100, 4, false),
            (20_480, 1024, true),
            (0, 0, true),
        ] {
            let space = Space { total_bytes: total_mib * MIB, free_bytes: free_mib * MIB };
            assert_eq!(space.admits(0).is_ok(), good, "{free_mib} of {total_mib}");
            assert_eq!(space.is_short(), !good);
        }
        let short = Space { total_bytes: 100 * MIB, free_bytes: 2 * MIB }.admits(0).unwrap_err();
        assert!(short.to_string().contains("2.0 MB are free, and pushes, builds"), "{short}");
        let roomy = Space { total_bytes: 100 * MIB, free_bytes: 20 * MIB };
        assert_eq!((roomy.admits(15 * MIB).is_ok(), roomy.admits(15 * MIB + 1).is_ok()), (true, false));
    }
}
