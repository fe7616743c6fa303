//! A thread's own dice: fast, seeded from the system, for picking dynos and naming requests. Not for secrets.

use model::world::World;
use std::cell::Cell;

/// `SplitMix64`: one addition and two multiplications a number, and every seed is a good one.
#[derive(Debug)]
pub(crate) struct Chance(Cell<u64>);

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Where in a UUID's text each of its bytes stands.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

impl Chance {
    pub(crate) fn new(world: &dyn World) -> Self {
        let mut seed = [0; 8];
        world.random(&mut seed);
        Self(Cell::new(u64::from_le_bytes(seed)))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 when `limit` is 0.
    pub(crate) fn below(&self, limit: usize) -> usize {
        // The high half of the product: no division, and a bias below limit / 2^64.
        let wide = u128::from(self.next()) * limit as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// The text of a random UUID (version 4).
    pub(crate) fn uuid(&self) -> [u8; 36] {
        let high = self.next() & !0xf000 | 0x4000;
        let low = self.next() & !(0xc000 << 48) | (0x8000 << 48);
        let mut text = [b'-'; 36];
        let bytes = high.to_be_bytes().into_iter().chain(low.to_be_bytes());
        for (place, byte) in PLACES.into_iter().zip(bytes) {
            text[place] = HEX[usize::from(byte >> 4)];
            text[place + 1] = HEX[usize::from(byte & 0xf)];
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_version_4_uuids() {
        let chance = Chance(Cell::new(7));
        let (one, two) = (chance.uuid(), chance.uuid());
        assert_ne!(one, two);
        let id = uuid::Uuid::parse_str(std::str::from_utf8(&one).unwrap()).unwrap();
        assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122));
    }

    #[test]
    fn below_stays_below() {
        let chance = Chance(Cell::new(7));
        let mut seen = [0_u32; 3];
        for _ in 0..3000 {
            seen[chance.below(3)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 800), "{seen:?}");
        assert_eq!(chance.below(0), 0);
    }
}
