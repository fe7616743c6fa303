//! What is not taken, and from whom.

use super::pushing::{Image, MANIFEST, Registry, container, deploy, release, sha256};
use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, Source};

fn refused(answer: &Answer, status: u16, code: &str, words: &str) {
    let said = answer.json();
    let error = &said["errors"][0];
    assert!(
        answer.status == status && error["code"] == code && error["message"].as_str().unwrap().contains(words),
        "{}: {said}",
        answer.status
    );
}

#[tokio::test]
async fn an_image_that_cannot_be_is_refused_with_what_to_do() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let image = Image::serving("one");
    let put = async |place: &str, kind: &str, body: Value| {
        registry.manifest(&format!("shop/web/manifests/{place}"), kind, &body).await
    };
    // Nothing of it was pushed.
    refused(&put("latest", MANIFEST, image.manifest()).await, 400, "MANIFEST_BLOB_UNKNOWN", "push the image again");
    registry.push(&app, "web", &image).await;
    let mut other = image.manifest();
    other["layers"][0]["size"] = json!(7);
    refused(&put("latest", MANIFEST, other).await, 400, "SIZE_INVALID", "has 7 bytes");
    let wrong = sha256(b"something else");
    refused(&put(&wrong, MANIFEST, image.manifest()).await, 400, "DIGEST_INVALID", "push again");
    refused(&put("-x", MANIFEST, image.manifest()).await, 400, "MANIFEST_INVALID", "neither a digest nor a tag");
    refused(&put("latest", "text/plain", json!({ "schemaVersion": 2 })).await, 400, "MANIFEST_INVALID", "not taken");
    let huge = "x".repeat(5 * 1024 * 1024);
    refused(&put("latest", MANIFEST, json!({ "x": huge })).await, 413, "SIZE_INVALID", "larger than");
    // For another machine.
    let mut there = Image::serving("there");
    there.config["architecture"] = json!("mips");
    registry.blob("shop/web", &there.config()).await;
    registry.blob("shop/web", &there.layers[1]).await;
    let machine = put("latest", MANIFEST, there.manifest()).await;
    refused(&machine, 400, "MANIFEST_INVALID", "build it with `--platform linux/");
    let name = registry.call("POST", "shop/a%20b/blobs/uploads/", &[], Bytes::new()).await;
    refused(&name, 400, "NAME_INVALID", "not a process type");
    let blob = registry.call("GET", "shop/web/blobs/sha256:12", &[], Bytes::new()).await;
    refused(&blob, 400, "DIGEST_INVALID", "64 hex digits");
    assert_eq!(app.latest_release().await["version"], 2, "a push alone releases nothing");
}

#[tokio::test]
async fn a_release_names_an_image_of_its_own_app_and_the_stack_is_container() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let other = flow.app("other").await;
    let registry = Registry::of(&flow);
    let id = registry.push(&app, "web", &Image::serving("one")).await;
    let says = |answer: Answer, status: u16, words: &str| {
        assert!(answer.status == status && answer.text().contains(words), "{}: {}", answer.status, answer.text());
    };
    says(release(&other, &[("web", Some(&id))]).await, 422, "stack:set container -a other");
    let theirs = container(&flow, "theirs").await;
    says(release(&theirs, &[("web", Some(&id))]).await, 404, "Push it first");
    says(release(&app, &[("web", Some(&sha256(b"nothing")))]).await, 404, "Push it first");
    says(release(&app, &[("web", Some("latest"))]).await, 422, "64 hex digits");
    let scaled = json!({ "updates": [{ "type": "web", "docker_image": id, "quantity": 2 }] });
    says(app.call("PATCH", "/formation", Some(&scaled)).await, 422, "a request of their own");
    let silent = registry.push(&app, "web", &Image::of("x", json!({}))).await;
    says(release(&app, &[("web", Some(&silent))]).await, 422, "neither ENTRYPOINT nor CMD");
    assert_eq!(app.latest_release().await["version"], 2);
    // All or none.
    says(release(&app, &[("web", Some(&id)), ("clock", Some(&sha256(b"x")))]).await, 404, "Push it first");
    assert_eq!(app.latest_release().await["version"], 2);
}

#[tokio::test]
async fn an_app_of_the_stack_container_is_not_built() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let push = app.push(Source::answering("one")).await;
    push.says("container:push web -a shop").says("stack:set heroku-24 -a shop");
    let build = json!({ "source_blob": { "url": "http://127.0.0.1:9/x.tgz" } });
    let build = app.call("POST", "/builds", Some(&build)).await;
    assert!(build.status == 422 && build.text().contains("container:push"), "{}", build.text());
    let stacks = flow.get("/stacks").await.json();
    let names: Vec<&str> = stacks.as_array().unwrap().iter().filter_map(|stack| stack["name"].as_str()).collect();
    assert_eq!(names, ["container", "heroku-24"]);
    let made = flow.post("/apps", &json!({ "name": "new", "stack": "container" })).await.json();
    assert_eq!((&made["stack"]["name"], &made["build_stack"]["name"]), (&json!("container"), &json!("container")));
    // And back: what is built takes the place of the images.
    deploy(&flow, &app, "web", &Image::serving("image")).await;
    app.served("/answer.txt", "image").await;
    app.call("PATCH", "", Some(&json!({ "build_stack": "heroku-24" }))).await;
    app.push(Source::answering("built")).await.released("v4");
    app.served("/", "built").await;
}

