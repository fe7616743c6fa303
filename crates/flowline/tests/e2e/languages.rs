//! The apps that people bring.

use crate::flow;
use testkit::Source;

#[tokio::test]
async fn a_node_app_with_dependencies_from_the_registry() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let push = app.push(Source::fixture("node-express")).await.released("v3");
    push.says("Node.js app detected").says("Procfile declares types -> web").says("deployed to Flowline");
    assert_eq!(app.get("/").await.text(), "hello from express");
    // The second build of the same lockfile installs nothing and still works.
    let index = "const express = require('express');\n\
                 express().get('/', (request, response) => response.send('again')).listen(process.env.PORT);\n";
    app.push(Source::fixture("node-express").with("index.js", index)).await.released("v4");
    assert_eq!(app.get("/").await.text(), "again");
}

#[tokio::test]
async fn a_django_app_with_a_release_command_that_migrates() {
    let flow = flow().await;
    let app = flow.app("notes").await;
    let push = app.push(Source::fixture("django")).await.released("v3");
    push.says("Python app detected")
        .says("Release command declared: this new release will not be available until the command succeeds.")
        .says("Running release command...")
        .says("Applying notes.0001_initial... OK")
        .says("Waiting for release.... done.");
    assert_eq!(app.get("/").await.text(), "hello from django");
    let output = app.latest_release().await["output_stream_url"].as_str().unwrap().to_owned();
    let path = output.split_once("://").unwrap().1.split_once('/').unwrap().1.to_owned();
    let kept = flow.raw("GET", &format!("/{path}"), &[], bytes::Bytes::new()).await;
    assert!(kept.text().contains("Applying notes.0001_initial... OK"), "relph_40: {}", kept.text());
}

#[tokio::test]
async fn a_static_site() {
    let flow = flow().await;
    let app = flow.app("site").await;
    app.push(Source::fixture("static-site")).await.released("v3");
    let page = app.get("/").await;
    assert!(page.text().contains("Hello, static"));
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(app.get("/style.css").await.header("content-type").starts_with("text/css"));
    assert_eq!(app.get("/missing").await.status, 404);
}

#[tokio::test]
async fn profile_scripts_and_the_environment_of_a_dyno() {
    let flow = flow().await;
    let app = flow.app("env").await;
    app.config(serde_json::json!({ "GREETING": "from config", "OVER": "config" })).await;
    let source = Source::answering("x")
        .with(".profile.d/first.sh", "export FIRST=one\nexport OVER=script\n")
        .with(".profile", "[[ $FIRST == one ]] && export SECOND=two\n");
    app.push(source).await;
    let expected = [
        ("GREETING", "from config"),
        ("OVER", "script"),
        ("FIRST", "one"),
        ("SECOND", "two"),
        ("HOME", "/app"),
        ("DYNO", "web.1"),
    ];
    for (name, value) in expected {
        assert_eq!(app.get(&format!("/env/{name}")).await.text(), value, "dyno_23, dyno_24: {name}");
    }
}
