//! The registry as its clients know it: by its own words, and by a client that others wrote.

use super::pushing::{INDEX, Image, MANIFEST, Registry, architecture, container, deploy, release, sha256};
use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::process::Command;

#[tokio::test]
async fn a_client_asks_whether_its_token_is_good() {
    let flow = flow().await;
    let nobody = flow.raw("GET", "/v2/", &[], Bytes::new()).await;
    assert_eq!((nobody.status.as_u16(), nobody.header("www-authenticate")), (401, "Basic realm=\"Flowline\""));
    assert_eq!(nobody.json()["errors"][0]["code"], "UNAUTHORIZED");
    assert_eq!(nobody.header("docker-distribution-api-version"), "registry/2.0");
    let known = Registry::of(&flow).get("").await;
    assert_eq!((known.status.as_u16(), known.header("docker-distribution-api-version")), (200, "registry/2.0"));
}

#[tokio::test]
async fn blobs_come_whole_in_parts_or_not_at_all() {
    let flow = flow().await;
    flow.app("shop").await;
    let registry = Registry::of(&flow);
    let bytes = Bytes::from_static(b"0123456789");
    let digest = sha256(&bytes);
    let whole = registry.call("POST", &format!("shop/web/blobs/uploads/?digest={digest}"), &[], bytes.clone()).await;
    assert_eq!(whole.status, 201, "{}", whole.text());
    assert_eq!(whole.header("location"), format!("/v2/shop/web/blobs/{digest}"));
    let read = registry.get(&format!("shop/web/blobs/{digest}")).await;
    assert_eq!((read.body, read.headers["content-length"].to_str().unwrap()), (bytes.clone(), "10"));
    let head = registry.call("HEAD", &format!("shop/web/blobs/{digest}"), &[], Bytes::new()).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "10"));
    // Parts that say where they begin.
    let begun = registry.call("POST", "shop/web/blobs/uploads/", &[], Bytes::new()).await;
    let place = begun.header("location").trim_start_matches("/v2/").to_owned();
    assert!(place.ends_with(begun.header("docker-upload-uuid")), "{place}");
    let part = async |range: &str, bytes: &'static [u8]| {
        registry.call("PATCH", &place, &[("content-range", range)], Bytes::from_static(bytes)).await
    };
    assert_eq!(part("0-3", b"0123").await.header("range"), "0-3");
    let twice = part("0-3", b"0123").await;
    assert_eq!((twice.status.as_u16(), twice.header("range")), (416, "0-3"), "{}", twice.text());
    assert_eq!(registry.get(&place).await.header("range"), "0-3");
    assert_eq!(part("4-6", b"456").await.status, 202);
    let wrong = registry.call("PUT", &format!("{place}?digest={digest}"), &[], Bytes::from_static(b"xyz")).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["code"]), (400, &json!("DIGEST_INVALID")));
    assert_eq!(registry.get(&place).await.json()["errors"][0]["code"], "BLOB_UPLOAD_UNKNOWN");
    // One that nobody wants any more.
    let begun = registry.call("POST", "shop/web/blobs/uploads/", &[], Bytes::new()).await;
    let place = begun.header("location").trim_start_matches("/v2/").to_owned();
    assert_eq!(registry.call("DELETE", &place, &[], Bytes::new()).await.status, 204);
    assert_eq!(registry.call("DELETE", &place, &[], Bytes::new()).await.status, 404);
    assert_eq!(flow.files("image-uploads"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn manifests_have_tags_and_an_index_gives_each_client_what_it_takes() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let here = Image::serving("here");
    registry.push(&app, "web", &here).await;
    let mut there = Image::serving("there");
    there.config["architecture"] = json!("mips");
    for blob in there.layers.iter().chain([&there.config()]) {
        registry.blob("shop/web", blob).await;
    }
    let mut entries = Vec::new();
    for (image, machine) in [(&there, "mips"), (&here, architecture())] {
        let manifest = image.manifest().to_string();
        let digest = sha256(manifest.as_bytes());
        let put = registry.manifest(&format!("shop/web/manifests/{digest}"), MANIFEST, &image.manifest()).await;
        assert_eq!(put.status, 201, "{}", put.text());
        entries.push(json!({ "mediaType": MANIFEST, "digest": digest, "size": manifest.len(),
            "platform": { "os": "linux", "architecture": machine } }));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let put = registry.manifest("shop/web/manifests/latest", INDEX, &index).await;
    assert_eq!(
        (put.status.as_u16(), put.header("docker-content-digest")),
        (201, &*sha256(index.to_string().as_bytes()))
    );
    // As container:release asks.
    let old = registry.call("GET", "shop/web/manifests/latest", &[("accept", MANIFEST)], Bytes::new()).await;
    assert_eq!((&old.json()["config"]["digest"], old.header("content-type")), (&json!(here.id()), MANIFEST));
    let new = registry.call("GET", "shop/web/manifests/latest", &[("accept", INDEX)], Bytes::new()).await;
    assert_eq!((new.json(), new.header("content-type")), (index.clone(), INDEX));
    // All three names of the image are good for a release.
    for name in [here.id(), entries[1]["digest"].as_str().unwrap().to_owned(), sha256(index.to_string().as_bytes())] {
        let made = release(&app, &[("web", Some(&name))]).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }
    app.served("/answer.txt", "here").await;
    let again = registry.manifest("shop/web/manifests/v1", MANIFEST, &here.manifest()).await;
    assert_eq!(again.status, 201, "{}", again.text());
    assert_eq!(
        registry.get("shop/web/tags/list").await.json(),
        json!({ "name": "shop/web", "tags": ["latest", "v1"] })
    );
    let one = registry.get("shop/web/tags/list?n=1&last=latest").await.json();
    assert_eq!(one["tags"], json!(["v1"]));
    assert_eq!(registry.call("DELETE", "shop/web/manifests/v1", &[], Bytes::new()).await.status, 202);
    assert_eq!(registry.get("shop/web/manifests/v1").await.json()["errors"][0]["code"], "MANIFEST_UNKNOWN");
    let records = flow.get("/apps/shop/audit-events").await.json();
    let pushes = |action: &str| {
        let pushes = records.as_array().unwrap().iter().filter(|record| record.to_string().contains(action)).count();
        assert!(pushes > 0, "{action} is not in {records}");
    };
    pushes("PUT /v2/{app}/{type}/manifests/{reference}");
    pushes("DELETE /v2/{app}/{type}/manifests/{reference}");
    assert!(!records.to_string().contains("blobs/uploads"), "a layer is no record of its own");
}

#[tokio::test]
async fn a_blob_of_an_app_that_one_sees_is_mounted() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    flow.app("other").await;
    let image = Image::serving("one");
    deploy(&flow, &app, "web", &image).await;
    let digest = sha256(&image.layers[0]);
    let mount = |from: &str| format!("other/web/blobs/uploads/?mount={digest}&from={from}");
    let mounted = Registry::of(&flow).call("POST", &mount("shop/web"), &[], Bytes::new()).await;
    assert_eq!(mounted.status, 201, "{}", mounted.text());
    assert_eq!(Registry::of(&flow).get(&format!("other/web/blobs/{digest}")).await.status, 200);
    let nothing = Registry::of(&flow).call("POST", &mount("nobody/web"), &[], Bytes::new()).await;
    assert_eq!(nothing.status, 202, "then it is uploaded");
}

/// skopeo copies images between places; here from a folder to the registry and back.
async fn skopeo(words: &[&str]) {
    let output = Command::new("skopeo").args(words).output().await.unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_client_that_others_wrote_pushes_and_pulls() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let image = Image::serving("by skopeo");
    let folder = flow.dir().join("layout");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    std::fs::write(folder.join("manifest.json"), image.manifest().to_string()).unwrap();
    for blob in image.layers.iter().chain([&image.config()]) {
        std::fs::write(folder.join(&sha256(blob)["sha256:".len()..]), blob).unwrap();
    }
    let (from, to) = (format!("dir:{}", folder.display()), format!("docker://{}/shop/web:latest", flow.api));
    let login = format!("_:{}", flow.token);
    let policy = "--insecure-policy";
    // As Docker's format, and as OCI's, which is another manifest with other media types.
    for format in ["v2s2", "oci"] {
        let words = [policy, "copy", "--format", format, "--dest-tls-verify=false", "--dest-creds", &login, &from, &to];
        skopeo(&words).await;
    }
    let manifest = Registry::of(&flow).get("shop/web/manifests/latest").await;
    assert_eq!(manifest.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
    let id = manifest.json()["config"]["digest"].as_str().unwrap().to_owned();
    let made = release(&app, &[("web", Some(&id))]).await;
    assert_eq!(made.status, 200, "{}", made.text());
    app.served("/answer.txt", "by skopeo").await;
    let back = flow.dir().join("back");
    let place = format!("dir:{}", back.display());
    skopeo(&[policy, "copy", "--src-tls-verify=false", "--src-creds", &login, &to, &place]).await;
    let pulled: Value = serde_json::from_slice(&std::fs::read(back.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(pulled["config"]["digest"], json!(id));
    for part in pulled["layers"].as_array().unwrap() {
        let digest = part["digest"].as_str().unwrap();
        assert_eq!(sha256(&std::fs::read(back.join(&digest["sha256:".len()..])).unwrap()), digest);
    }
}

#[tokio::test]
async fn a_push_of_many_layers_meets_no_rate_limit() {
    let flow = flow().await;
    flow.app("shop").await;
    let registry = Registry::of(&flow);
    let left = async || flow.get("/account/rate-limits").await.json()["remaining"].as_i64().unwrap();
    let before = left().await;
    for number in 0..30 {
        registry.blob("shop/web", &Bytes::from(format!("layer {number}"))).await;
    }
    assert!(left().await >= before, "a hundred requests cost none");
}
