//! The Node.js pack on real packages from the registry.

use crate::sandbox::{Workshop, cannot_mount};

const SERVER: &str = "require('http').createServer((_, answer) => answer.end('hi')).listen(process.env.PORT)";

#[tokio::test]
async fn installs_once_and_reuses_while_nothing_changes() {
    if cannot_mount() {
        return;
    }
    let mut shop = Workshop::new();
    let package = r#"{"name":"a","scripts":{"start":"node server.js"},"dependencies":{"ms":"2.1.3"}}"#;
    let files = [("package.json", package), ("server.js", SERVER)];
    let first = shop.build(&[], &files).await;
    println!("{}", first.text());
    first.says("-----> Node.js app detected");
    first.says("Installing node modules");
    assert_eq!(first.types(), [("web".to_owned(), "npm start".to_owned())]);
    assert!(first.has("node_modules/ms/package.json") && first.has(".profile.d/nodejs.sh"));

    let second = shop.build(&[], &files).await;
    println!("{}", second.text());
    second.says("Reusing node_modules");
    second.never_says("Installing node modules");
    assert!(second.file("node_modules/ms/package.json").contains("2.1.3"));
}
