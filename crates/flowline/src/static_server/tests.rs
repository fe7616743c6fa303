//! A real server on port 0, spoken to in plain HTTP.

use super::*;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A test that waits so long has failed.
const LIMIT: Duration = Duration::from_secs(90);

struct Served {
    dir: TempDir,
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn site(files: &[(&str, &str)]) -> Served {
    let dir = TempDir::new().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let site = Site::open(dir.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, Arc::new(site), async move { drop(stopped.await) }));
    Served { dir, addr, stop: Some(stop), server }
}

impl Served {
    async fn send(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
        parse(&reply)
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }
}

fn parse(reply: &[u8]) -> Reply {
    let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&reply[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Reply { status, headers, body: reply[end + 4..].to_vec() }
}

#[tokio::test]
async fn files_have_types_and_validators() {
    let site =
        site(&[("index.html", "<p>hello"), ("a/style.CSS", "p{}"), ("data.bin", "x"), ("with space.txt", "s")]).await;
    let index = site.get("/").await;
    assert_eq!((index.status, index.text()), (200, "<p>hello"));
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(index.header("content-length"), "8");
    assert_eq!(site.get("/a/style.CSS").await.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(site.get("/data.bin").await.header("content-type"), "application/octet-stream");
    assert_eq!(site.get("/with%20space.txt?x=1").await.text(), "s");

    let tag = format!("If-None-Match: \"other\", W/{}\r\n", index.header("etag"));
    let same = site.ask("GET", "/", &tag).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, index.header("etag")));
    let since = format!("If-Modified-Since: {}\r\n", index.header("last-modified"));
    assert_eq!(site.ask("GET", "/", &since).await.status, 304);
    assert_eq!(site.ask("GET", "/", "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n").await.status, 200);
    // A change that keeps size and modification time still is a change.
    let path = site.dir.path().join("index.html");
    let before = std::fs::metadata(&path).unwrap();
    // Until the kernel's clock for files has moved on: it ticks every few milliseconds.
    while (before.ctime(), before.ctime_nsec())
        == std::fs::metadata(&path).map(|now| (now.ctime(), now.ctime_nsec())).unwrap()
    {
        std::fs::write(&path, "<p>HELLO").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(before.modified().unwrap()).unwrap();
    }
    assert_eq!(site.ask("GET", "/", &tag).await.text(), "<p>HELLO");

    let head = site.ask("HEAD", "/", "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "8", 0));
    let post = site.ask("POST", "/", "Content-Length: 0\r\n").await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn ranges_of_large_and_small_files() {
    let large = "0123456789".repeat(50_000);
    let site = site(&[("large.txt", &large), ("empty.txt", "")]).await;
    assert_eq!(site.get("/large.txt").await.text(), large);
    let part = site.ask("GET", "/large.txt", "Range: bytes=100005-100009\r\n").await;
    assert_eq!((part.status, part.text()), (206, "56789"));
    assert_eq!(part.header("content-range"), "bytes 100005-100009/500000");
    let part = site.ask("GET", "/large.txt", "Range: bytes=-3\r\n").await;
    assert_eq!((part.text(), part.header("content-length")), ("789", "3"));
    let none = site.ask("GET", "/large.txt", "Range: bytes=500000-\r\n").await;
    assert_eq!((none.status, none.header("content-range")), (416, "bytes */500000"));
    let old = site.ask("GET", "/large.txt", "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n").await;
    assert_eq!((old.status, old.body.len()), (200, 500_000));
    let empty = site.get("/empty.txt").await;
    assert_eq!((empty.status, empty.body.len(), empty.header("content-length")), (200, 0, "0"));
}

#[tokio::test]
async fn nothing_outside_and_nothing_hidden() {
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    let site = site(&[
        ("index.html", "i"),
        (".env", "secret"),
        (".git/config", "secret"),
        (".well-known/security.txt", "w"),
        ("Procfile", "web: x"),
        ("docs/Procfile", "shown"),
        ("real.txt", "r"),
    ])
    .await;
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, site.dir.path().join(name)).unwrap();
    link(&outside.path().join("secret.txt"), "out.txt");
    link(outside.path(), "out");
    link(Path::new(".env"), "env.txt");
    link(Path::new("real.txt"), "link.txt");
    link(Path::new("loop"), "loop");
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/docs/..%2f..%2fsecret.txt",
        "/out.txt",
        "/out/secret.txt",
        "/env.txt",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/docs/../.env",
        "/Procfile",
        "//Procfile",
        "/./Procfile",
        "/index.html%00.txt",
        "/%zz",
        "/%",
        "/loop",
        "/index.html/",
        "/etc/passwd",
        "//etc/passwd",
    ] {
        let reply = site.get(path).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {} {}", reply.status, reply.text());
    }
    for (path, text) in [("/link.txt", "r"), ("/.well-known/security.txt", "w"), ("/docs/Procfile", "shown")] {
        assert_eq!(site.get(path).await.text(), text, "{path}");
    }
}

