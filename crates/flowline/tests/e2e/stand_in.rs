//! `flowline heroku` and `flowline env` with a program in the place of the official command line that says what it finds.

use crate::flow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use testkit::{Flow, search_path, within};
use tokio::process::Command;

/// A folder for the PATH with a `heroku` of these lines.
fn stand_in(flow: &Flow, script: &str) -> PathBuf {
    let folder = flow.dir().join("stand-in");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("heroku");
    std::fs::write(&program, format!("#!/bin/bash\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn command(flow: &Flow, folder: &Path, words: &[&str]) -> Command {
    let mut command = flow.cli_command(words);
    command.env("PATH", format!("{}:{}", folder.display(), search_path()));
    command
}

async fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = within("the command's end", command.output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// As the official command line connects: by the proxy, trusting what it was told to.
const CURL: &str = "curl -sS --cacert $NODE_EXTRA_CA_CERTS";

#[tokio::test]
async fn it_is_not_installed() {
    let flow = flow().await;
    let mut command = flow.cli_command(&["heroku", "--", "ps"]);
    let (code, _, err) = run(command.env("PATH", "/nowhere")).await;
    assert!(code == 4 && err.contains("npm install --global heroku"), "{code}: {err}");
}

#[tokio::test]
async fn the_platforms_names_lead_here_and_others_nowhere() {
    let flow = flow().await;
    flow.app("shop").await;
    let script = format!(
        "echo \"$@\"; cat; \n\
         for host in api particleboard; do {CURL} -H \"authorization: Bearer $HEROKU_API_KEY\" https://$host.heroku.com/account; done\n\
         {CURL} -d '{{\"name\":\"made\"}}' -H \"authorization: Bearer $HEROKU_API_KEY\" -H 'content-type: application/json' https://api.heroku.com/apps\n\
         {CURL} https://example.org/ || true\n\
         exit 7"
    );
    let folder = stand_in(&flow, &script);
    std::fs::write(flow.dir().join("said"), "on stdin\n").unwrap();
    let mut command = command(&flow, &folder, &["heroku", "--", "ps", "-a", "shop", "--", "x"]);
    command.stdin(std::fs::File::open(flow.dir().join("said")).unwrap());
    command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HEROKU_HOST", "elsewhere.herokudev.com");
    let (code, out, err) = run(&mut command).await;
    assert_eq!(code, 7, "{out}{err}");
    assert!(out.starts_with("ps -a shop -- x\non stdin\n"), "{out}");
    assert_eq!(out.matches("admin@localhost").count(), 3, "twice the account, once the owner: {out} {err}");
    assert!(err.contains("403") && err.contains("It asked for example.org"), "{err}");
    assert_eq!(flow.get("/apps/made").await.status, 200, "{out}");
}

#[tokio::test]
async fn what_it_writes_stays_apart() {
    let flow = flow().await;
    let home = flow.dir().join("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    for (name, text) in
        [(".netrc", "machine api.heroku.com\n"), (".gitconfig", "[user]\n\tname = Me\n"), (".pgpass", "x")]
    {
        std::fs::write(home.join(name), text).unwrap();
    }
    let script = "echo mine >>~/.netrc; git config --global some.thing mine; git config user.name; ls -A ~; git config --global --get-all \
                  credential.https://$HEROKU_GIT_HOST.helper; echo $HEROKU_GIT_HOST-$HEROKU_HOST-";
    let folder = stand_in(&flow, script);
    let (code, out, err) = run(&mut command(&flow, &folder, &["heroku"])).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("Me\n") && out.contains(".ssh\n") && out.contains(".pgpass\n"), "{out}");
    assert!(out.contains("\n!heroku git:credentials\n"), "{out}");
    assert!(out.ends_with(&format!("\n{}--\n", flow.tls)), "{out}");
    let read = |name: &str| std::fs::read_to_string(home.join(name)).unwrap();
    assert_eq!(
        (read(".netrc").as_str(), read(".gitconfig").as_str()),
        ("machine api.heroku.com\n", "[user]\n\tname = Me\n")
    );
    let names = |folder: &std::path::Path| -> Vec<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let folder = home.join(".config/flowline/heroku");
    let servers = names(&folder);
    assert_eq!(servers.len(), 1, "a folder for each server: {servers:?}");
    let left = names(&folder.join(&servers[0]));
    assert_eq!(left, ["home"], "the run's own files have gone");
}

#[tokio::test]
async fn a_shell_is_told_the_same() {
    let flow = flow().await;
    let (code, out, err) = run(&mut flow.cli_command(&["env"])).await;
    assert_eq!(code, 0, "{err}");
    let script =
        format!("{out}\ncurl -sS --noproxy '*' -H \"authorization: Bearer $HEROKU_API_KEY\" $HEROKU_HOST/account");
    let mut bash = Command::new("bash");
    let (code, said, err) = run(bash.arg("-euc").arg(&script)).await;
    assert!(code == 0 && said.contains("admin@localhost"), "{said}{err}");
    let (_, out, _) = run(&mut flow.cli_command(&["env", "--json"])).await;
    let set: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(set["HEROKU_GIT_HOST"], flow.tls.to_string());
    // Far away, where no check of the official command line would let it go by itself.
    let far = flow.cli_command(&["env"]).env("FLOWLINE_URL", "http://0.0.0.0:1").output().await.unwrap();
    assert_eq!(far.status.code(), Some(5));
}
