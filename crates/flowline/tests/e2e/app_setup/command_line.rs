//! `flowline apps:setup`.

use super::source;
use crate::flow;
use serde_json::{Value, json};
use std::process::Output;

fn said(ran: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

#[tokio::test]
async fn the_command_line_sets_up_from_a_file_and_from_a_commit() {
    let flow = flow().await;
    let about = json!({
        "env": { "MAIL": {} }, "success_url": "/welcome", "scripts": { "postdeploy": "echo seeded for $MAIL" },
    });
    let file = flow.dir().join("shop.tgz");
    std::fs::write(&file, source(&about).archive()).unwrap();
    let file = file.to_str().unwrap();
    let ran = flow.cli(&["apps:setup", "shop", "--source", file, "-e", "MAIL=me@example.org"]).await;
    let text = said(&ran);
    assert!(ran.status.success(), "{text}");
    for words in ["shop is there", "-----> ", "scripts.postdeploy exited with status 0", "seeded for me@example.org"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.contains("shop is set up: http://shop.localhost"), "{text}");
    let refused = flow.cli(&["apps:setup", "other", "--source", file]).await;
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("invalid app.json; config var MAIL is required"), "{text}");
    assert!(text.contains("flowline apps:destroy -a other"), "{text}");
    let wrong = flow.cli(&["apps:setup", "third", "--source", file, "--env", "MAIL"]).await;
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    // The commit of the folder's repository, under its own name in the ledger.
    let folder = flow.dir().join("checkout");
    std::fs::create_dir_all(&folder).unwrap();
    let unpack = format!(
        "tar -xzf {file} && git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm one"
    );
    let made = tokio::process::Command::new("sh").args(["-c", &unpack]).current_dir(&folder).status().await.unwrap();
    assert!(made.success());
    let words = ["setup", "fourth", "-e", "MAIL=x", "--json"];
    let ran = flow.cli_command(&words).current_dir(&folder).output().await.unwrap();
    assert!(ran.status.success(), "{}", said(&ran));
    let setup: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&setup["status"], &setup["postdeploy"]["exit_code"]), (&json!("succeeded"), &json!(0)));
    let release = flow.known_app("fourth").latest_release().await;
    let description = release["description"].as_str().unwrap();
    assert!(description.starts_with("Deploy ") && description.len() == "Deploy 01234567".len(), "{description}");
    let outside = flow.cli(&["apps:setup", "fifth"]).await;
    assert_eq!(outside.status.code(), Some(2), "{}", said(&outside));
}
