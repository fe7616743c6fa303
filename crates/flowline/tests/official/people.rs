//! Who may do what: accounts, tokens, clients, keys, collaborators, teams.

use crate::command_line::CommandLine;
use serde_json::Value;
use std::process::Command;

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    tokens(&heroku).await;
    clients(&heroku).await;
    keys(&heroku).await;
    access(&heroku).await;
    teams(&heroku).await;
    accounts(&heroku).await;
}

/// The id of the one entry with this text at this key.
fn id(list: &str, key: &str, text: &str) -> String {
    // Warnings follow on stderr.
    let list = list.rfind(']').map_or(list, |end| &list[..=end]);
    let list: Vec<Value> = serde_json::from_str(list).unwrap_or_else(|error| panic!("{error}: {list}"));
    let found = list.iter().find(|entry| entry[key] == text).unwrap_or_else(|| panic!("no {text} in {list:?}"));
    found["id"].as_str().unwrap().to_owned()
}

async fn tokens(heroku: &CommandLine<'_>) {
    heroku.done(&["auth:whoami"], &["admin@localhost"]).await;
    heroku.done(&["auth:token"], &[&heroku.flow.token]).await;
    heroku.done(&["auth:2fa"], &["Two-factor authentication is not enabled"]).await;
    let made = heroku.done(&["authorizations:create", "-d", "robot", "--short"], &[]).await;
    let token = made.lines().find(|line| line.starts_with("FLOW-")).unwrap_or_default().to_owned();
    heroku.holds(heroku.flow.call_as(&token, "GET", "/account", None).await.status == 200, "a new token opens the API");
    let robot = id(&heroku.done(&["authorizations", "--json"], &["robot"]).await, "description", "robot");
    heroku.done(&["authorizations:info", &robot], &["Description: robot"]).await;
    heroku.done(&["authorizations:update", &robot, "-d", "machine"], &["Description: machine"]).await;
    heroku.done(&["authorizations:rotate", &robot], &["Token: FLOW-"]).await;
    heroku.holds(heroku.flow.call_as(&token, "GET", "/account", None).await.status == 401, "a rotated token is void");
    heroku.done(&["authorizations:revoke", &robot], &["revoked authorization from machine"]).await;
    heroku.done(&["sessions"], &["No OAuth sessions."]).await;
    heroku.ended(&["auth:2fa:disable"], "", 2, &["this command has been removed"]).await;
}

async fn clients(heroku: &CommandLine<'_>) {
    heroku.done(&["clients:create", "site", "https://site.example"], &["HEROKU_OAUTH_SECRET="]).await;
    let site = id(&heroku.done(&["clients", "--json"], &["site"]).await, "name", "site");
    heroku.done(&["clients:info", &site], &["https://site.example"]).await;
    heroku.done(&["clients:update", &site, "-n", "place"], &["done"]).await;
    heroku.done(&["clients:rotate", &site], &["secret:"]).await;
    heroku.done(&["clients:destroy", &site], &["done"]).await;
}

async fn keys(heroku: &CommandLine<'_>) {
    let key = heroku.folder.join("key");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    heroku.done(&["keys:add", "key.pub", "--yes"], &["Uploading", "done"]).await;
    heroku.done(&["keys"], &["me@here"]).await;
    heroku.done(&["keys:remove", "me@here"], &["done"]).await;
    heroku.done(&["keys:clear"], &["done"]).await;
}

async fn access(heroku: &CommandLine<'_>) {
    heroku.done(&["apps:create", "shared"], &[]).await;
    let token = heroku.flow.account("friend@example.org").await;
    heroku.done(&["access:add", "friend@example.org", "-a", "shared"], &["done"]).await;
    heroku.done(&["access", "-a", "shared"], &["friend@example.org"]).await;
    heroku.holds(
        heroku.flow.call_as(&token, "GET", "/apps/shared", None).await.status == 200,
        "a collaborator sees the app",
    );
    heroku.done(&["access:remove", "friend@example.org", "-a", "shared"], &["done"]).await;
    heroku.holds(heroku.flow.call_as(&token, "GET", "/apps/shared", None).await.status == 404, "and then no more");
    heroku.done(&["apps:create", "gift"], &[]).await;
    heroku.done(&["apps:transfer", "friend@example.org", "-a", "gift"], &["gift"]).await;
}

async fn teams(heroku: &CommandLine<'_>) {
    let made = heroku.flow.post("/teams", &serde_json::json!({ "name": "crew" })).await;
    heroku.holds(made.status == 201, &made.text());
    heroku.done(&["teams"], &["crew", "admin"]).await;
    heroku.done(&["orgs"], &["crew"]).await;
    heroku.done(&["orgs:open", "-t", "crew"], &["Opening https://dashboard.heroku.com/teams/crew"]).await;
    heroku.done(&["members:add", "friend@example.org", "-r", "member", "-t", "crew"], &["done"]).await;
    heroku.done(&["members:set", "friend@example.org", "-r", "viewer", "-t", "crew"], &["done"]).await;
    heroku.done(&["members", "-t", "crew"], &["friend@example.org viewer"]).await;
    heroku.done(&["apps:create", "ours", "-t", "crew"], &["Creating ours"]).await;
    heroku.done(&["access:add", "friend@example.org", "-a", "ours", "--permissions", "deploy"], &["done"]).await;
    heroku
        .done(&["access:update", "friend@example.org", "-a", "ours", "--permissions", "deploy,operate"], &["done"])
        .await;
    heroku.done(&["apps:lock", "-a", "ours"], &["Locking ours... done"]).await;
    heroku.done(&["apps:unlock", "-a", "ours"], &["Unlocking ours... done"]).await;
    heroku.done(&["apps:leave", "-a", "ours"], &["done"]).await;
    heroku.done(&["apps:join", "-a", "ours"], &["Joining ours... done"]).await;
    heroku.done(&["members:remove", "friend@example.org", "-t", "crew"], &["done"]).await;
}

async fn accounts(heroku: &CommandLine<'_>) {
    heroku.done(&["auth:logout"], &["Logging out... done"]).await;
    heroku.done(&["auth:whoami"], &["admin@localhost"]).await;
}
