//! Images that run: served, replaced, gone back from, promoted, entered, kept over a restart.

use super::pushing::{BUSYBOX, Image, Registry, base, container, deploy, layer, release};
use crate::flow;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{App, Attached, Flow, Load};

/// What a command prints in a one-off dyno that a client is attached to.
async fn printed(flow: &Flow, app: &App<'_>, path: &str, body: Value) -> String {
    let mut whole = json!({ "attach": true, "force_no_tty": true });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let started = app.call("POST", path, Some(&whole)).await;
    assert_eq!(started.status, 201, "{}", started.text());
    Attached::to(flow, &started.json()["attach_url"]).await.ends().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_pushed_released_served_and_replaced_without_a_failed_request() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let one = Image::serving("one");
    let formation = deploy(&flow, &app, "web", &one).await;
    assert_eq!((&formation[0]["type"], &formation[0]["quantity"]), (&json!("web"), &json!(1)), "{formation}");
    assert_eq!(formation[0]["command"], "busybox httpd -f -v -p $PORT -h /srv");
    app.served("/answer.txt", "one").await;
    let made = app.latest_release().await;
    let short = &one.id()["sha256:".len()..][..12];
    assert_eq!(
        (&made["description"], &made["status"]),
        (&json!(format!("Deployed web ({short})")), &json!("succeeded"))
    );
    let slug = app.read(&format!("/slugs/{}", made["slug"]["id"].as_str().unwrap())).await;
    assert_eq!((&slug["stack"]["name"], &slug["checksum"]), (&json!("container"), &Value::Null));
    let load = Load::start(&flow, &app.host(), 100);
    deploy(&flow, &app, "web", &Image::serving("two")).await;
    app.served("/answer.txt", "two").await;
    let outcome = load.stop().await;
    assert_eq!(outcome.failed, 0, "{:?}", outcome.failures);
    // RLS-6: back to the image before.
    let back = app.call("POST", "/releases", Some(&json!({ "release": 3 }))).await;
    assert_eq!(back.status, 201, "{}", back.text());
    app.served("/answer.txt", "one").await;
}

#[tokio::test]
async fn our_own_command_line_releases_what_was_pushed_and_removes_it() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let cli = async |words: &[&str]| {
        let output = flow.cli(words).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), said)
    };
    let (status, said) = cli(&["container:release", "web", "-a", "shop"]).await;
    assert!(status != 0 && said.contains("latest"), "nothing was pushed: {status} {said}");
    let release = Image::of("r", json!({ "Cmd": ["echo", "the release command"] }));
    for (name, image) in [("web", &Image::serving("one")), ("release", &release)] {
        Registry::of(&flow).push(&app, name, image).await;
    }
    let (status, said) = cli(&["container:release", "web", "release", "-a", "shop"]).await;
    assert!(status == 0 && said.contains("done, v3") && said.contains("the release command"), "{status} {said}");
    app.served("/answer.txt", "one").await;
    let (status, said) = cli(&["container:rm", "release", "-a", "shop"]).await;
    assert!(status == 0 && said.contains("done, v4"), "{status} {said}");
    let formation = app.read("/formation").await;
    let types: Vec<&Value> = formation.as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(types, ["web"]);
}

#[tokio::test]
async fn types_are_released_one_by_one_or_together_and_removed_by_null() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let worker = Image::of("w", json!({ "Entrypoint": ["/bin/sh", "-c", "echo works; exec busybox sleep 3600"] }));
    deploy(&flow, &app, "web", &Image::serving("one")).await;
    deploy(&flow, &app, "worker", &worker).await;
    let types = async || {
        let formation = app.read("/formation").await;
        formation.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(types().await, ["web", "worker"]);
    app.scale("worker", 1).await;
    app.log_says("app[worker.1]: works").await;
    app.served("/answer.txt", "one").await;
    let two = registry.push(&app, "web", &Image::serving("two")).await;
    let both = release(&app, &[("web", Some(&two)), ("worker", Some(&worker.id()))]).await;
    assert_eq!(both.status, 200, "{}", both.text());
    app.served("/answer.txt", "two").await;
    // As container:rm does it.
    let removed = app.call("PATCH", "/formation/worker", Some(&json!({ "docker_image": null }))).await;
    assert_eq!((removed.status.as_u16(), &removed.json()["type"]), (200, &json!("worker")), "{}", removed.text());
    assert_eq!(types().await, ["web"]);
    assert_eq!(app.latest_release().await["description"], "Removed worker");
    let again = app.call("PATCH", "/formation/worker", Some(&json!({ "docker_image": null }))).await;
    assert_eq!(again.status, 404, "{}", again.text());
    app.served("/answer.txt", "two").await;
}

