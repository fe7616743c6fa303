//! Apps that ask for a second factor, and passwords that somebody forgot.

use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use std::process::Stdio;
use testkit::totp;
use testkit::{Answer, Flow, MailTarget, MailTls, Source, Start, within};
use tokio::io::AsyncWriteExt;

/// An account with a second factor: its token, and codes on paper, each good once.
async fn guarded(flow: &Flow, email: &str) -> (String, Vec<String>) {
    let token = flow.account(email).await;
    let begun = flow.call_as(&token, "POST", "/account/two-factor", Some(&json!({}))).await.json();
    let code = totp(begun["secret"].as_str().unwrap()).await;
    let on = flow.call_as(&token, "PUT", "/account/two-factor", Some(&json!({ "code": code }))).await;
    assert_eq!(on.status, 200, "{}", on.text());
    let codes = on.json()["recovery_codes"].as_array().unwrap().clone();
    (token, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

/// A call with a code.
async fn with_code(flow: &Flow, token: &str, method: &str, path: &str, body: &Value, code: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("heroku-two-factor-code", code)];
    flow.raw(method, path, &headers, Bytes::from(body.to_string())).await
}

fn wants_a_code(answer: &Answer) {
    let (id, app) = (answer.json()["id"].take(), answer.json()["app"]["name"].take());
    assert_eq!((answer.status.as_u16(), id, app), (403, json!("two_factor"), json!("shop")), "{}", answer.text());
}

#[tokio::test]
async fn api_14_an_app_asks_for_a_second_factor_and_believes_a_code_for_a_while() {
    let flow = flow().await;
    let (ada, codes) = guarded(&flow, "ada@example.org").await;
    let call = async |flow: &Flow, method: &str, path: &str, body: Value| {
        flow.call_as(&ada, method, path, Some(&body).filter(|_| method != "GET")).await
    };
    assert_eq!(call(&flow, "POST", "/apps", json!({ "name": "shop" })).await.status, 201);
    let change = json!({ "A": "1" });
    assert_eq!(call(&flow, "PATCH", "/apps/shop/config-vars", change.clone()).await.status, 200, "not before it is on");
    let on = call(&flow, "PATCH", "/apps/shop/features/second-factor", json!({ "enabled": true })).await;
    assert_eq!(on.status, 200, "{}", on.text());
    // To look is free, but for secrets.
    assert_eq!(call(&flow, "GET", "/apps/shop", json!({})).await.status, 200);
    wants_a_code(&call(&flow, "GET", "/apps/shop/config-vars", json!({})).await);
    wants_a_code(&call(&flow, "PATCH", "/apps/shop/config-vars", change.clone()).await);
    wants_a_code(&call(&flow, "DELETE", "/apps/shop", json!({})).await);
    wants_a_code(&call(&flow, "PATCH", "/apps/shop/features/second-factor", json!({ "enabled": false })).await);
    let offer = json!({ "app": "shop", "recipient": "admin@localhost" });
    wants_a_code(&call(&flow, "POST", "/account/app-transfers", offer).await);
    let app = call(&flow, "GET", "/apps/shop", json!({})).await.json()["id"].take();
    let exporter = json!({ "type": "otlp", "endpoint": "http://a.example" });
    let drain = json!({ "owner": { "type": "app", "id": app }, "signals": ["logs"], "exporter": exporter });
    wants_a_code(&call(&flow, "POST", "/telemetry-drains", drain).await);
    wants_a_code(&call(&flow, "PUT", "/apps/shop/pre-authorizations", json!({})).await);
    // A code with a request is good for that request.
    let (path, body) = ("/apps/shop/config-vars", json!({ "B": "2" }));
    assert_eq!(with_code(&flow, &ada, "PATCH", path, &body, &codes[0]).await.status, 200);
    let used = with_code(&flow, &ada, "PATCH", path, &body, &codes[0]).await;
    assert_eq!((used.status.as_u16(), &used.json()["id"]), (403, &json!("invalid_two_factor_code")));
    wants_a_code(&call(&flow, "PATCH", path, body.clone()).await);
    // Given at the app, it is good for a while; for that account.
    let given = with_code(&flow, &ada, "PUT", "/apps/shop/pre-authorizations", &json!({}), &codes[1]).await;
    assert_eq!((given.status.as_u16(), &given.json()["app"]["name"]), (200, &json!("shop")), "{}", given.text());
    for _ in 0..2 {
        assert_eq!(call(&flow, "PATCH", path, body.clone()).await.status, 200);
    }
    assert_eq!(call(&flow, "GET", path, json!({})).await.json(), json!({ "A": "1", "B": "2" }));
    let invited = json!({ "user": "admin@localhost" });
    assert_eq!(call(&flow, "POST", "/apps/shop/collaborators", invited).await.status, 201);
    let without = flow.patch(path, &body).await;
    assert_eq!((without.status.as_u16(), &without.json()["id"]), (403, &json!("forbidden")), "{}", without.text());
    assert!(without.text().contains("2fa:enable"), "{}", without.text());
    // The next server has forgotten it.
    flow.replace_serve(None).await;
    wants_a_code(&call(&flow, "PATCH", path, body).await);
    let off = json!({ "enabled": false });
    let off = with_code(&flow, &ada, "PATCH", "/apps/shop/features/second-factor", &off, &codes[2]).await;
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!(call(&flow, "DELETE", "/apps/shop", json!({})).await.status, 200);
}

#[tokio::test]
async fn api_14_a_window_is_not_another_tokens_of_the_same_person_nor_a_renewed_ones() {
    let flow = flow().await;
    let (ada, codes) = guarded(&flow, "ada@example.org").await;
    let create = json!({ "name": "shop" });
    assert_eq!(flow.call_as(&ada, "POST", "/apps", Some(&create)).await.status, 201);
    let on = json!({ "enabled": true });
    assert_eq!(flow.call_as(&ada, "PATCH", "/apps/shop/features/second-factor", Some(&on)).await.status, 200);
    let made = flow.call_as(&ada, "POST", "/oauth/authorizations", Some(&json!({ "scope": ["global"] }))).await.json();
    let (script, id) = (made["access_token"]["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    let path = "/apps/shop/config-vars";
    let given = with_code(&flow, script, "PUT", "/apps/shop/pre-authorizations", &json!({}), &codes[0]).await;
    assert_eq!(given.status, 200, "{}", given.text());
    assert_eq!(flow.call_as(script, "GET", path, None).await.status, 200);
    wants_a_code(&flow.call_as(&ada, "GET", path, None).await);
    // Whoever has another token of this person could renew this one.
    let renew = format!("/oauth/authorizations/{id}/actions/regenerate-tokens");
    let renewed = flow.call_as(&ada, "POST", &renew, None).await;
    assert!(renewed.status.is_success(), "{}", renewed.text());
    let renewed = renewed.json()["access_token"]["token"].as_str().unwrap().to_owned();
    wants_a_code(&flow.call_as(&renewed, "GET", path, None).await);
    assert_eq!(flow.call_as(script, "GET", path, None).await.status, 401);
}

#[tokio::test]
async fn api_14_codes_cannot_be_guessed_and_who_has_none_locks_nobody_out() {
    let flow = flow().await;
    let app = flow.app("other").await;
    let none = app.call("PATCH", "/features/second-factor", Some(&json!({ "enabled": true }))).await;
    assert_eq!((none.status.as_u16(), none.text().contains("2fa:enable")), (422, true), "{}", none.text());
    let none = with_code(&flow, &flow.token, "PUT", "/apps/other/pre-authorizations", &json!({}), "123456").await;
    assert_eq!(none.status, 422, "{}", none.text());
    let (ada, codes) = guarded(&flow, "ada@example.org").await;
    assert_eq!(flow.call_as(&ada, "POST", "/apps", Some(&json!({ "name": "shop" }))).await.status, 201);
    let path = "/apps/shop/pre-authorizations";
    let guess = async |code: &str| with_code(&flow, &ada, "PUT", path, &json!({}), code).await.status.as_u16();
    assert_eq!(guess("wrong!").await, 403);
    let mut last = 403;
    for _ in 0..100 {
        last = guess("wrong!").await;
        if last != 403 {
            break;
        }
    }
    assert_eq!(last, 429, "guesses have to wait");
    // A right one cannot be told from a wrong one then, and is not used up.
    assert_eq!(guess(&codes[0]).await, 429);
}

#[tokio::test]
async fn api_14_a_push_to_an_app_that_asks_for_a_second_factor_says_how_to_go_on() {
    let flow = flow().await;
    // The tests push as the admin, whose token it is.
    let begun = flow.post("/account/two-factor", &json!({})).await.json();
    let code = totp(begun["secret"].as_str().unwrap()).await;
    let on = flow.call("PUT", "/account/two-factor", Some(&json!({ "code": code }))).await.json();
    let app = flow.app("shop").await;
    let feature = app.call("PATCH", "/features/second-factor", Some(&json!({ "enabled": true }))).await;
    assert_eq!(feature.status, 200, "{}", feature.text());
    app.commit(Source::answering("one")).await;
    let refused = app.git_push(&["HEAD:refs/heads/main"]).await;
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("flowline 2fa:authorize -a shop"), "{said}");
    let mut command = flow.cli_command(&["2fa:authorize", "-a", "shop"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let code = on["recovery_codes"][0].as_str().unwrap();
    child.stdin.take().unwrap().write_all(format!("{code}\n").as_bytes()).await.unwrap();
    let done = within("the command's end", child.wait_with_output()).await.unwrap();
    assert!(done.status.success(), "{done:?}");
    app.push_head("main").await.released("v3");
}

#[tokio::test]
async fn a_password_that_was_forgotten_is_reset_by_mail_once_and_all_logins_end() {
    let mut mails = MailTarget::start(MailTls::None).await;
    let url = format!("smtp://{}?tls=none", mails.addr);
    let words = ["--smtp-url", &url, "--smtp-from", "flowline@example.org"];
    let flow = Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&words)).await;
    let token = flow.account("ada@example.org").await;
    let open = async |path: &str, body: Value| flow.raw("POST", path, &[], Bytes::from(body.to_string())).await;
    let ask = async |email: &str| open("/password-resets", json!({ "email": email })).await;
    let (known, again) = (ask("Ada@example.org").await, ask("ada@example.org").await);
    assert_eq!(again.status, 201, "one mail a minute, and no word of it");
    let unknown = ask("nobody@example.org").await;
    assert_eq!((known.status.as_u16(), unknown.status.as_u16()), (201, 201));
    for answer in [&known, &unknown] {
        assert!(answer.json()["user"].get("id").is_none(), "whether it has an account is not told: {}", answer.text());
    }
    assert_eq!(ask("no address").await.status, 422);
    let mail = mails.next().await;
    assert_eq!(mail.to, "ada@example.org");
    let text = mail.text();
    let secret = text.split("passwd:reset ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let path = format!("/password-resets/{secret}/actions/finalize");
    let set = async |password: &str, again: &str| {
        open(&path, json!({ "password": password, "password_confirmation": again })).await
    };
    assert_eq!(set("correct horse battery", "correct horse").await.status, 422);
    assert_eq!(set("short", "short").await.status, 422);
    let wrong = path.replace(&secret[..8], "00000000");
    let body = json!({ "password": "correct horse battery", "password_confirmation": "correct horse battery" });
    assert_eq!(open(&wrong, body).await.json()["resource"], "password_reset");
    let done = set("correct horse battery", "correct horse battery").await;
    assert_eq!((done.status.as_u16(), &done.json()["user"]["email"]), (200, &json!("ada@example.org")));
    assert_eq!(set("correct horse battery", "correct horse battery").await.status, 404, "good once");
    assert_eq!(flow.call_as(&token, "GET", "/account", None).await.status, 401, "all logins end");
    assert_eq!(flow.login("ada@example.org", "correct horse battery", None).await.status, 201);
    assert!(mails.unread().is_empty(), "one mail a minute, and none to who has no account");
    let log = flow.get("/audit-events").await.text();
    assert!(log.contains("/password-resets/") && !log.contains(&secret) && !log.contains("battery"), "{log}");
    let database = std::fs::read(flow.dir().join("flowline.db")).unwrap();
    assert!(!database.windows(secret.len()).any(|part| part == secret.as_bytes()), "kept hashed");
}

#[tokio::test]
async fn a_server_without_mail_says_what_an_operator_can_do() {
    let flow = flow().await;
    let body = Bytes::from_static(b"{\"email\": \"ada@example.org\"}");
    let refused = flow.raw("POST", "/password-resets", &[], body).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("accounts:reset-password"), "{}", refused.text());
    let said = flow.cli(&["passwd:forgot", "ada@example.org"]).await;
    assert!(String::from_utf8_lossy(&said.stderr).contains("accounts:reset-password"), "{said:?}");
}

#[tokio::test]
async fn team_5_a_team_sees_which_of_its_members_have_a_second_factor() {
    let flow = flow().await;
    assert_eq!(flow.post("/teams", &json!({ "name": "acme" })).await.status, 201);
    guarded(&flow, "ada@example.org").await;
    flow.account("bob@example.org").await;
    for email in ["ada@example.org", "bob@example.org"] {
        let added = flow.post("/teams/acme/members", &json!({ "email": email, "role": "member" })).await;
        assert_eq!(added.status, 201, "{}", added.text());
    }
    let members = flow.get("/teams/acme/members").await.json();
    let of = |email: &str| {
        let member = members.as_array().unwrap().iter().find(|member| member["email"] == email).unwrap().clone();
        (member["two_factor_authentication"].clone(), member["federated"].clone())
    };
    assert_eq!(of("ada@example.org"), (json!(true), json!(false)));
    assert_eq!(of("bob@example.org"), (json!(false), json!(false)));
}
