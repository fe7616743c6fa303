//! Images made by hand, and a client that pushes them as Docker does.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use testkit::{Answer, App, Flow};

pub(crate) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// What image formats call this machine.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `sha256:…` of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A layer, packed: folders by a slash at their end, links by `-> target`, files by their text.
pub(crate) fn layer(files: &[(&str, &str)]) -> Bytes {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, what) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        if let Some(target) = what.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, path, target).unwrap();
        } else if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, path, &[][..]).unwrap();
        } else {
            let bytes = if *what == BUSYBOX { std::fs::read(BUSYBOX).unwrap() } else { what.as_bytes().to_vec() };
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes.as_slice()).unwrap();
        }
    }
    let mut packed = archive.into_inner().unwrap();
    packed.flush().unwrap();
    Bytes::from(packed.finish().unwrap())
}

/// The machine's own, without libraries (Debian's busybox-static); as a file's text it stands for its bytes.
pub(crate) const BUSYBOX: &str = "/usr/bin/busybox";

/// What every image here is made on.
pub(crate) fn base() -> Bytes {
    layer(&[
        ("bin/", ""),
        ("bin/busybox", BUSYBOX),
        ("bin/sh", "-> busybox"),
        ("etc/", ""),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:100:100::/srv:/bin/sh\n"),
        ("root/", ""),
        ("srv/", ""),
    ])
}

/// An image.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Bytes>,
    pub(crate) config: Value,
}

impl Image {
    /// Of a program, with `/srv/answer.txt` in it.
    pub(crate) fn of(text: &str, program: Value) -> Self {
        let layers = vec![base(), layer(&[("srv/answer.txt", text), ("srv/index.html", text)])];
        // Unlike in true ones these are of the packed layers: nobody asks, but images differ by them.
        let ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
        let config = json!({ "architecture": architecture(), "os": "linux", "config": program,
            "rootfs": { "type": "layers", "diff_ids": ids } });
        Self { layers, config }
    }

    /// One whose web server answers `/answer.txt` with a text.
    pub(crate) fn serving(text: &str) -> Self {
        let cmd = ["busybox", "httpd", "-f", "-v", "-p", "$PORT", "-h", "/srv"];
        Self::of(text, json!({ "Cmd": cmd, "Env": ["PATH=/bin", "FROM=image", "COLOR=grey"], "WorkingDir": "/srv" }))
    }

    pub(crate) fn config(&self) -> Bytes {
        Bytes::from(self.config.to_string())
    }

    /// What clients call it.
    pub(crate) fn id(&self) -> String {
        sha256(&self.config())
    }

    pub(crate) fn manifest(&self) -> Value {
        let part =
            |kind: &str, bytes: &Bytes| json!({ "mediaType": kind, "size": bytes.len(), "digest": sha256(bytes) });
        let layers: Vec<Value> = self.layers.iter().map(|layer| part(LAYER, layer)).collect();
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG, &self.config()), "layers": layers })
    }
}

/// A client of the registry.
pub(crate) struct Registry<'f> {
    flow: &'f Flow,
    authorization: String,
}

impl<'f> Registry<'f> {
    pub(crate) fn of(flow: &'f Flow) -> Self {
        Self { flow, authorization: flow.basic() }
    }

    /// With another token.
    pub(crate) fn by(flow: &'f Flow, token: &str) -> Self {
        Self { flow, authorization: format!("Bearer {token}") }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let mut all = vec![("authorization", self.authorization.as_str())];
        all.extend(headers);
        self.flow.raw(method, &format!("/v2/{path}"), &all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], Bytes::new()).await
    }

    /// Sends a blob, unless it is there; in two parts, as large ones are.
    pub(crate) async fn blob(&self, repository: &str, bytes: &Bytes) {
        let digest = sha256(bytes);
        let path = format!("{repository}/blobs/{digest}");
        if self.call("HEAD", &path, &[], Bytes::new()).await.status == 200 {
            return;
        }
        let begun = self.call("POST", &format!("{repository}/blobs/uploads/"), &[], Bytes::new()).await;
        assert_eq!(begun.status, 202, "{}", begun.text());
        let place = begun.header("location").trim_start_matches("/v2/").to_owned();
        let (first, rest) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
        let sent = self.call("PATCH", &place, &[], first).await;
        assert_eq!(sent.status, 202, "{}", sent.text());
        let done = self.call("PUT", &format!("{place}?digest={digest}"), &[], rest).await;
        assert_eq!((done.status.as_u16(), done.header("docker-content-digest")), (201, &*digest), "{}", done.text());
    }

    pub(crate) async fn manifest(&self, place: &str, kind: &str, manifest: &Value) -> Answer {
        self.call("PUT", place, &[("content-type", kind)], Bytes::from(manifest.to_string())).await
    }

    /// Pushes an image as `latest`; what it is called.
    pub(crate) async fn push(&self, app: &App<'_>, process_type: &str, image: &Image) -> String {
        let repository = format!("{}/{process_type}", app.name());
        for blob in image.layers.iter().chain([&image.config()]) {
            self.blob(&repository, blob).await;
        }
        let place = format!("{repository}/manifests/latest");
        let pushed = self.manifest(&place, MANIFEST, &image.manifest()).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        image.id()
    }
}

/// An app that runs images.
pub(crate) async fn container<'f>(flow: &'f Flow, name: &str) -> App<'f> {
    let app = flow.app(name).await;
    let changed = app.call("PATCH", "", Some(&json!({ "build_stack": "container" }))).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    app
}

/// What `container:release` sends.
pub(crate) async fn release(app: &App<'_>, images: &[(&str, Option<&str>)]) -> Answer {
    let updates: Vec<Value> =
        images.iter().map(|(name, image)| json!({ "type": name, "docker_image": image })).collect();
    app.call("PATCH", "/formation", Some(&json!({ "updates": updates }))).await
}

/// Pushes and releases.
pub(crate) async fn deploy(flow: &Flow, app: &App<'_>, process_type: &str, image: &Image) -> Value {
    let id = Registry::of(flow).push(app, process_type, image).await;
    let released = release(app, &[(process_type, Some(&id))]).await;
    assert_eq!(released.status, 200, "{}", released.text());
    released.json()
}