#[tokio::test]
async fn relph_1_an_image_of_the_type_release_runs_before_its_release_is_current() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let command = |words: &str| Image::of("r", json!({ "Cmd": ["/bin/sh", "-c", words] }));
    let web = registry.push(&app, "web", &Image::serving("one")).await;
    let migrate = registry.push(&app, "release", &command("echo migrated")).await;
    let made = release(&app, &[("web", Some(&web)), ("release", Some(&migrate))]).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(app.settled(3).await, "succeeded");
    app.served("/answer.txt", "one").await;
    let output = app.read("/releases/3").await["output_stream_url"].take();
    assert_eq!(flow.read_address(&output).await.text(), "migrated\n");
    let fails = registry.push(&app, "release", &command("echo no; exit 3")).await;
    let two = registry.push(&app, "web", &Image::serving("two")).await;
    assert_eq!(release(&app, &[("web", Some(&two)), ("release", Some(&fails))]).await.status, 200);
    assert_eq!(app.settled(4).await, "failed");
    assert_eq!((app.current_version().await, app.get("/answer.txt").await.text()), (3, "one".to_owned()));
}

#[tokio::test]
async fn a_new_type_whose_release_command_runs_is_promised() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let registry = Registry::of(&flow);
    let command = |words: &str| Image::of("r", json!({ "Cmd": ["/bin/sh", "-c", words] }));
    let waits = registry.push(&app, "release", &command("busybox sleep 600")).await;
    assert_eq!(release(&app, &[("release", Some(&waits))]).await.status, 200);
    let web = registry.push(&app, "web", &Image::serving("one")).await;
    let promised = app.call("PATCH", "/formation/web", Some(&json!({ "docker_image": web }))).await;
    assert_eq!((promised.status.as_u16(), &promised.json()["id"]), (202, &json!("pending")), "{}", promised.text());
    assert!(promised.text().contains("flowline releases:info v4 -a shop"), "{}", promised.text());
    assert_eq!(app.read("/releases/4").await["status"], "pending");
    let taken_out = app.call("PATCH", "/formation/web", Some(&json!({ "docker_image": null }))).await;
    assert!(
        taken_out.status == 202 && taken_out.text().contains("what it changes of web holds when"),
        "{}",
        taken_out.text()
    );
}

#[tokio::test]
async fn one_off_dynos_and_programs_inside_dynos_have_the_files_and_the_environment_of_the_image() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    app.config(json!({ "COLOR": "red" })).await;
    let tool = Image::of("tool", json!({ "Entrypoint": ["/bin/busybox", "echo", "by itself"], "User": "app" }));
    let registry = Registry::of(&flow);
    let web = registry.push(&app, "web", &Image::serving("one")).await;
    let tool = registry.push(&app, "tool", &tool).await;
    assert_eq!(release(&app, &[("web", Some(&web)), ("tool", Some(&tool))]).await.status, 200);
    app.served("/answer.txt", "one").await;
    let what = "busybox cat answer.txt; echo; echo $FROM $COLOR $HOME; busybox pwd; busybox ls / | busybox tr '\\n' ' '; \
        echo x > /new && busybox cat /new; busybox test -e /usr/bin || echo no host";
    let said = printed(&flow, &app, "/dynos", json!({ "command": what })).await;
    for line in ["one\nimage red /root\n/srv\n", "x\nno host\n"] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    // DYNO-51: a type's name is what its image runs; --type chooses whose files.
    assert_eq!(printed(&flow, &app, "/dynos", json!({ "command": "tool" })).await, "by itself\n");
    let home = json!({ "command": "busybox cat /srv/answer.txt; echo \" $HOME\"", "type": "tool" });
    assert_eq!(printed(&flow, &app, "/dynos", home).await, "tool /srv\n");
    // ps:exec asks for bash; this image has a sh only.
    let inside = json!({ "command": "busybox cat answer.txt; echo; echo $DYNO; test -n \"$PORT\" && echo port" });
    assert_eq!(printed(&flow, &app, "/dynos/web.1", inside).await, "one\nweb.1\nport\n");
    let shell = app.call("POST", "/dynos/web.1", Some(&json!({ "command": "bash", "force_no_tty": true }))).await;
    let mut client = Attached::to(&flow, &shell.json()["attach_url"]).await;
    client.type_in("echo in $0\nexit\n").await;
    assert_eq!(client.ends().await, "in sh\n");
}

