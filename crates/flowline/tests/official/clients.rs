//! Two other clients that people build on: heroku-client of npm, heroku3 of PyPI.

use crate::command_line::installed;
use crate::flow;
use std::path::Path;
use std::process::Output;
use testkit::{App, Flow, Source, search_path, within};
use tokio::process::Command;

/// Runs a program with the server's address and token in its environment; what it printed.
async fn run(flow: &Flow, program: &Path, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(words).current_dir(installed()).env_clear().env("PATH", search_path());
    command.env("URL", format!("http://{}", flow.api)).env("TOKEN", &flow.token);
    let Output { status, stdout, stderr } = within("the client's end", command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "{}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

async fn shop(flow: &Flow) -> App<'_> {
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    app
}

const NODE: &str = r#"
const Heroku = require('heroku-client');
const heroku = new Heroku({ token: process.env.TOKEN, host: process.env.URL });
(async () => {
    console.log((await heroku.get('/account')).email);
    console.log((await heroku.get('/apps')).map(app => app.name).join());
    console.log(JSON.stringify(await heroku.patch('/apps/shop/config-vars', { body: { A: '1', B: null } })));
    console.log((await heroku.patch('/apps/shop/formation', { body: { updates: [{ type: 'web', quantity: 1 }] } }))[0].type);
    console.log((await heroku.get('/apps/shop/releases')).length);
    console.log((await heroku.post('/apps', { body: { name: 'made' } })).name);
    console.log((await heroku.delete('/apps/made')).name);
    try { await heroku.get('/apps/made'); } catch (error) { console.log(error.statusCode, error.body.id); }
})();
"#;

#[tokio::test]
async fn heroku_client_of_npm() {
    let flow = flow().await;
    shop(&flow).await;
    let said = run(&flow, Path::new("node"), &["-e", NODE]).await;
    assert_eq!(said, "admin@localhost\nshop\n{\"A\":\"1\"}\nweb\n4\nmade\nmade\n404 not_found\n");
}

const PYTHON: &str = r#"
import os, heroku3
heroku = heroku3.api.Heroku()
heroku._heroku_url = os.environ["URL"]
heroku.authenticate(os.environ["TOKEN"])
print(heroku.account().email)
app = heroku.apps()["shop"]
config = app.config()
config["A"] = "1"
print(config.to_dict())
print([release.version for release in app.releases()])
print([(dyno.type, dyno.state) for dyno in app.dynos() if dyno.type == "web"])
print(app.process_formation()["web"].quantity)
app.scale_formation_process("web", 1)
print([domain.hostname for domain in app.domains()])
print(len(app.collaborators()) >= 1)
print(app.addons())
print("Release v3" in app.get_log(lines=100))
print(app.rollback("v3") is not None)
made = heroku.create_app(name="made")
print(made.stack.name)
made.rename("renamed")
print(heroku.apps()["renamed"].name)
heroku.apps()["renamed"].delete()
print(sorted(app.name for app in heroku.apps()))
"#;

#[tokio::test]
async fn heroku3_of_pypi() {
    let flow = flow().await;
    let app = shop(&flow).await;
    assert_eq!(app.get("/").await.text(), "one");
    let said = run(&flow, &installed().join("python/bin/python"), &["-c", PYTHON]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["admin@localhost", "{'A': '1'}", "[1, 2, 3, 4]"], "{said}");
    assert_eq!(
        lines[4..],
        ["1", "['shop.localhost']", "True", "[]", "True", "True", "heroku-24", "renamed", "['shop']"],
        "{said}"
    );
}
