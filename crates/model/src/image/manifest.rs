//! Manifests: the list of an image's parts, and the index that names a manifest for each kind of machine.
//!
//! OCI image specification 1.1 ("Image Manifest", "Image Index") and Docker's image manifest, version 2 schema 2.

use crate::image::platform::Platform;
use crate::image::{Digest, Layer, Packing};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The largest manifest: what the distribution specification asks registries to take at least.
pub const MANIFEST_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// The most layers: what the builders that people have can make.
pub const LAYERS_LIMIT: usize = 127;

/// The most manifests in an index: there are about ten kinds of machines, each with an attestation.
pub const INDEX_LIMIT: usize = 128;

/// What all layers of an image may have together as they are pushed: as much as may be unpacked of one.
pub const IMAGE_LIMIT_BYTES: u64 = 10 * 1024 * 1024 * 1024;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// A part, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    #[serde(default)]
    media_type: String,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// A manifest that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// Of an image.
    Image {
        /// Its configuration.
        config: Part,
        /// The lowest first.
        layers: Vec<Layer>,
    },
    /// Of something else that is kept with images: an attestation, a signature.
    Other(Vec<Part>),
    /// Manifests by the machines that they are for.
    Index(Vec<Part>),
}

/// A manifest that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// No JSON, or not of this form.
    #[error("the manifest cannot be read: {0}")]
    Unreadable(String),
    /// Not one of the four.
    #[error(
        "manifests of the type `{0}` are not taken; push an image of the OCI specification, or of Docker's schema 2 (every Docker since 1.10)"
    )]
    OtherType(String),
    /// The header says one thing, the manifest another.
    #[error("the request says that it is a `{header}`, the manifest that it is a `{body}`; push it again")]
    Contradiction {
        /// Of `Content-Type`.
        header: String,
        /// Of `mediaType`.
        body: String,
    },
    /// It would have to be fetched from somebody else's server.
    #[error(
        "the layer {0} is not in the image but on another server (`{1}`); build the image on a base that is complete"
    )]
    Foreign(Digest, String),
    /// Over [`LAYERS_LIMIT`].
    #[error("the image has {0} layers; the limit is {LAYERS_LIMIT}: merge some steps of its Dockerfile")]
    TooManyLayers(usize),
    /// Over [`IMAGE_LIMIT_BYTES`].
    #[error(
        "the image's layers have {0} bytes together; the limit is {IMAGE_LIMIT_BYTES}: use a smaller base, or more than one stage"
    )]
    TooLarge(u64),
    /// Over [`INDEX_LIMIT`].
    #[error("the index names {0} manifests; the limit is {INDEX_LIMIT}")]
    TooManyManifests(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<Part>,
    #[serde(default)]
    layers: Vec<Part>,
    #[serde(default)]
    manifests: Vec<Part>,
}

/// Which of the four it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// OCI's manifest.
    OciManifest,
    /// Docker's manifest.
    DockerManifest,
    /// OCI's index.
    OciIndex,
    /// Docker's index.
    DockerList,
}

impl MediaType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OciManifest, Self::DockerManifest, Self::OciIndex, Self::DockerList];

    /// As the formats say it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OciManifest => OCI_MANIFEST,
            Self::DockerManifest => DOCKER_MANIFEST,
            Self::OciIndex => OCI_INDEX,
            Self::DockerList => DOCKER_LIST,
        }
    }

    /// Reads the word, without parameters.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }

    /// Does it name manifests, and not parts of an image?
    #[must_use]
    pub fn is_index(self) -> bool {
        match self {
            Self::OciManifest | Self::DockerManifest => false,
            Self::OciIndex | Self::DockerList => true,
        }
    }
}