#[tokio::test]
async fn what_dynos_of_images_write_is_theirs_and_ends_with_them() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    deploy(&flow, &app, "web", &Image::serving("one")).await;
    app.served("/answer.txt", "one").await;
    let write = json!({ "command": "echo changed > /srv/answer.txt; busybox rm /etc/passwd; echo done" });
    assert_eq!(printed(&flow, &app, "/dynos", write).await, "done\n");
    let read = json!({ "command": "busybox cat /srv/answer.txt; busybox ls /etc/passwd" });
    assert_eq!(printed(&flow, &app, "/dynos", read).await, "one/etc/passwd\n");
    assert_eq!(app.get("/answer.txt").await.text(), "one");
}

#[tokio::test]
async fn an_image_runs_on_while_the_server_is_away_and_starts_again_after_it() {
    let mut flow = flow().await;
    let id = {
        let app = container(&flow, "shop").await;
        deploy(&flow, &app, "web", &Image::serving("one")).await;
        app.served("/answer.txt", "one").await;
        app.read("/dynos").await[0]["id"].clone()
    };
    flow.end_serve(Signal::KILL).await;
    assert_eq!(flow.known_app("shop").get("/answer.txt").await.text(), "one");
    flow.start_serve().await;
    let app = flow.known_app("shop");
    assert_eq!(app.read("/dynos").await[0]["id"], id);
    // A dyno after the restart finds the image, and config vars make a release of it.
    app.config(json!({ "COLOR": "red" })).await;
    let color = json!({ "command": "echo $COLOR" });
    assert_eq!(printed(&flow, &app, "/dynos", color).await, "red\n");
    app.served("/answer.txt", "one").await;
}

#[tokio::test]
async fn pipe_30_an_image_is_promoted_as_it_is_and_outlives_the_app_that_it_comes_from() {
    let flow = flow().await;
    let staging = container(&flow, "shop-staging").await;
    let shop = flow.app("shop").await;
    let pipeline = flow.post("/pipelines", &json!({ "name": "shop" })).await.json()["id"].clone();
    for (app, stage) in [("shop-staging", "staging"), ("shop", "production")] {
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        assert_eq!(flow.post("/pipeline-couplings", &coupling).await.status, 201);
    }
    deploy(&flow, &staging, "web", &Image::serving("one")).await;
    staging.served("/answer.txt", "one").await;
    let blobs = flow.files("objects/images");
    let promotion = json!({ "pipeline": { "id": pipeline }, "source": { "app": { "id": "shop-staging" } },
        "targets": [{ "app": { "id": "shop" } }] });
    assert_eq!(flow.post("/pipeline-promotions", &promotion).await.status, 201);
    shop.served("/answer.txt", "one").await;
    assert_eq!(flow.files("objects/images"), blobs, "nothing new is stored");
    assert_eq!(flow.delete("/apps/shop-staging").await.status, 200);
    shop.config(json!({ "COLOR": "red" })).await;
    let color = json!({ "command": "echo $COLOR; busybox cat /srv/answer.txt" });
    assert_eq!(printed(&flow, &shop, "/dynos", color).await, "red\none");
    assert_eq!(flow.files("objects/images"), blobs, "what runs elsewhere is kept");
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
    assert_eq!(flow.files("objects/images"), Vec::<std::path::PathBuf>::new(), "and what nobody runs is not");
}

#[tokio::test]
async fn an_image_without_a_shell_runs_its_words() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let mut image = Image::of("one", json!({ "Cmd": ["/busybox", "echo", "no shell", "$PORT"] }));
    image.layers = vec![layer(&[("busybox", BUSYBOX)])];
    deploy(&flow, &app, "tool", &image).await;
    assert_eq!(printed(&flow, &app, "/dynos", json!({ "command": "tool" })).await, "no shell $PORT\n");
    let split = json!({ "command": "/busybox echo 'a  b' c" });
    assert_eq!(printed(&flow, &app, "/dynos", split).await, "a  b c\n");
    assert_ne!(base(), image.layers[0]);
}

#[tokio::test]
async fn images_with_one_configuration_and_other_layers_are_two() {
    let flow = flow().await;
    let (shop, theirs) = (container(&flow, "shop").await, container(&flow, "theirs").await);
    let one = Image::serving("one");
    let forged = Image { layers: Image::serving("forged").layers, ..one.clone() };
    assert_eq!(one.id(), forged.id());
    // Whoever knows an image's configuration cannot bring other files under another app that runs it.
    deploy(&flow, &theirs, "web", &forged).await;
    theirs.served("/answer.txt", "forged").await;
    deploy(&flow, &shop, "web", &one).await;
    shop.served("/answer.txt", "one").await;
    // Of two under one name, the one that was pushed last is meant.
    deploy(&flow, &shop, "web", &forged).await;
    shop.served("/answer.txt", "forged").await;
}
