//! What the platform addresses by name and also gives an id: regions, stacks, dyno sizes, generations.

use serde::Serialize;
use uuid::Uuid;

/// `{id, name}` of something that exists by its name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The same name has the same id on every server.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

impl Named {
    /// A region, named as the client sent it (CLI-11).
    #[must_use]
    pub fn region(name: &str) -> Self {
        Self::of("region", name)
    }

    /// A stack.
    #[must_use]
    pub fn stack(name: &str) -> Self {
        Self::of("stack", name)
    }

    /// A dyno size.
    #[must_use]
    pub fn dyno_size(name: &str) -> Self {
        Self::of("dyno-size", name)
    }

    /// The generation of every app here: clients read its name and act on it (CLI-11).
    #[must_use]
    pub fn cedar() -> Self {
        Self::of("generation", "cedar")
    }

    /// Is this its name or its id?
    #[must_use]
    pub fn is(&self, name_or_id: &str) -> bool {
        self.name == name_or_id || self.id.to_string() == name_or_id
    }

    fn of(kind: &str, name: &str) -> Self {
        let text = format!("{kind}:{name}");
        let hash = text.bytes().fold(FNV_OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME));
        let id = uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid();
        Self { id, name: name.to_owned() }
    }
}

// FNV-1a with 128 bits: spreads a short name over an id; nothing here is secret.
const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
