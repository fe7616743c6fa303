//! The command line for people: logins, second factors, teams, access, tokens, keys and accounts, as people and scripts type it.

use crate::flow;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use testkit::{Flow, Terminal, totp, within};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How a command ended and what it said.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Somebody with a token, or with a home folder in which `login` stored one.
struct Person<'f> {
    flow: &'f Flow,
    token: Option<String>,
    home: String,
}

impl<'f> Person<'f> {
    fn operator(flow: &'f Flow) -> Self {
        Self { flow, token: Some(flow.token.clone()), home: "home".into() }
    }

    /// Nobody yet.
    fn new(flow: &'f Flow, home: &str) -> Self {
        Self { flow, token: None, home: home.into() }
    }

    async fn with_account(flow: &'f Flow, email: &str) -> Self {
        Self { token: Some(flow.account(email).await), ..Self::new(flow, email) }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.flow.cli_command(words);
        command.env("HOME", self.flow.dir().join(&self.home)).env_remove("FLOWLINE_TOKEN");
        command.envs(self.token.iter().map(|token| ("FLOWLINE_TOKEN", token)));
        command
    }

    async fn typing(&self, words: &[&str], input: &str) -> Ran {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = within("the command's end", child.wait_with_output()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    async fn run(&self, words: &[&str]) -> Ran {
        self.typing(words, "").await
    }

    /// A command that must succeed; what it printed on stdout.
    async fn done(&self, words: &[&str]) -> String {
        let ran = self.run(words).await;
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran.out
    }

    async fn json(&self, words: &[&str]) -> Value {
        let out = self.done(&[words, &["--json"]].concat()).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
    }

    /// A command that must fail with this code and these words.
    async fn fails(&self, words: &[&str], code: i32, said: &str) {
        let ran = self.run(words).await;
        assert!(ran.code == code && ran.err.contains(said), "{words:?}: {ran:?}");
    }

    /// The token that `login` stored.
    fn stored_token(&self) -> String {
        let path = self.flow.dir().join(&self.home).join(".config/flowline/credentials.json");
        let stored: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let server = stored["servers"].as_object().unwrap().values().next().unwrap().clone();
        server["token"].as_str().unwrap().to_owned()
    }
}

/// What stands behind `Name: ` in the output.
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

#[tokio::test]
async fn a_new_account_logs_in_changes_its_password_and_logs_out() {
    let flow = flow().await;
    let admin = Person::operator(&flow);
    let made = admin.run(&["accounts:create", "ada@example.org", "--name", "Ada"]).await;
    assert!(made.code == 0 && made.err.contains("flowline login --url http://"), "{made:?}");
    let password = field(&made.out, "Password");
    let ada = Person::new(&flow, "ada");
    let mut terminal = Terminal::start(ada.command(&["login"]));
    terminal.answers("E-mail", "ada@example.org").await;
    terminal.answers("Password", &password).await;
    let said = terminal.ends(0).await;
    assert!(said.contains("as ada@example.org") && !said.contains(&password), "the password is not shown: {said}");
    assert_eq!(ada.done(&["whoami"]).await, "ada@example.org\n");
    assert!(ada.done(&["sessions"]).await.contains("flowline login on "));
    let wrong = ada.typing(&["login", "--email", "ada@example.org"], "wrong\n").await;
    assert!(wrong.code == 3 && wrong.err.contains("e-mail or password is wrong"), "{wrong:?}");
    ada.fails(&["login"], 2, "That is no token").await;
    // A script: the present password and the next.
    let short = ada.typing(&["passwd"], &format!("{password}\nshort\n")).await;
    assert!(short.code == 2 && short.err.contains("A password needs"), "{short:?}");
    let changed = ada.typing(&["passwd"], &format!("{password}\ncorrect horse battery \n")).await;
    assert_eq!(changed.code, 0, "{changed:?}");
    let again = Person::new(&flow, "ada-elsewhere");
    assert_eq!(again.typing(&["login"], &format!("ada@example.org\n{password}\n")).await.code, 3);
    // The space at the end is part of the password.
    assert_eq!(again.typing(&["login"], "ada@example.org\ncorrect horse battery\n").await.code, 3);
    let login = again.typing(&["login", "--json"], "ada@example.org\ncorrect horse battery \n").await;
    assert!(login.code == 0 && login.out.contains("\"ada@example.org\""), "{login:?}");
    let mut terminal = Terminal::start(ada.command(&["passwd"]));
    terminal.answers("Present password", "correct horse battery ").await;
    terminal.answers("New password", "another horse battery").await;
    terminal.answers("again", "another hoarse battery").await;
    let said = terminal.ends(2).await;
    assert!(said.contains("The two differ"), "{said}");
    let token = again.stored_token();
    assert_eq!(flow.call_as(&token, "GET", "/account", None).await.status, 200);
    assert_eq!(again.run(&["logout"]).await.code, 0);
    assert_eq!(flow.call_as(&token, "GET", "/account", None).await.status, 401, "logout ends its own token");
    assert_eq!(again.run(&["apps"]).await.code, 3);
    assert_eq!(ada.done(&["whoami"]).await, "ada@example.org\n", "the other login goes on");
    // A token that was given is not ended by logout: it may be somebody else's too.
    let given = Person::new(&flow, "given");
    assert_eq!(given.typing(&["login"], &format!("{}\n", flow.token)).await.code, 0);
    assert_eq!(given.run(&["logout"]).await.code, 0);
    assert_eq!(flow.get("/account").await.status, 200);
}

#[tokio::test]
async fn api_14_a_second_factor_is_set_up_asked_for_and_ended() {
    let flow = flow().await;
    let email = "ada@example.org";
    let password = flow.password(email).await;
    let ada = Person::new(&flow, "ada");
    assert_eq!(ada.typing(&["login"], &format!("{email}\n{password}\n")).await.code, 0);
    assert_eq!(ada.done(&["2fa"]).await, "Two-factor authentication is not enabled\n");
    let mut terminal = Terminal::start(ada.command(&["2fa:enable"]));
    let shown = terminal.sees("Code that it shows now: ").await;
    assert!(shown.contains("otpauth://totp/"), "{shown}");
    let key = shown.lines().find_map(|line| line.trim().strip_prefix("Key ")).unwrap().trim().to_owned();
    terminal.types(&totp(&key).await).await;
    let said = terminal.ends(0).await;
    let codes: Vec<&str> = said.lines().rev().take_while(|line| !line.contains(' ')).map(str::trim).collect();
    assert!(codes.len() >= 8 && codes.iter().all(|code| code.len() >= 8), "recovery codes: {said}");
    assert_eq!(ada.done(&["2fa"]).await, "Two-factor authentication is enabled\n");
    let phone = Person::new(&flow, "phone");
    let mut terminal = Terminal::start(phone.command(&["login"]));
    terminal.answers("E-mail", email).await;
    terminal.answers("Password", &password).await;
    terminal.answers("Two-factor code", "000000x").await;
    terminal.answers("Two-factor code", codes[0]).await;
    let said = terminal.ends(0).await;
    assert!(said.contains("This code is wrong"), "{said}");
    let script = format!("{email}\n{password}\n");
    let asked = phone.typing(&["login"], &script).await;
    assert!(asked.code == 2 && asked.err.contains("second factor"), "{asked:?}");
    let used = phone.typing(&["login"], &format!("{script}{}\n", codes[0])).await;
    assert!(used.code == 3 && used.err.contains("used before"), "{used:?}");
    assert_eq!(phone.typing(&["login"], &format!("{script}{}\n", codes[1])).await.code, 0);
    let off = ada.typing(&["2fa:disable"], &format!("{password}\n{}\n", codes[2])).await;
    assert_eq!(off.code, 0, "{off:?}");
    assert_eq!(phone.typing(&["login"], &script).await.code, 0, "the password alone");
}

#[tokio::test]
async fn team_6_a_team_its_members_and_somebody_who_is_invited() {
    let flow = flow().await;
    let admin = Person::operator(&flow);
    let ada = Person::with_account(&flow, "ada@example.org").await;
    assert_eq!(admin.done(&["teams"]).await, "You are in no team.\n");
    admin.done(&["teams:create", "acme"]).await;
    admin.fails(&["teams:create", "acme"], 2, "already taken").await;
    ada.fails(&["members", "-t", "acme"], 4, "`flowline teams` lists yours").await;
    admin.done(&["members:add", "ada@example.org", "-r", "viewer", "-t", "acme"]).await;
    admin.fails(&["members:add", "ada@example.org", "-t", "acme"], 2, "already a member").await;
    admin.done(&["members:set", "ada@example.org", "-r", "member", "-t", "acme"]).await;
    assert_eq!(ada.done(&["teams"]).await, "=== Teams\n\nacme  member\n");
    ada.fails(&["members:add", "x@example.org", "-t", "acme"], 3, "Only admins of the team acme").await;
    let invited = admin.run(&["members:add", "bob@example.org", "-t", "acme", "-r", "admin"]).await;
    let token = invited.out.trim();
    assert!(invited.code == 0 && invited.err.contains(&format!("flowline members:accept {token}")), "{invited:?}");
    assert!(admin.done(&["members:invitations", "-t", "acme"]).await.starts_with("bob@example.org  admin  by admin@"));
    ada.fails(&["members:accept", token], 4, "Log in with the account that it was sent to").await;
    let bob = Person::with_account(&flow, "bob@example.org").await;
    let joined = bob.run(&["members:accept", token]).await;
    assert_eq!((joined.code, joined.err.as_str()), (0, "Joining acme as admin... done\n"));
    assert_eq!(admin.done(&["members:invitations", "-t", "acme"]).await, "Nobody is invited to acme.\n");
    let admins = admin.done(&["members", "-t", "acme", "-r", "admin"]).await;
    assert!(admins.contains("bob@example.org") && !admins.contains("ada@"), "{admins}");
    admin.done(&["members:add", "eve@example.org", "-t", "acme"]).await;
    let back = admin.run(&["members:remove", "eve@example.org", "-t", "acme"]).await;
    assert!(back.code == 0 && back.err.contains("the invitation was taken back"), "{back:?}");
    admin.fails(&["members:remove", "eve@example.org", "-t", "acme"], 4, "`flowline members -t TEAM`").await;
    bob.done(&["members:remove", "ada@example.org", "-t", "acme"]).await;
    bob.done(&["teams:rename", "acme", "acme-labs"]).await;
    bob.fails(&["teams:destroy", "acme-labs"], 2, "--confirm acme-labs").await;
    bob.fails(&["teams:destroy", "acme-labs", "--confirm", "acme"], 2, "Nothing was changed").await;
    bob.done(&["teams:destroy", "acme-labs", "--confirm", "acme-labs"]).await;
    assert_eq!(bob.json(&["teams"]).await, serde_json::json!([]));
}

#[tokio::test]
async fn team_4_and_app_5_apps_of_a_team_are_locked_joined_and_handed_over() {
    let flow = flow().await;
    let admin = Person::operator(&flow);
    let ada = Person::with_account(&flow, "ada@example.org").await;
    admin.done(&["teams:create", "acme"]).await;
    admin.done(&["members:add", "ada@example.org", "-t", "acme"]).await;
    admin.done(&["apps:create", "shop", "-t", "acme", "--locked"]).await;
    admin.done(&["apps:create", "blog"]).await;
    assert_eq!(admin.done(&["apps"]).await, "=== Apps\n\nblog\n\n=== Apps in the team acme\n\nshop\n");
    assert_eq!(ada.done(&["apps", "-t", "acme"]).await, "=== Apps in the team acme\n\nshop\n");
    assert_eq!(admin.done(&["apps", "--personal"]).await, "=== Apps\n\nblog\n");
    ada.fails(&["apps:join", "-a", "shop"], 3, "`manage`").await;
    admin.done(&["apps:unlock", "-a", "shop"]).await;
    assert!(admin.run(&["apps:unlock", "-a", "shop"]).await.err.contains("it is not locked"));
    admin.fails(&["apps:lock", "-a", "blog"], 2, "belongs to no team").await;
    ada.done(&["apps:join", "-a", "shop"]).await;
    admin.done(&["lock", "-a", "shop"]).await;
    assert!(admin.done(&["access", "-a", "shop"]).await.contains("ada@example.org"));
    ada.done(&["apps:leave", "-a", "shop"]).await;
    assert!(!admin.done(&["access", "-a", "shop"]).await.contains("ada@example.org"));
    // A personal app is offered; the other one takes it.
    let offered = admin.run(&["apps:transfer", "ada@example.org", "-a", "blog"]).await;
    assert!(offered.code == 0 && offered.err.contains("flowline apps:transfer:accept blog"), "{offered:?}");
    assert!(ada.done(&["apps:transfers"]).await.contains("admin@localhost → ada@example.org"));
    admin.fails(&["apps:transfer:accept", "blog"], 3, "Only ada@example.org can answer").await;
    admin.done(&["apps:transfer:cancel", "blog"]).await;
    ada.fails(&["apps:transfer:accept", "blog"], 4, "`flowline apps:transfers` lists them").await;
    admin.done(&["apps:transfer", "ada@example.org", "-a", "blog"]).await;
    ada.done(&["apps:transfer:decline", "blog"]).await;
    admin.done(&["apps:transfer", "ada@example.org", "-a", "blog"]).await;
    let taken = ada.run(&["apps:transfer:accept", "blog"]).await;
    assert_eq!((taken.code, taken.err.as_str()), (0, "Accepting ⬢ blog from admin@localhost... done\n"));
    // To a team it goes at once.
    ada.done(&["apps:transfer", "acme", "-a", "blog", "--locked"]).await;
    assert_eq!(admin.done(&["apps", "-t", "acme"]).await, "=== Apps in the team acme\n\nblog\nshop\n");
    assert_eq!(flow.get("/teams/apps/blog").await.json()["locked"], true);
}

#[tokio::test]
async fn perm_7_access_is_given_changed_and_taken() {
    let flow = flow().await;
    let admin = Person::operator(&flow);
    let ada = Person::with_account(&flow, "ada@example.org").await;
    admin.done(&["teams:create", "acme"]).await;
    admin.done(&["apps:create", "shop", "-t", "acme"]).await;
    admin.done(&["apps:create", "blog"]).await;
    let added = admin.run(&["access:add", "ada@example.org", "-a", "shop", "--permissions", "view,deploy"]).await;
    let said = "Adding ada@example.org access to ⬢ shop with view, deploy... done\n";
    assert_eq!((added.code, added.err.as_str()), (0, said));
    let listed = admin.done(&["access", "-a", "shop"]).await;
    assert!(listed.contains("ada@example.org") && listed.contains("view, deploy"), "{listed}");
    admin.done(&["access:update", "ada@example.org", "-p", "operate", "-a", "shop"]).await;
    assert!(admin.done(&["access", "-a", "shop"]).await.contains("view, operate"));
    admin.fails(&["access:update", "ada@example.org", "-p", "fly", "-a", "shop"], 2, "`fly` is no permission").await;
    admin.fails(&["access:add", "no@example.org", "-a", "shop"], 4, "`flowline accounts:create EMAIL`").await;
    ada.done(&["ps", "-a", "shop"]).await;
    admin.done(&["access:remove", "ada@example.org", "-a", "shop"]).await;
    ada.fails(&["ps", "-a", "shop"], 4, "Couldn't find that app").await;
    admin.fails(&["access:remove", "ada@example.org", "-a", "shop"], 4, "`flowline access` lists").await;
    admin.fails(&["access:add", "ada@example.org", "-p", "view", "-a", "blog"], 2, "blog is a personal app").await;
    admin.done(&["access:add", "ada@example.org", "-a", "blog"]).await;
    assert_eq!(ada.done(&["apps"]).await, "=== Apps\n\nblog\n");
}

#[tokio::test]
async fn oauth_3_tokens_and_clients_are_made_rotated_and_ended() {
    let flow = flow().await;
    let admin = Person::operator(&flow);
    let token = admin.done(&["authorizations:create", "-d", "CI", "-s", "read,write", "-e", "3600", "--short"]).await;
    let ci = Person { token: Some(token.trim().to_owned()), ..Person::new(&flow, "ci") };
    assert_eq!(ci.done(&["apps"]).await, "You have no apps.\n");
    ci.fails(&["authorizations"], 3, "flowline authorizations:create --scope global").await;
    let listed = admin.json(&["authorizations"]).await;
    let one = listed.as_array().unwrap().iter().find(|one| one["description"] == "CI").unwrap();
    let id = one["id"].as_str().unwrap();
    let shown = admin.done(&["authorizations:info", id]).await;
    assert_eq!((field(&shown, "Scope").as_str(), field(&shown, "Description").as_str()), ("read,write", "CI"));
    assert!(!shown.contains("Token:") && shown.contains("Expires at:"), "told once: {shown}");
    admin.done(&["authorizations:update", id, "-d", "nightly"]).await;
    assert!(admin.done(&["authorizations"]).await.contains("nightly"));
    let rotated = field(&admin.done(&["authorizations:rotate", id]).await, "Token");
    assert_eq!(ci.run(&["apps"]).await.code, 3, "the token before");
    let ci = Person { token: Some(rotated), ..ci };
    assert_eq!(ci.run(&["apps"]).await.code, 0);
    admin.done(&["authorizations:revoke", id]).await;
    assert_eq!(ci.run(&["apps"]).await.code, 3);
    admin.fails(&["authorizations:info", id], 4, "`flowline authorizations` lists them").await;
    admin.fails(&["authorizations:create", "-s", "all"], 2, "`all` is no scope").await;
    let made = admin.done(&["clients:create", "board", "https://board.example.org/cb", "-s"]).await;
    let id = made.lines().next().unwrap().strip_prefix("HEROKU_OAUTH_ID=").unwrap();
    let secret = made.lines().nth(1).unwrap().strip_prefix("HEROKU_OAUTH_SECRET=").unwrap();
    assert!(!admin.done(&["clients:info", id]).await.contains(secret), "told once");
    admin.done(&["clients:update", id, "--url", "https://board.example.org/back"]).await;
    assert!(admin.done(&["clients"]).await.contains("https://board.example.org/back"));
    assert_ne!(field(&admin.done(&["clients:rotate", id]).await, "Secret"), secret);
    admin.fails(&["clients:create", "evil", "http://board.example.org/"], 2, "https address").await;
    admin.done(&["clients:destroy", id]).await;
    assert_eq!(admin.done(&["clients"]).await, "You have no OAuth clients.\n");
    let login = Person::new(&flow, "ada");
    let password = flow.password("ada@example.org").await;
    assert_eq!(login.typing(&["login"], &format!("ada@example.org\n{password}\n")).await.code, 0);
    let sessions = login.json(&["sessions"]).await;
    login.done(&["sessions:destroy", sessions[0]["id"].as_str().unwrap()]).await;
    assert_eq!(login.run(&["sessions"]).await.code, 3, "it ended itself");
}

fn make_key(folder: &Path, name: &str, comment: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join(name);
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(file)
        .status()
        .unwrap();
    assert!(made.success());
}

#[tokio::test]
async fn keys_are_added_from_the_home_folder_and_removed() {
    let flow = flow().await;
    let ada = Person::with_account(&flow, "ada@example.org").await;
    let ssh = flow.dir().join(&ada.home).join(".ssh");
    ada.fails(&["keys:add"], 2, "ssh-keygen -t ed25519").await;
    make_key(&ssh, "id_ed25519", "ada@laptop");
    ada.fails(&["keys:add"], 2, "--yes").await;
    let mut terminal = Terminal::start(ada.command(&["keys:add"]));
    terminal.answers("id_ed25519.pub? [Y/n]", "n").await;
    terminal.ends(2).await;
    assert_eq!(ada.done(&["keys"]).await, "You have no SSH keys.\n");
    ada.done(&["keys:add", "--yes"]).await;
    make_key(&ssh, "work", "ada@work");
    ada.fails(&["keys:add", "--yes"], 2, "There are several public keys").await;
    let private = ssh.join("work").display().to_string();
    ada.fails(&["keys:add", &private], 2, "is a private key. It was not sent").await;
    let mut terminal = Terminal::start(ada.command(&["keys:add"]));
    terminal.answers("Which one?", "2").await;
    terminal.ends(0).await;
    let listed = ada.done(&["keys"]).await;
    assert!(listed.starts_with("=== ada@example.org keys\n\nssh-ed25519  SHA256:"), "{listed}");
    assert!(listed.contains("ada@laptop") && listed.contains("ada@work"), "{listed}");
    assert!(ada.done(&["keys", "--long"]).await.contains("ssh-ed25519 AAAA"));
    ada.done(&["keys:remove", "ada@laptop"]).await;
    ada.fails(&["keys:remove", "ada@laptop"], 4, "`flowline keys` lists them").await;
    let cleared = ada.run(&["keys:clear"]).await;
    assert_eq!((cleared.code, cleared.err.as_str()), (0, "Removing all SSH keys (1)... done\n"));
    assert_eq!(ada.json(&["keys"]).await, serde_json::json!([]));
}

#[tokio::test]
async fn operators_make_help_and_destroy_accounts() {
    let flow = flow().await;
    let admin = Person::operator(&flow);
    let made = admin.json(&["accounts:create", "ada@example.org", "--name", "Ada"]).await;
    let first = made["password"].as_str().unwrap().to_owned();
    admin.fails(&["accounts:create", "ada@example.org"], 2, "has an account already").await;
    let ada = Person::new(&flow, "ada");
    assert_eq!(ada.typing(&["login"], &format!("ada@example.org\n{first}\n")).await.code, 0);
    ada.fails(&["accounts"], 3, "Only operators of this server").await;
    admin.done(&["accounts:operator", "ada@example.org", "--on"]).await;
    let listed = ada.done(&["accounts"]).await;
    assert!(listed.contains("ada@example.org  Ada") && listed.matches("operator").count() == 2, "{listed}");
    admin.done(&["accounts:operator", "ada@example.org", "--off"]).await;
    assert_eq!(ada.run(&["accounts"]).await.code, 3);
    let reset = admin.run(&["accounts:reset-password", "ada@example.org", "--two-factor-off"]).await;
    let second = field(&reset.out, "Password");
    assert_eq!(ada.typing(&["login"], &format!("ada@example.org\n{first}\n")).await.code, 3);
    assert_eq!(ada.typing(&["login"], &format!("ada@example.org\n{second}\n")).await.code, 0);
    admin.fails(&["accounts:destroy", "ada@example.org"], 2, "--confirm ada@example.org").await;
    ada.done(&["apps:create", "shop"]).await;
    let confirmed = ["accounts:destroy", "ada@example.org", "--confirm", "ada@example.org"];
    admin.fails(&confirmed, 2, "still owns apps").await;
    let mut terminal = Terminal::start(ada.command(&["apps:destroy", "shop"]));
    terminal.answers("Type shop to go on", "shop").await;
    terminal.ends(0).await;
    admin.done(&confirmed).await;
    assert_eq!(ada.run(&["apps"]).await.code, 3, "its tokens are gone");
}
