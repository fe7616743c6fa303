//! A container image: what a process type runs where somebody pushed an image instead of code.
//!
//! Names and formats are those of the OCI image specification, version 1.1, and of Docker's image manifest, version 2 schema 2.

pub mod config;
pub mod kept;
pub mod launch;
pub mod manifest;
pub mod platform;

use crate::procfile::ProcessType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The name of content by the hash of its bytes: `sha256:` and 64 hex digits in lower case (OCI image specification, "Digests").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: sha256: and 64 hex digits")]
pub struct BadDigest(pub String);

const ALGORITHM: &str = "sha256:";

impl Digest {
    /// Of 32 bytes that SHA-256 made.
    #[must_use]
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{ALGORITHM}{hex}"))
    }

    /// The hex digits alone.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0[ALGORITHM.len()..]
    }

    /// The first twelve hex digits, as descriptions of releases have them (RLS-4).
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// With the algorithm in front.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let hex = text.strip_prefix(ALGORITHM).ok_or_else(|| BadDigest(text.to_owned()))?;
        let well_formed = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(BadDigest(text.to_owned())) }
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the bytes of a layer's tar archive are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// One layer of an image's files: a tar archive of what it adds, changes and (by whiteouts) removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Of the packed bytes.
    pub digest: Digest,
    /// How they are packed.
    pub packing: Packing,
    /// How many they are.
    pub size_bytes: u64,
}

/// What an image says of the program in it; the part of an OCI image configuration that dynos follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `ENTRYPOINT`; empty: none.
    pub entrypoint: Vec<String>,
    /// `CMD`; empty: none.
    pub cmd: Vec<String>,
    /// `ENV`, in the image's order: `NAME=value`.
    pub env: Vec<String>,
    /// `WORKDIR`; empty: `/`.
    pub working_dir: String,
    /// `USER`, as it was written; empty: root. Dynos have one identity all the same; it says where their home is.
    pub user: String,
}

/// An image that dynos can run, with everything that they need of it: a slug holds it whole, whatever becomes of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Of its configuration: what clients call the image (`docker_image`).
    pub id: Digest,
    /// Of its manifest.
    pub manifest: Digest,
    /// The lowest first.
    pub layers: Vec<Layer>,
    /// What it says of its program.
    pub config: ImageConfig,
    /// Of configuration and layers as they are stored.
    pub size_bytes: u64,
}

/// The images that a release runs, by process type.
pub type Images = BTreeMap<ProcessType, Image>;

impl Image {
    /// The blobs that it is made of.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.id).chain(self.layers.iter().map(|layer| &layer.digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha256_in_lower_case_and_nothing_else() {
        let hex = "0123456789abcdef".repeat(4);
        let digest: Digest = format!("sha256:{hex}").parse().expect("a digest");
        assert_eq!((digest.hex(), digest.short()), (&*hex, "0123456789ab"));
        assert_eq!(Digest::of_hash(&[0x0f; 32]).hex(), "0f".repeat(32));
        let upper = hex.to_uppercase();
        for bad in ["", "sha256:", "sha256:12", &hex, &format!("SHA256:{hex}"), &format!("sha256:{upper}"), "sha512:ab"]
        {
            assert_eq!(bad.parse::<Digest>(), Err(BadDigest(bad.to_owned())));
        }
        assert!(
            serde_json::from_str::<Digest>(r#""sha256:../../etc/passwd""#).is_err(),
            "no path gets in by a stored row"
        );
    }
}
