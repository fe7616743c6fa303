//! Somebody without a token: logs in at a terminal and by a browser, with a second factor, has several accounts, and logs out.

use crate::command_line::CommandLine;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, totp, totp_after};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";

pub(crate) async fn lane(heroku: CommandLine<'_>) {
    let (ada, bob) = (heroku.flow.password(ADA).await, heroku.flow.password(BOB).await);
    let refused = heroku.ended(&["auth:whoami"], "", 3, &[]).await;
    heroku.holds(refused.contains("flowline login"), &refused);
    at_a_terminal(&heroku, ADA, &ada).await;
    accounts(&heroku, &bob).await;
    sessions(&heroku).await;
    let recovery = second_factor(&heroku, &ada).await;
    by_a_browser(&heroku, &ada, &recovery).await;
    logout(&heroku).await;
}

/// `login -i`, which is also `flowline login`.
async fn at_a_terminal(heroku: &CommandLine<'_>, email: &str, password: &str) {
    let mut terminal = heroku.at_terminal(&["login", "-i"]);
    terminal.answers("Email", email).await;
    terminal.answers("Password", password).await;
    heroku.ended_at(terminal, "login -i", 0, &[&format!("Logged in as {email}")]).await;
    heroku.done(&["auth:whoami"], &[email]).await;
    let own = heroku.of_flowline(&["auth:whoami"]).await;
    heroku.holds(own.trim() == email, &format!("flowline knows of it: {own}"));
}

async fn accounts(heroku: &CommandLine<'_>, bob: &str) {
    heroku.done(&["accounts:add", "mine"], &[]).await;
    heroku.done(&["accounts"], &["* mine"]).await;
    heroku.done(&["accounts:current"], &["Current account is mine"]).await;
    at_a_terminal(heroku, BOB, bob).await;
    heroku.done(&["accounts:add", "other"], &[]).await;
    heroku.done(&["accounts"], &["mine", "* other"]).await;
    heroku.done(&["accounts:set", "mine"], &[]).await;
    heroku.done(&["auth:whoami"], &[ADA]).await;
    let own = heroku.of_flowline(&["auth:whoami"]).await;
    heroku.holds(own.trim() == ADA, &format!("flowline goes with it: {own}"));
    heroku.done(&["accounts:remove", "other"], &[]).await;
    heroku.done(&["accounts"], &["* mine"]).await;
}

/// A login makes one; a token that is made by hand is none.
async fn sessions(heroku: &CommandLine<'_>) {
    heroku.done(&["sessions"], &["Heroku CLI login from"]).await;
    let token = token(heroku);
    let made = json!({ "description": "A login elsewhere" });
    let made = heroku.flow.call_as(&token, "POST", "/oauth/authorizations", Some(&made)).await;
    heroku.holds(made.status == 201, &made.text());
    let list = heroku.flow.call_as(&token, "GET", "/oauth/sessions", None).await.json();
    heroku.holds(list.as_array().is_some_and(|all| all.len() == 1), &format!("a token of one's own is none: {list}"));
}

