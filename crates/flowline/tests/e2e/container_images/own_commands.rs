//! `flowline container:*` with the machine's own engine: nobody logs in, and no token stays behind.

use super::pushing::container;
use crate::flow;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use testkit::{Engine, Flow, search_path, within};
use tokio::process::Command;

/// Where commands are typed, and what they find there.
struct Desk<'f> {
    flow: &'f Flow,
    engine: Engine,
    folder: PathBuf,
}

impl<'f> Desk<'f> {
    fn of(flow: &'f Flow) -> Self {
        let (engine, folder) = (Engine::make(), flow.dir().join("typed-here"));
        for folder in [&folder, &engine.at("passing"), &flow.dir().join("home")] {
            fs::create_dir_all(folder).unwrap();
        }
        Engine::context(&folder, "pushed by our own");
        Self { flow, engine, folder }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.flow.cli_command(words);
        command.env("PATH", format!("{}:{}", self.engine.programs().display(), search_path()));
        command.env("XDG_RUNTIME_DIR", self.engine.at("passing")).current_dir(&self.folder);
        self.engine.surround(&mut command);
        command
    }

    /// Exit code, stdout, stderr.
    async fn ends(&self, mut command: Command) -> (i32, String, String) {
        let ended = within("the command's end", command.output()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ended.status.code().unwrap(), text(&ended.stdout), text(&ended.stderr))
    }

    /// It must succeed: what it said.
    async fn done(&self, typed: &str) -> String {
        let (code, out, err) = self.ends(self.command(&typed.split(' ').collect::<Vec<_>>())).await;
        assert_eq!(code, 0, "{typed}: {out}{err}");
        out + &err
    }

    /// Files below the home, the engine's folders and the one for passing things, in which the token is.
    fn with_token(&self) -> Vec<PathBuf> {
        let token = self.flow.token.as_str();
        let hidden = BASE64_STANDARD.encode(format!("_:{token}"));
        let (mut found, mut folders) =
            (Vec::new(), vec![self.flow.dir().join("home"), self.engine.folder().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && holds(&path, &[token, &hidden]) {
                    found.push(path);
                }
            }
        }
        found
    }
}

fn holds(path: &Path, texts: &[&str]) -> bool {
    let bytes = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    texts.iter().any(|part| text.contains(part))
}

#[tokio::test]
async fn an_image_is_built_pushed_released_and_pulled_without_a_login() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let desk = Desk::of(&flow);
    let said = desk.done("container:push web -a shop").await;
    assert!(said.contains("flowline container:release web --app shop"), "{said}");
    desk.done("container:release web --app shop").await;
    app.served("/answer.txt", "pushed by our own").await;
    let image = format!("{}/shop/web", flow.api);
    desk.engine.podman(&["rmi", "--force", &image]).await;
    assert!(!desk.engine.podman(&["image", "exists", &image]).await);
    desk.done("container:pull web -a shop").await;
    assert!(desk.engine.podman(&["image", "exists", &image]).await);
    // What is not here is pulled, and the exit status is that of what ran.
    desk.engine.podman(&["rmi", "--force", &image]).await;
    let words = ["container:run", "web", "hello", "-p", "5005", "-a", "shop"];
    let (code, out, err) = desk.ends(desk.command(&words)).await;
    assert_eq!((code, out.as_str()), (0, "hello from a container, port 5005\n"), "{err}");
    let words = ["container:run", "web", "-a", "shop", "--", "sh", "-c", "exit 3"];
    assert_eq!(desk.ends(desk.command(&words)).await.0, 3);
    assert_eq!(desk.with_token(), Vec::<PathBuf>::new());
    let left = fs::read_dir(desk.engine.at("passing")).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("flowline")), "{left:?}");
    // A login that stays is there for whoever wants it.
    desk.done("container:login").await;
    assert_eq!(desk.with_token(), [desk.engine.logins()]);
    desk.done("container:logout").await;
    assert_eq!(desk.with_token(), Vec::<PathBuf>::new());
    desk.engine.podman(&["rm", "--all", "--force", "--time", "0"]).await;
}

#[tokio::test]
async fn each_dockerfile_of_a_type_is_pushed_by_tls_too() {
    let flow = flow().await;
    let app = container(&flow, "shop").await;
    let desk = Desk::of(&flow);
    fs::copy(desk.folder.join("Dockerfile"), desk.folder.join("Dockerfile.web")).unwrap();
    fs::create_dir(desk.folder.join("jobs")).unwrap();
    let worker =
        "ARG SAYS\nFROM scratch\nCOPY busybox /bin/sh\nARG SAYS\nENV SAYS=$SAYS\nCMD echo it says $SAYS; sleep 3600\n";
    fs::write(desk.folder.join("jobs/Dockerfile.worker"), worker).unwrap();
    let words = "container:push --recursive --context-path . --arg SAYS=hello --json -a shop";
    let mut command = desk.command(&words.split(' ').collect::<Vec<_>>());
    command.env("FLOWLINE_URL", format!("https://{}", flow.tls)).env("FLOWLINE_CA", flow.dir().join("ca.pem"));
    let (code, out, err) = desk.ends(command).await;
    assert_eq!(code, 0, "{out}{err}");
    let pushed: serde_json::Value = serde_json::from_str(&out).unwrap();
    let types = [&pushed[0]["type"], &pushed[1]["type"]];
    assert_eq!(
        (types, &pushed[0]["image"]),
        ([&json!("web"), &json!("worker")], &json!(format!("{}/shop/web", flow.tls)))
    );
    assert!(pushed[0]["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{pushed}");
    assert_eq!(desk.with_token(), Vec::<PathBuf>::new());
    desk.done("container:release web worker -a shop").await;
    app.served("/answer.txt", "pushed by our own").await;
    app.scale("worker", 1).await;
    app.log_says("it says hello").await;
}

#[tokio::test]
async fn what_cannot_be_is_said_before_anything_is_built() {
    let flow = flow().await;
    flow.app("built").await;
    let desk = Desk::of(&flow);
    let typed = async |words: &[&str], path: Option<PathBuf>| {
        let mut command = desk.command(words);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let (code, _, err) = desk.ends(command).await;
        (code, err)
    };
    let (code, err) = typed(&["container:push", "web", "-a", "built"], None).await;
    assert!(code == 2 && err.contains("flowline stack:set container -a built"), "{err}");
    let (code, err) = typed(&["container:push", "Web", "-a", "built"], None).await;
    assert!(code == 2 && err.contains("`Web` cannot be"), "{err}");
    let git = desk.engine.only("git");
    let (code, err) = typed(&["container:push", "web", "-a", "built"], Some(git)).await;
    assert!(code == 4 && err.contains("no Docker here, and no Podman"), "{err}");
    fs::remove_file(desk.folder.join("Dockerfile")).unwrap();
    let (code, err) = typed(&["container:push", "web", "-a", "built"], None).await;
    assert!(code == 4 && err.contains("There is no Dockerfile in"), "{err}");
}
