//! What release commands are for: a migration, an upload, a cache, on real servers.

use std::process::Stdio;
use testkit::{Flow, Service, Source, search_path, within};
use tokio::process::Command;

/// A Flowline whose apps may use this service.
async fn flow_with(service: &Service) -> Flow {
    Flow::start_as(testkit::Start::of(env!("CARGO_BIN_EXE_flowline")).with_host_service(service.addr)).await
}

/// What a program of this machine prints.
async fn said(program: &str, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", search_path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = within(program, command.output()).await.unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn releasing(text: &str, script: &str) -> Source {
    Source::answering(text)
        .with("Procfile", "web: python3 server.py\nrelease: bash release.sh\n")
        .with("release.sh", script)
}

#[tokio::test]
async fn relph_22_24_a_migration_on_postgresql_is_done_or_leaves_release_and_tables_as_they_were() {
    let postgres = Service::postgres().await;
    let flow = flow_with(&postgres).await;
    let app = flow.app("shop").await;
    let psql = Service::postgres_program("psql");
    let psql = psql.to_str().unwrap();
    let url = format!("postgresql://postgres@{}/postgres", postgres.addr);
    app.config(serde_json::json!({ "DATABASE_URL": url, "PSQL": psql })).await;
    let migrate = "set -e\nfor step in migrations/*.sql; do\n\
        $PSQL \"$DATABASE_URL\" --no-psqlrc --quiet -v ON_ERROR_STOP=1 --single-transaction -f $step\necho did $step\ndone\n";
    let first = "CREATE TABLE IF NOT EXISTS price (item TEXT PRIMARY KEY, cents INT NOT NULL);\n\
        INSERT INTO price VALUES ('tea', 250) ON CONFLICT DO NOTHING;\n";
    let source = |text: &str| releasing(text, migrate).with("migrations/001.sql", first);
    app.push(source("one")).await.released("v4").says("did migrations/001.sql");
    let prices = ["--no-psqlrc", "-At", &url, "-c", "SELECT item, cents FROM price"];
    assert_eq!(said(psql, &prices).await, "tea|250");
    // Its first half is undone with the second.
    let broken = "INSERT INTO price VALUES ('coffee', 300);\nALTER TABLE prices ADD COLUMN currency TEXT;\n";
    let push = app.push(source("two").with("migrations/002.sql", broken)).await.release_failed();
    push.says("relation \"prices\" does not exist").says("the release before it keeps running");
    assert_eq!((app.get("/").await.text().as_str(), said(psql, &prices).await.as_str()), ("one", "tea|250"));
    // One that waits for a lock for ever is ended, and holds nothing afterwards.
    app.call("PATCH", "/release-phase", Some(&serde_json::json!({ "timeout": 2 }))).await;
    let hangs = "ALTER TABLE price ADD COLUMN currency TEXT;\nSELECT pg_sleep(3600);\n";
    app.push(source("three").with("migrations/002.sql", hangs))
        .await
        .release_failed()
        .says("ran longer than 2 seconds");
    assert_eq!((app.get("/").await.text().as_str(), said(psql, &prices).await.as_str()), ("one", "tea|250"));
    app.call("PATCH", "/release-phase", Some(&serde_json::json!({ "timeout": null }))).await;
    let good = "ALTER TABLE price ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR';\n";
    app.push(source("four").with("migrations/002.sql", good)).await.released("v7").says("did migrations/002.sql");
    app.served("/", "four").await;
    assert_eq!(said(psql, &["--no-psqlrc", "-At", &url, "-c", "SELECT currency FROM price"]).await, "EUR");
}

#[tokio::test]
async fn relph_25_assets_are_uploaded_to_an_s3_compatible_server_before_the_release_is_live() {
    let s3 = Service::s3().await;
    let flow = flow_with(&s3).await;
    let app = flow.app("shop").await;
    let address = format!("http://{}", s3.addr);
    app.config(serde_json::json!({ "S3": address, "BUCKET": "assets", "KEY": "AKIDEXAMPLE", "SECRET": "wJalrXUtn" }))
        .await;
    let upload = "set -e\nfor file in public/*; do\n\
        curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 --user \"$KEY:$SECRET\" -T $file $S3/$BUCKET/$(basename $file)\n\
        echo uploaded $file\ndone\n";
    let signed = ["-fsS", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "AKIDEXAMPLE:wJalrXUtn"];
    let source = |text: &str| releasing(text, upload).with("public/site.css", &format!("/* {text} */"));
    // There is no bucket yet.
    app.push(source("zero")).await.release_failed().says("404");
    assert_eq!(app.get("/").await.status, 502, "no release is live");
    said("curl", &[&signed[..], &["-X", "PUT", &format!("{address}/assets")]].concat()).await;
    app.push(source("one")).await.released("v5").says("uploaded public/site.css");
    let object = format!("{address}/assets/site.css");
    let read = [&signed[..], &[&object]].concat();
    assert_eq!((said("curl", &read).await.as_str(), app.get("/").await.text().as_str()), ("/* one */", "one"));
    let failing = source("two").with("public/zz.css", "x").with("release.sh", &format!("{upload}\necho but; exit 3"));
    app.push(failing).await.release_failed().says("uploaded public/zz.css");
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn relph_21_a_cache_is_primed_before_the_first_visitor_of_the_release() {
    let redis = Service::redis().await;
    let flow = flow_with(&redis).await;
    let app = flow.app("shop").await;
    let (host, port) = (redis.addr.ip().to_string(), redis.addr.port().to_string());
    app.config(serde_json::json!({ "CACHE_HOST": host, "CACHE_PORT": port })).await;
    let prime = "redis-cli -e -h $CACHE_HOST -p $CACHE_PORT set greeting \"$(cat answer.txt)\" && echo primed\n";
    app.push(releasing("one", prime)).await.released("v4").says("primed");
    let cached = ["-h", &host, "-p", &port, "get", "greeting"];
    assert_eq!((said("redis-cli", &cached).await.as_str(), app.get("/").await.text().as_str()), ("one", "one"));
    // A cache that takes nothing more keeps the release before it live.
    said("redis-cli", &["-h", &host, "-p", &port, "config", "set", "maxmemory", "1"]).await;
    app.push(releasing("two", prime)).await.release_failed().says("OOM");
    assert_eq!((said("redis-cli", &cached).await.as_str(), app.get("/").await.text().as_str()), ("one", "one"));
}
