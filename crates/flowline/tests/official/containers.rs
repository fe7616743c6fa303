//! Images with a container engine of the machine.

use crate::command_line::CommandLine;
use std::fs;
use testkit::{Engine, Terminal, search_path, within};
use tokio::process::Command;

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    let engine = Engine::make();
    Engine::context(&heroku.folder, "from an image");
    let registry = heroku.flow.api.to_string();
    heroku.done(&["apps:create", "boxed"], &["Creating boxed... done"]).await;
    heroku.done(&["stack:set", "container", "-a", "boxed"], &["done"]).await;
    nowhere(&heroku, &engine).await;
    done(&engine, &heroku, &["container:login"], &["Login Succeeded!"]).await;
    let known = fs::read_to_string(engine.logins()).unwrap_or_default();
    heroku.holds(known.contains(&registry) && !known.contains("heroku.com"), &format!("logins: {known}"));
    done(&engine, &heroku, &["container:push", "web", "-a", "boxed"], &["Your image has been successfully pushed."])
        .await;
    done(&engine, &heroku, &["container:release", "web", "-a", "boxed"], &["Releasing images web to boxed... done"])
        .await;
    heroku.done(&["ps:wait", "-a", "boxed"], &[]).await;
    let answer = heroku.flow.known_app("boxed").get("/answer.txt").await.text();
    heroku.holds(answer == "from an image", &format!("boxed answers {answer}"));
    heroku.done(&["releases", "-a", "boxed"], &["Deployed web ("]).await;
    // It asks for a terminal.
    let terminal = Terminal::start(command(&engine, &heroku, &["container:run", "web", "hello", "-a", "boxed"]));
    heroku.ended_at(terminal, "container:run web hello", 0, &["hello from a container, port 5000"]).await;
    let image = format!("{registry}/boxed/web");
    engine.podman(&["rmi", "--force", &image]).await;
    heroku.holds(!engine.podman(&["image", "exists", &image]).await, "the image is gone");
    done(&engine, &heroku, &["container:pull", "web", "-a", "boxed"], &["Pulling web"]).await;
    heroku.holds(engine.podman(&["image", "exists", &image]).await, "the image is back, by this server's name");
    done(&engine, &heroku, &["container:rm", "web", "-a", "boxed"], &["Removing container web for", "done"]).await;
    let formation = heroku.flow.get("/apps/boxed/formation").await.json();
    heroku.holds(formation.as_array().is_some_and(Vec::is_empty), &format!("web is gone: {formation}"));
    done(&engine, &heroku, &["container:logout"], &["Removed login credentials"]).await;
    let known = fs::read_to_string(engine.logins()).unwrap_or_default();
    heroku.holds(!known.contains(&registry), &format!("logins: {known}"));
    engine.podman(&["rm", "--all", "--force", "--time", "0"]).await;
}

/// Without an engine it is said what is missing; and no word with the platform's registry gets to one.
async fn nowhere(heroku: &CommandLine<'_>, engine: &Engine) {
    let mut without = heroku.command(&["container:login"]);
    let (node, git) = (engine.only("node"), engine.only("git"));
    let clients = crate::command_line::installed().join("node_modules/.bin");
    without.env("PATH", format!("{}:{}:{}", clients.display(), node.display(), git.display()));
    let ended = within("container:login", without.output()).await.unwrap();
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    heroku.holds(!ended.status.success() && said.contains("There is no Docker here, and no Podman"), &said);
    let arg = "FROM=registry.heroku.com/boxed/web";
    let words = ["container:push", "web", "-a", "boxed", "--arg", arg];
    heroku.ends(command(engine, heroku, &words), "container:push --arg", "", 1, &["which is not this server"]).await;
}

/// `flowline heroku -- WORDS` where this is `docker`.
fn command(engine: &Engine, heroku: &CommandLine<'_>, words: &[&str]) -> Command {
    let mut command = heroku.command(words);
    let clients = crate::command_line::installed().join("node_modules/.bin");
    let path = format!("{}:{}:{}", engine.programs().display(), clients.display(), search_path());
    command.env("PATH", path);
    engine.surround(&mut command);
    command
}

async fn done(engine: &Engine, heroku: &CommandLine<'_>, words: &[&str], says: &[&str]) {
    heroku.ends(command(engine, heroku, words), &words.join(" "), "", 0, says).await;
}
