//! `container:push` and its like: what is refused before an engine starts, and what Docker is told.

use crate::support::{Place, Reply, Server};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Says what it was told, and as whom it would go.
const DOCKER: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$1" in
--version) echo Docker version 28.2.2; exit ;;
image) exit 1 ;;
login) cat >"$here/stdin" ;;
esac
echo "$*" >>"$here/words"
if test "$1" = "$(cat "$here/fails" 2>/dev/null)"; then exit 7; fi
case "$1" in
push | pull) cat "$DOCKER_CONFIG/config.json" >"$here/settings" ;;
*) echo "$DOCKER_CONFIG" >>"$here/own" ;;
esac
"#;

/// An app that runs images, one that does not, and the registry.
async fn server() -> Server {
    Server::start(|seen, _| {
        let stack = |name: &str, stack: &str| {
            Reply::json(200, &json!({ "name": name, "stack": { "name": stack }, "build_stack": { "name": stack } }))
        };
        match seen.line.as_str() {
            "GET /apps/shop" => stack("shop", "container"),
            "GET /apps/built" => stack("built", "heroku-24"),
            "GET /v2/shop/web/manifests/latest" => Reply::json(200, &json!({ "config": { "digest": "sha256:abc" } })),
            _ => Reply::error(404, "not_found", "Couldn't find that app."),
        }
    })
    .await
}

/// A folder with a Dockerfile, and that `docker` on the PATH; where the latter says what it was told.
fn place(server: &Server) -> (Place, PathBuf) {
    let mut place = Place::new().at(&server.url);
    fs::write(place.cwd().join("Dockerfile"), "FROM scratch\n").unwrap();
    let engine = place.cwd().join("../engine");
    fs::create_dir(&engine).unwrap();
    fs::write(engine.join("docker"), DOCKER).unwrap();
    fs::set_permissions(engine.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    place.env.engine.insert("PATH".to_owned(), engine.to_str().unwrap().to_owned());
    (place, engine)
}

#[tokio::test]
async fn nothing_starts_for_what_cannot_be() {
    let server = server().await;
    let (place, engine) = place(&server);
    for (typed, code, said) in [
        ("container:push -a shop", 2, "exactly one process type"),
        ("container:push web worker -a shop", 2, "exactly one process type"),
        ("container:push Web -a shop", 2, "`Web` cannot be a part of an image's name"),
        ("container:push a/b -a shop", 2, "`a/b` is not a process type"),
        ("container:push web --arg =x -a shop", 2, "`=x` is no variable of a build"),
        ("container:push web --context-path nowhere -a shop", 2, "nowhere is no folder"),
        ("container:push --recursive -a shop", 4, "There is no Dockerfile.TYPE in"),
        ("container:push web -a built", 2, "flowline stack:set container -a built"),
        ("container:push web -a other", 4, "Couldn't find that app"),
        ("container:pull web:@ -a shop", 2, "`@` is not a tag"),
        ("container:run Web -a shop", 2, "`Web` cannot be"),
        ("container:run web -e nowhere -a shop", 4, "There is no file nowhere"),
    ] {
        let ran = place.run(&typed.split(' ').collect::<Vec<_>>()).await;
        assert!(ran.code == code && ran.err.contains(said) && ran.out.is_empty(), "{typed}: {ran:?}");
    }
    fs::remove_file(place.cwd().join("Dockerfile")).unwrap();
    let ran = place.run(&["container:push", "web", "-a", "shop"]).await;
    assert!(ran.code == 4 && ran.err.contains("There is no Dockerfile in"), "{ran:?}");
    assert!(!engine.join("words").exists());
}

#[tokio::test]
async fn no_engine_is_there() {
    let server = server().await;
    let (mut place, engine) = place(&server);
    place.env.engine.insert("PATH".to_owned(), "/nowhere".to_owned());
    for verb in ["push", "pull", "run", "login", "logout"] {
        let words = [&format!("container:{verb}"), "web", "-a", "shop"];
        let words = if verb.starts_with("log") { &words[..1] } else { &words };
        let ran = place.run(words).await;
        assert!(ran.code == 4 && ran.err.contains("There is no Docker here, and no Podman."), "{verb}: {ran:?}");
    }
    assert!(!engine.join("words").exists());
}

#[tokio::test]
async fn docker_pushes_as_who_types_and_keeps_nothing() {
    let server = server().await;
    let (mut place, engine) = place(&server);
    let own = place.cwd().join("../docker");
    fs::create_dir(&own).unwrap();
    let settings = json!({ "auths": { "other:1": { "auth": "eDp5" } }, "currentContext": "far" });
    fs::write(own.join("config.json"), settings.to_string()).unwrap();
    place.env.docker_config = Some(own.clone());
    let ran = place.run(&["container:push", "web", "--arg", "A=1,B=2", "--json", "-a", "shop"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let registry = server.url.trim_start_matches("http://");
    let image = format!("{registry}/shop/web");
    assert_eq!(ran.json(), json!([{ "app": "shop", "type": "web", "image": image, "digest": "sha256:abc" }]));
    let read = |name: &str| fs::read_to_string(engine.join(name)).unwrap();
    let told = format!("build --file ./Dockerfile --tag {image} --build-arg A=1 --build-arg B=2 .\npush {image}\n");
    assert_eq!(read("words"), told);
    let shown: Value = serde_json::from_str(&read("settings")).unwrap();
    let auths = json!({ registry: { "auth": "XzpzM2NyZXQ=" } });
    assert_eq!(shown, json!({ "auths": auths, "currentContext": "far" }));
    assert_eq!(fs::read_dir(&place.env.passing).unwrap().count(), 0, "nothing is left");
    assert_eq!(fs::read_to_string(own.join("config.json")).unwrap(), settings.to_string());
    // A login that stays is Docker's own affair.
    let ran = place.run(&["container:login"]).await;
    assert_eq!((ran.code, read("stdin").as_str()), (0, "s3cret"), "{ran:?}");
    assert!(read("words").ends_with(&format!("login --username _ --password-stdin {registry}\n")));
    assert!(!read("own").contains("flowline"), "builds and logins are with the user's own settings");
}

#[tokio::test]
async fn what_an_engine_fails_at_is_said_and_ends_it() {
    let server = server().await;
    let (place, engine) = place(&server);
    for (fails, said) in [("build", "nothing was pushed"), ("push", "printed above says why")] {
        fs::write(engine.join("fails"), fails).unwrap();
        let ran = place.run(&["container:push", "web", "-a", "shop"]).await;
        let ended = format!("`docker {fails}` ended with status 7.");
        assert!(ran.code == 1 && ran.err.contains(&ended) && ran.err.contains(said), "{ran:?}");
        assert!(!ran.err.contains("container:release"), "{ran:?}");
    }
    assert_eq!(fs::read_dir(&place.env.passing).unwrap().count(), 0);
    // Its exit status is that of what ran in it.
    fs::write(engine.join("fails"), "run").unwrap();
    let ran = place.run(&["container:run", "web", "-a", "shop"]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    let told = fs::read_to_string(engine.join("words")).unwrap();
    assert!(told.contains("pull 127.0.0.1:"), "what is not here is pulled first: {told}");
}