#[tokio::test]
async fn whoever_may_not_push_pushes_nothing_and_strangers_see_nothing() {
    let flow = flow().await;
    for (path, body) in
        [("/teams", json!({ "name": "acme" })), ("/teams/apps", json!({ "name": "shop", "team": "acme" }))]
    {
        assert_eq!(flow.post(path, &body).await.status, 201, "{path}");
    }
    let app = flow.known_app("shop");
    app.call("PATCH", "", Some(&json!({ "build_stack": "container" }))).await;
    let image = Image::serving("one");
    deploy(&flow, &app, "web", &image).await;
    let token = flow.account("viewer@example.org").await;
    let digest = sha256(&image.layers[0]);
    let stranger = Registry::by(&flow, &token);
    let uploads = "shop/web/blobs/uploads/";
    let paths = [
        ("GET", format!("shop/web/blobs/{digest}")),
        ("GET", "shop/web/manifests/latest".to_owned()),
        ("POST", uploads.to_owned()),
    ];
    for (method, path) in &paths {
        let answer = stranger.call(method, path, &[], Bytes::new()).await;
        refused(&answer, 404, "NAME_UNKNOWN", "Couldn't find that app");
        let nothing = stranger.call(method, &path.replace("shop", "nothing"), &[], Bytes::new()).await;
        assert_eq!(answer.body, nothing.body, "cli_21: {path}");
    }
    // Another app's blob, by mount and by asking.
    flow.call_as(&token, "POST", "/apps", Some(&json!({ "name": "theirs", "stack": "container" }))).await;
    let mount = format!("theirs/web/blobs/uploads/?mount={digest}&from=shop/web");
    assert_eq!(stranger.call("POST", &mount, &[], Bytes::new()).await.status, 202, "an upload, and no mount");
    let stolen = stranger.get(&format!("theirs/web/blobs/{digest}")).await;
    refused(&stolen, 404, "BLOB_UNKNOWN", "push the image again");
    let manifest = stranger.manifest("theirs/web/manifests/latest", MANIFEST, &image.manifest()).await;
    refused(&manifest, 400, "MANIFEST_BLOB_UNKNOWN", "push the image again");
    // Who may look gets no code.
    let added = json!({ "user": "viewer@example.org", "permissions": ["view"] });
    let added = flow.post("/teams/apps/shop/collaborators", &added).await;
    assert_eq!(added.status, 201, "{}", added.text());
    for (method, path) in &paths {
        let answer = stranger.call(method, path, &[], Bytes::new()).await;
        refused(&answer, 403, "DENIED", "permission `deploy`");
    }
    assert_eq!(stranger.call("POST", &mount, &[], Bytes::new()).await.status, 202, "an upload, and no mount");
    let put = stranger.manifest("shop/web/manifests/latest", MANIFEST, &image.manifest()).await;
    refused(&put, 403, "DENIED", "permission `deploy`");
    // Who may operate scales, and releases nothing.
    let change = json!({ "permissions": ["view", "operate"] });
    flow.call("PATCH", "/teams/apps/shop/collaborators/viewer@example.org", Some(&change)).await;
    let update = json!({ "updates": [{ "type": "web", "docker_image": image.id() }] });
    let denied = flow.call_as(&token, "PATCH", "/apps/shop/formation", Some(&update)).await;
    assert!(denied.status == 403 && denied.text().contains("deploy"), "{}", denied.text());
    // A token that was taken back, and one that may only read.
    let reading = flow.post("/oauth/authorizations", &json!({ "scope": ["read"] })).await.json();
    let reader = reading["access_token"]["token"].as_str().unwrap();
    assert_eq!(Registry::by(&flow, reader).get("shop/web/manifests/latest").await.status, 200);
    let write = Registry::by(&flow, reader).call("POST", uploads, &[], Bytes::new()).await;
    refused(&write, 403, "DENIED", "--scope write");
    flow.delete(&format!("/oauth/authorizations/{}", reading["id"].as_str().unwrap())).await;
    let revoked = Registry::by(&flow, reader).get("").await;
    assert_eq!((revoked.status.as_u16(), revoked.header("www-authenticate")), (401, "Basic realm=\"Flowline\""));
}