/// The second factor is switched on, and the next login is asked for its code.
async fn second_factor(heroku: &CommandLine<'_>, password: &str) -> Vec<String> {
    heroku.done(&["auth:2fa"], &["Two-factor authentication is not enabled"]).await;
    let token = token(heroku);
    let begun = heroku.flow.call_as(&token, "POST", "/account/two-factor", Some(&json!({}))).await.json();
    let secret = begun["secret"].as_str().unwrap_or_default().to_owned();
    let code = json!({ "code": totp(&secret).await });
    let on = heroku.flow.call_as(&token, "PUT", "/account/two-factor", Some(&code)).await;
    heroku.holds(on.status == 200, &on.text());
    heroku.done(&["auth:2fa"], &["Two-factor authentication is enabled"]).await;
    let mut terminal = heroku.at_terminal(&["login", "-i"]);
    terminal.answers("Email", ADA).await;
    terminal.answers("Password", password).await;
    terminal.answers("Two-factor code", "000000").await;
    let (status, text) = terminal.end().await;
    heroku.holds(status != Some(0) && text.contains("code"), &format!("a wrong code: {status:?} {text}"));
    let mut terminal = heroku.at_terminal(&["login", "-i"]);
    terminal.answers("Email", ADA).await;
    terminal.answers("Password", password).await;
    // Each code is good once: the next one, which clocks that are a little fast show already.
    terminal.sees("Two-factor code").await;
    let next = totp_after(&secret, 1).await;
    terminal.types(&next).await;
    heroku.ended_at(terminal, "login -i", 0, &[&format!("Logged in as {ADA}")]).await;
    heroku.done(&["auth:whoami"], &[ADA]).await;
    // One of the two logins ends the other.
    let before = heroku.flow.call_as(&token, "GET", "/account", None).await;
    heroku.holds(before.status == 200, "the login before goes on");
    let list = heroku.flow.call_as(&token, "GET", "/oauth/sessions", None).await.json();
    let other = heroku.flow.call_as(&token, "GET", "/oauth/authorizations/~", None).await.json()["id"].clone();
    heroku.holds(list.as_array().is_some_and(|all| all.len() == 2), &format!("two logins: {list}"));
    heroku.done(&["sessions:destroy", other.as_str().unwrap_or_default()], &["done"]).await;
    let after = heroku.flow.call_as(&token, "GET", "/account", None).await;
    heroku.holds(after.status == 401, "a login that was ended is over");
    let codes = on.json()["recovery_codes"].as_array().cloned().unwrap_or_default();
    codes.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The page that `login` opens: a wrong password, the right one, the second factor.
async fn by_a_browser(heroku: &CommandLine<'_>, password: &str, recovery: &[String]) {
    let mut terminal = heroku.at_terminal(&["login"]);
    terminal.sees("Press any key").await;
    terminal.presses("x");
    let said = terminal.sees("/login/browser/").await;
    let begins = said.find("http").unwrap_or_default();
    heroku.holds(said[begins..].starts_with(&format!("http://{}", heroku.flow.api)), &said);
    let said = terminal.sees("\n").await;
    let path = said.split("/login/browser/").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let path = format!("/login/browser/{}", path.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()));
    let page = heroku.flow.raw("GET", &path, &[], Bytes::new()).await;
    heroku.holds(page.status == 200 && page.text().contains("Heroku CLI login from"), &page.text());
    heroku.holds(page.header("content-security-policy").contains("default-src 'none'"), "no script on the page");
    let submit = async |password: &str, code: &str| -> Answer {
        let form = format!("email={}&password={}&code={}", escaped(ADA), escaped(password), escaped(code));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        heroku.flow.raw("POST", &path, &headers, Bytes::from(form)).await
    };
    let wrong = submit("a wrong password", "").await;
    heroku.holds(wrong.status == 401 && wrong.text().contains("<form"), &wrong.text());
    let asks = submit(password, "").await;
    heroku.holds(asks.status == 403 && asks.text().contains("one-time-code"), &asks.text());
    heroku.holds(!asks.text().contains(password), "a password is never sent back");
    let good = submit(password, recovery.first().map_or("", String::as_str)).await;
    heroku.holds(good.status == 200 && good.text().contains("Logged in"), &good.text());
    heroku.ended_at(terminal, "login", 0, &[&format!("Logged in as {ADA}")]).await;
    heroku.done(&["auth:whoami"], &[ADA]).await;
    let over = heroku.flow.raw("GET", &path, &[], Bytes::new()).await;
    heroku.holds(over.status == 404, "an address is good for one login");
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

/// The login ends on the server too, and for `flowline`.
async fn logout(heroku: &CommandLine<'_>) {
    let token = token(heroku);
    heroku.holds(heroku.flow.call_as(&token, "GET", "/account", None).await.status == 200, "logged in");
    heroku.done(&["auth:logout"], &["Logging out... done"]).await;
    heroku.holds(heroku.flow.call_as(&token, "GET", "/account", None).await.status == 401, "the token is void");
    heroku.refused(&["auth:whoami"], 3, &["flowline login"]).await;
}

/// What `flowline` keeps of the login.
fn token(heroku: &CommandLine<'_>) -> String {
    let file = heroku.folder.join("home/.config/flowline/credentials.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap_or_default()).unwrap_or_default();
    let login = kept["servers"].as_object().and_then(|all| all.values().next()).cloned().unwrap_or_default();
    login["token"].as_str().unwrap_or_default().to_owned()
}