#[tokio::test]
async fn folders_have_an_index_and_a_slash() {
    let site = site(&[("docs/index.html", "docs"), ("empty/x.txt", "x")]).await;
    assert_eq!(site.get("/docs/").await.text(), "docs");
    let redirect = site.get("/docs?a=b").await;
    assert_eq!((redirect.status, redirect.header("location")), (301, "/docs/?a=b"));
    assert_eq!(site.get("//docs").await.header("location"), "/docs/");
    assert_eq!((site.get("/empty").await.status, site.get("/empty/").await.status), (404, 404));
}

#[tokio::test]
async fn static_json_says_how() {
    let settings = r#"{
        "root": "dist", "clean_urls": true, "error_page": "errors/404.html", "https_only": true,
        "routes": {"/**": "index.html", "/docs/**": "docs.html", "/gone/**": "no-such-file.html"},
        "headers": {"/**": {"X-All": "1", "Cache-Control": "no-cache"}, "/assets/**": {"Cache-Control": "max-age=9"}}
    }"#;
    let site = site(&[
        ("static.json", settings),
        ("secret.txt", "not in the root"),
        ("dist/index.html", "spa"),
        ("dist/docs.html", "docs"),
        ("dist/about.html", "about"),
        ("dist/assets/a.js", "js"),
    ])
    .await;
    assert_eq!(site.get("/about").await.text(), "about");
    assert_eq!(site.get("/any/where").await.text(), "spa");
    assert_eq!(site.get("/secret.txt").await.text(), "spa");
    assert_eq!(site.get("/docs/x/y").await.text(), "docs");
    assert_eq!(site.get("/gone/x").await.text(), "spa");
    let script = site.get("/assets/a.js").await;
    assert_eq!((script.text(), script.header("x-all"), script.header("cache-control")), ("js", "1", "max-age=9"));
    assert_eq!(site.get("/about").await.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn a_missing_page_can_be_the_apps_own() {
    let site = site(&[
        ("static.json", r#"{"error_page": "errors/404.html"}"#),
        ("public_html/errors/404.html", "<p>not here"),
    ])
    .await;
    assert!(Site::open(site.dir.path()).unwrap().root().ends_with("public_html"));
    let missing = site.get("/nothing").await;
    assert_eq!((missing.status, missing.text()), (404, "<p>not here"));
    assert_eq!(missing.header("content-type"), "text/html; charset=utf-8");
}

#[test]
fn static_json_that_cannot_be_used_is_an_error_with_the_reason() {
    for (settings, reason) in [
        ("{", "EOF"),
        (r#"{"root": 7}"#, "invalid type"),
        (r#"{"root": "no-such-folder"}"#, "set \"root\""),
        (r#"{"root": "../.."}"#, "outside of the app"),
        (r#"{"headers": {"/": {"bad name": "x"}}}"#, "not an HTTP header"),
        (r#"{"headers": {"/": {"x": "a\nb"}}}"#, "not an HTTP header"),
        (r#"{"basic_auth": true}"#, "basic_auth"),
    ] {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("static.json"), settings).unwrap();
        let error = Site::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{settings}: {error}");
    }
}

#[tokio::test]
async fn compressed_files_are_used_when_they_are_accepted() {
    let site = site(&[("app.js", "plain"), ("app.js.gz", "gzip bytes"), ("other.js", "plain")]).await;
    let gzip = site.ask("GET", "/app.js", "Accept-Encoding: br, gzip\r\n").await;
    assert_eq!((gzip.text(), gzip.header("content-encoding")), ("gzip bytes", "gzip"));
    assert_eq!(
        (gzip.header("content-type"), gzip.header("vary")),
        ("text/javascript; charset=utf-8", "Accept-Encoding")
    );
    let plain = site.get("/app.js").await;
    assert_eq!(
        (plain.text(), plain.header("content-encoding"), plain.header("vary")),
        ("plain", "", "Accept-Encoding")
    );
    assert_ne!(plain.header("etag"), gzip.header("etag"));
    assert_eq!(site.ask("GET", "/other.js", "Accept-Encoding: gzip\r\n").await.header("vary"), "");
}

#[tokio::test]
async fn keep_alive_and_a_stop_that_lets_responses_finish() {
    let large = "x".repeat(8_000_000);
    let mut site = site(&[("a.txt", "a"), ("large.txt", &large)]).await;
    let mut idle = TcpStream::connect(site.addr).await.unwrap();
    for _ in 0..2 {
        idle.write_all(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut reply = vec![0; 4096];
        let mut len = 0;
        while !reply[..len].ends_with(b"\r\n\r\na") {
            len += tokio::time::timeout(LIMIT, idle.read(&mut reply[len..])).await.unwrap().unwrap();
        }
    }
    let mut busy = TcpStream::connect(site.addr).await.unwrap();
    busy.write_all(b"GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 16];
    busy.read_exact(&mut first).await.unwrap();

    site.stop.take().unwrap().send(()).unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(LIMIT, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
    tokio::time::timeout(LIMIT, busy.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(parse(&[&first[..], &rest].concat()).body.len(), large.len());
    tokio::time::timeout(LIMIT, site.server).await.unwrap().unwrap();
    assert!(TcpStream::connect(site.addr).await.is_err());
}