/// Reads a manifest that came with this `Content-Type`: which it is, and what is in it.
///
/// # Errors
/// [`BadManifest`].
pub fn read(content_type: &str, bytes: &[u8]) -> Result<(MediaType, Manifest), BadManifest> {
    let sent: Sent = serde_json::from_slice(bytes).map_err(|error| BadManifest::Unreadable(error.to_string()))?;
    let header = content_type.split(';').next().unwrap_or_default().trim();
    let named = match sent.media_type.as_deref() {
        // OCI's may leave it out.
        None => header,
        Some(body) if header.is_empty() || header == "application/json" || header.eq_ignore_ascii_case(body) => body,
        Some(body) => {
            return Err(BadManifest::Contradiction { header: header.to_owned(), body: body.to_owned() });
        }
    };
    let kind = MediaType::from_word(named).ok_or_else(|| BadManifest::OtherType(named.to_owned()))?;
    if sent.schema_version != 2 {
        return Err(BadManifest::OtherType(format!("{named}, schema {}", sent.schema_version)));
    }
    if kind.is_index() {
        return match sent.manifests.len() {
            count if count > INDEX_LIMIT => Err(BadManifest::TooManyManifests(count)),
            _ => Ok((kind, Manifest::Index(sent.manifests))),
        };
    }
    let config = sent.config.ok_or_else(|| BadManifest::Unreadable("it names no `config`".to_owned()))?;
    Ok((kind, of_image(config, sent.layers)?))
}

fn of_image(config: Part, parts: Vec<Part>) -> Result<Manifest, BadManifest> {
    if parts.len() > LAYERS_LIMIT {
        return Err(BadManifest::TooManyLayers(parts.len()));
    }
    if let Some(foreign) = parts.iter().find(|part| is_foreign(&part.media_type)) {
        return Err(BadManifest::Foreign(foreign.digest.clone(), foreign.media_type.clone()));
    }
    let total_bytes = parts.iter().fold(0, |total: u64, part| total.saturating_add(part.size));
    if total_bytes > IMAGE_LIMIT_BYTES {
        return Err(BadManifest::TooLarge(total_bytes));
    }
    let layers: Option<Vec<Layer>> = parts.iter().map(layer).collect();
    match layers {
        Some(layers) if CONFIGS.contains(&config.media_type.as_str()) => Ok(Manifest::Image { config, layers }),
        Some(_) | None => Ok(Manifest::Other(std::iter::once(config).chain(parts).collect())),
    }
}

fn layer(part: &Part) -> Option<Layer> {
    let packing = match part.media_type.as_str() {
        "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => Packing::Plain,
        "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
            Packing::Gzip
        }
        "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
            Packing::Zstd
        }
        _ => return None,
    };
    Some(Layer { digest: part.digest.clone(), packing, size_bytes: part.size })
}

fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
}

impl Manifest {
    /// What must be there before it is taken: blobs, or the manifests of an index.
    #[must_use]
    pub fn parts(&self) -> Vec<(&Digest, u64)> {
        let of = |parts: &'_ Vec<Part>| parts.iter().map(|part| part.size).collect::<Vec<_>>();
        match self {
            Self::Image { config, layers } => std::iter::once((&config.digest, config.size))
                .chain(layers.iter().map(|layer| (&layer.digest, layer.size_bytes)))
                .collect(),
            Self::Other(parts) | Self::Index(parts) => parts.iter().map(|part| &part.digest).zip(of(parts)).collect(),
        }
    }

    /// Is it an index?
    #[must_use]
    pub fn is_index(&self) -> bool {
        match self {
            Self::Image { .. } | Self::Other(_) => false,
            Self::Index(_) => true,
        }
    }
}

/// The manifest of an index that a machine runs: the first for it that is no attestation; where none says for what it is, the
/// first of those.
#[must_use]
pub fn choose<'a>(index: &'a [Part], here: &Platform) -> Option<&'a Part> {
    let runs = |part: &&Part| !is_attestation(part);
    let named = index.iter().filter(runs).find(|part| part.platform.as_ref() == Some(here));
    named.or_else(|| index.iter().filter(runs).find(|part| part.platform.is_none()))
}

/// The machines that an index has something for, as people read it.
#[must_use]
pub fn platforms(index: &[Part]) -> String {
    let named = index.iter().filter(|part| !is_attestation(part)).filter_map(|part| part.platform.as_ref());
    let named: Vec<String> = named.map(ToString::to_string).collect();
    if named.is_empty() { "no machine".to_owned() } else { named.join(", ") }
}

/// As BuildKit marks them.
fn is_attestation(part: &Part) -> bool {
    let marked = |all: &BTreeMap<String, String>| all.contains_key("vnd.docker.reference.type");
    part.annotations.as_ref().is_some_and(marked)
        || part.platform.as_ref().is_some_and(|platform| platform.architecture == "unknown")
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
