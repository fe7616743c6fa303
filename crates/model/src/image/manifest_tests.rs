//! Manifests of every kind that clients push, and of those that are not taken.

use super::*;
use serde_json::{Value, json};

fn digest(of: u8) -> Digest {
    Digest::of_hash(&[of; 32])
}

fn part(media_type: &str, of: u8) -> Value {
    json!({ "mediaType": media_type, "digest": digest(of).as_str(), "size": u64::from(of) })
}

fn manifest(kind: &str, config: &str, layers: &[&str]) -> Value {
    let layers: Vec<Value> = layers.iter().zip(1..).map(|(layer, of)| part(layer, of)).collect();
    json!({ "schemaVersion": 2, "mediaType": kind, "config": part(config, 100), "layers": layers })
}

fn taken(header: &str, body: &Value) -> Result<Manifest, BadManifest> {
    read(header, body.to_string().as_bytes()).map(|(_, manifest)| manifest)
}

#[test]
fn layers_of_both_families_in_every_packing() {
    let oci = "application/vnd.oci.image.layer.v1.tar";
    let docker = "application/vnd.docker.image.rootfs.diff.tar";
    for (kind, config, plain, dot) in [(OCI_MANIFEST, CONFIGS[0], oci, '+'), (DOCKER_MANIFEST, CONFIGS[1], docker, '.')]
    {
        let (gzip, zstd) = (format!("{plain}{dot}gzip"), format!("{plain}{dot}zstd"));
        let body = manifest(kind, config, &[plain, &gzip, &zstd]);
        let Ok(Manifest::Image { config, layers }) = taken(kind, &body) else { panic!("{body}") };
        let packings: Vec<Packing> = layers.iter().map(|layer| layer.packing).collect();
        assert_eq!(packings, [Packing::Plain, Packing::Gzip, Packing::Zstd]);
        assert_eq!((config.digest, layers[2].size_bytes), (digest(100), 3));
    }
}

#[test]
fn what_is_no_image_is_kept_as_something_else() {
    let attestation = manifest(OCI_MANIFEST, CONFIGS[0], &["application/vnd.in-toto+json"]);
    let signature = manifest(OCI_MANIFEST, "application/vnd.example.config+json", &[]);
    for (body, parts) in [(attestation, 2), (signature, 1)] {
        let other = taken(OCI_MANIFEST, &body).expect("taken");
        assert!(matches!(other, Manifest::Other(_)) && other.parts().len() == parts, "{body}");
    }
}

#[test]
fn what_is_not_taken_says_why() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let nowhere = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let layer = "application/vnd.oci.image.layer.v1.tar";
    let huge = json!({ "schemaVersion": 2, "config": part(CONFIGS[0], 1),
        "layers": [{ "mediaType": layer, "digest": digest(1).as_str(), "size": u64::MAX }, part(layer, 2)] });
    let old = json!({ "schemaVersion": 1, "fsLayers": [] });
    for (header, body, words) in [
        (DOCKER_MANIFEST, manifest(DOCKER_MANIFEST, CONFIGS[1], &[foreign]), "another server"),
        (OCI_MANIFEST, manifest(OCI_MANIFEST, CONFIGS[0], &[layer, nowhere]), "another server"),
        (OCI_MANIFEST, manifest(OCI_MANIFEST, CONFIGS[0], &[layer; 128]), "merge some steps"),
        (OCI_MANIFEST, manifest(DOCKER_MANIFEST, CONFIGS[0], &[]), "push it again"),
        (OCI_MANIFEST, huge, "smaller base"),
        (OCI_MANIFEST, json!({ "schemaVersion": 2 }), "no `config`"),
        (OCI_MANIFEST, json!({ "schemaVersion": 3, "config": part(CONFIGS[0], 1) }), "schema 3"),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", old, "Docker since 1.10"),
        ("", json!({ "schemaVersion": 2 }), "not taken"),
        ("application/json", json!([]), "cannot be read"),
    ] {
        let why = taken(header, &body).expect_err("refused").to_string();
        assert!(why.contains(words), "{why}");
    }
    assert!(taken(OCI_MANIFEST, &manifest(OCI_MANIFEST, CONFIGS[0], &[layer; 127])).is_ok());
}

#[test]
fn a_type_may_stand_in_one_place_only() {
    let mut body = manifest(OCI_MANIFEST, CONFIGS[0], &[]);
    assert!(taken("application/json", &body).is_ok() && taken("", &body).is_ok());
    assert!(taken(&format!("{OCI_MANIFEST}; charset=utf-8"), &body).is_ok());
    body.as_object_mut().expect("an object").remove("mediaType");
    assert!(taken(OCI_MANIFEST, &body).is_ok());
}

fn index(entries: &[Value]) -> Vec<Part> {
    let body = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    match taken(OCI_INDEX, &body) {
        Ok(Manifest::Index(parts)) => parts,
        other => panic!("{other:?}"),
    }
}

fn entry(of: u8, os: &str, architecture: &str) -> Value {
    let mut entry = part(OCI_MANIFEST, of);
    entry["platform"] = json!({ "os": os, "architecture": architecture });
    entry
}

#[test]
fn an_index_gives_each_machine_its_own() {
    let here = Platform { os: "linux".into(), architecture: "amd64".into() };
    let chosen = |entries: &[Value]| choose(&index(entries), &here).map(|part| part.digest.clone());
    let mut attestation = entry(5, "linux", "amd64");
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    let all = [
        attestation,
        entry(1, "unknown", "unknown"),
        entry(2, "linux", "arm64"),
        entry(3, "windows", "amd64"),
        entry(4, "linux", "amd64"),
    ];
    assert_eq!(chosen(&all), Some(digest(4)));
    assert_eq!(chosen(&all[..4]), None);
    assert_eq!(platforms(&index(&all[..4])), "linux/arm64, windows/amd64");
    assert_eq!(chosen(&[part(OCI_MANIFEST, 9)]), Some(digest(9)), "one that does not say for what it is");
    assert_eq!(chosen(&[]), None);
    let many: Vec<Value> = (0..=INDEX_LIMIT).map(|_| part(OCI_MANIFEST, 1)).collect();
    let body = json!({ "schemaVersion": 2, "manifests": many });
    assert_eq!(taken(OCI_INDEX, &body), Err(BadManifest::TooManyManifests(INDEX_LIMIT + 1)));
}
