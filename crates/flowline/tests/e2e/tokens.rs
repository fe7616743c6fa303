//! Logins, tokens and their scopes, clients.

use crate::access::made;
use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::totp;

#[tokio::test]
async fn oauth_1_a_token_does_what_its_scopes_allow_and_no_more() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.config(json!({ "PASSWORD": "correct horse" })).await;
    let asked = [
        ("GET", "/account", "identity"),
        ("GET", "/apps/shop", "read"),
        ("GET", "/apps", "read"),
        ("PATCH", "/apps/shop/formation", "write"),
        ("GET", "/apps/shop/config-vars", "read-protected"),
        ("PATCH", "/apps/shop/config-vars", "write-protected"),
        ("GET", "/oauth/authorizations", "global"),
        ("GET", "/account/keys", "global"),
        ("POST", "/apps/shop/collaborators", "global"),
    ];
    for (scope, allowed) in [
        ("identity", "identity"),
        ("read", "identity read"),
        ("write", "identity read write"),
        ("read-protected", "identity read read-protected"),
        ("write-protected", "identity read write read-protected write-protected"),
    ] {
        let made = made(&flow, &flow.token, "/oauth/authorizations", json!({ "scope": [scope] })).await;
        let token = made["access_token"]["token"].as_str().unwrap();
        for (method, path, needs) in asked {
            let body = (method != "GET").then(|| json!({}));
            let answer = flow.call_as(token, method, path, body.as_ref()).await;
            let granted = allowed.split(' ').any(|one| one == needs);
            assert_eq!(answer.status != 403, granted, "{scope}: {method} {path}: {}", answer.text());
            if !granted {
                assert!(answer.text().contains(needs), "{}", answer.text());
            }
        }
        // git reads and changes everything, so it asks for the most.
        let git = flow.call_as(token, "GET", "/shop.git/info/refs?service=git-upload-pack", None).await;
        assert_eq!(git.status == 200, scope == "write-protected", "{scope}: {}", git.status);
    }
    let little = made(&flow, &flow.token, "/oauth/authorizations", json!({ "scope": ["write"] })).await;
    let token = little["access_token"]["token"].as_str().unwrap();
    let more = flow.call_as(token, "POST", "/oauth/authorizations", Some(&json!({ "scope": ["global"] }))).await;
    assert_eq!(more.status, 403, "nobody hands on more than they hold: {}", more.text());
    for bad in [json!({ "scope": ["admin"] }), json!({ "scope": [] }), json!({ "expires_in": 0, "scope": ["read"] })] {
        assert_eq!(flow.post("/oauth/authorizations", &bad).await.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn oauth_3_tokens_are_told_once_renewed_and_revoked() {
    let flow = flow().await;
    let new = json!({ "description": "CI", "scope": ["read"], "expires_in": 3600 });
    let made = made(&flow, &flow.token, "/oauth/authorizations", new).await;
    let (id, first) = (made["id"].as_str().unwrap(), made["access_token"]["token"].as_str().unwrap());
    assert!((3590..=3600).contains(&made["access_token"]["expires_in"].as_u64().unwrap()));
    let listed = flow.get("/oauth/authorizations").await;
    assert!(!listed.text().contains(first), "told once");
    assert!(listed.text().contains(&flow.token), "the one that asks knows itself: {}", listed.text());
    let path = format!("/oauth/authorizations/{id}");
    let renewed = flow.post(&format!("{path}/actions/regenerate-tokens"), &json!({})).await.json();
    let second = renewed["access_token"]["token"].as_str().unwrap();
    assert_eq!(flow.call_as(first, "GET", "/apps", None).await.status, 401, "the old token");
    assert_eq!(flow.call_as(second, "GET", "/apps", None).await.status, 200, "the new token");
    let described = flow.call("PATCH", &path, Some(&json!({ "description": "nightly" }))).await.json();
    assert_eq!(described["description"], "nightly");
    let other = flow.account("ada@example.org").await;
    for method in ["GET", "PATCH", "DELETE"] {
        let body = (method == "PATCH").then(|| json!({}));
        let answer = flow.call_as(&other, method, &path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method}: {}", answer.text());
    }
    assert_eq!(flow.call("DELETE", &path, None).await.status, 200);
    assert_eq!(flow.call_as(second, "GET", "/apps", None).await.status, 401, "revoked");
    assert_eq!(flow.call("GET", &path, None).await.status, 404);
    let session = flow.call("DELETE", "/oauth/sessions/~", None).await;
    assert_eq!((session.status.as_u16(), &session.json()["resource"]), (404, &json!("session")));
}

#[tokio::test]
async fn oauth_2_a_client_exchanges_a_code_once_and_renews_its_token() {
    let flow = flow().await;
    let redirect = json!({ "name": "board", "redirect_uri": "https://board.example.org/cb" });
    let client = made(&flow, &flow.token, "/oauth/clients", redirect).await;
    let wanted = json!({ "client": client["id"], "scope": ["identity"] });
    let grant = made(&flow, &flow.token, "/oauth/authorizations", wanted).await;
    assert!(grant["access_token"].is_null(), "only the client gets the token: {grant}");
    let (secret, code) = (&client["secret"], &grant["grant"]["code"]);
    let exchange = async |body: Value| {
        let headers = [("content-type", "application/json")];
        flow.raw("POST", "/oauth/tokens", &headers, Bytes::from(body.to_string())).await
    };
    let with_code = |secret: &Value| json!({ "client": { "secret": secret }, "grant": { "type": "authorization_code", "code": code } });
    assert_eq!(exchange(with_code(&json!("wrong"))).await.status, 401);
    let answer = exchange(with_code(secret)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let tokens = answer.json();
    assert_eq!(exchange(with_code(secret)).await.status, 401, "a code is good once");
    let token = |tokens: &Value| tokens["access_token"]["token"].as_str().unwrap().to_owned();
    assert_eq!(flow.call_as(&token(&tokens), "GET", "/account", None).await.status, 200);
    let refresh = json!({
        "client": { "secret": secret },
        "grant": { "type": "refresh_token" },
        "refresh_token": { "token": tokens["refresh_token"]["token"] },
    });
    let renewed = exchange(refresh).await.json();
    assert_eq!(flow.call_as(&token(&renewed), "GET", "/account", None).await.status, 200);
    assert_eq!(flow.call_as(&token(&tokens), "GET", "/account", None).await.status, 401, "the one before");
    let gone = format!("/oauth/clients/{}", client["id"].as_str().unwrap());
    assert_eq!(flow.call("DELETE", &gone, None).await.status, 200);
    assert_eq!(flow.call_as(&token(&renewed), "GET", "/account", None).await.status, 401, "its client is gone");
}

#[tokio::test]
async fn a_login_needs_the_password_and_ten_wrong_ones_make_it_wait() {
    let flow = flow().await;
    let password = flow.password("ada@example.org").await;
    let login = flow.login("Ada@Example.org", &password, None).await;
    assert_eq!(login.status, 201, "{}", login.text());
    assert_eq!(login.json()["user"]["email"], "ada@example.org");
    let token = login.json()["access_token"]["token"].as_str().unwrap().to_owned();
    // The password opens nothing but the way to a token.
    assert_eq!(flow.call_as(&password, "GET", "/account", None).await.status, 401);
    let short = json!({ "password": password, "new_password": "short" });
    assert_eq!(flow.call_as(&token, "PATCH", "/account", Some(&short)).await.status, 422);
    let stolen = json!({ "new_password": "correct horse battery" });
    assert_eq!(
        flow.call_as(&token, "PATCH", "/account", Some(&stolen)).await.status,
        422,
        "a token alone is not enough"
    );
    let second = flow.login("ada@example.org", &password, None).await.json();
    let second = second["access_token"]["token"].as_str().unwrap().to_owned();
    let change = json!({ "password": password, "new_password": "correct horse battery" });
    let changed = flow.call_as(&token, "PATCH", "/account", Some(&change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(flow.call_as(&second, "GET", "/account", None).await.status, 401, "other logins end");
    assert_eq!(flow.call_as(&token, "GET", "/account", None).await.status, 200, "the one that asked goes on");
    for email in ["ada@example.org", "nobody@example.org"] {
        let mut statuses = Vec::new();
        for _ in 0..11 {
            statuses.push(flow.login(email, "wrong password", None).await.status.as_u16());
        }
        let mut expected = vec![401; 10];
        expected.push(429);
        assert_eq!(statuses, expected, "{email}: whether it has an account is not told");
    }
}

#[tokio::test]
async fn api_14_with_a_second_factor_a_login_asks_for_a_code_that_is_good_once() {
    let flow = flow().await;
    let email = "ada@example.org";
    let password = flow.password(email).await;
    let token = flow.login(email, &password, None).await.json()["access_token"]["token"].as_str().unwrap().to_owned();
    let begun = flow.call_as(&token, "POST", "/account/two-factor", Some(&json!({}))).await.json();
    assert!(begun["url"].as_str().unwrap().starts_with("otpauth://totp/"));
    assert_eq!(flow.login(email, &password, None).await.status, 201, "not before it is confirmed");
    let wrong = flow.call_as(&token, "PUT", "/account/two-factor", Some(&json!({ "code": "12345x" }))).await;
    assert_eq!(wrong.status, 403, "{}", wrong.text());
    let code = totp(begun["secret"].as_str().unwrap()).await;
    let on = flow.call_as(&token, "PUT", "/account/two-factor", Some(&json!({ "code": code }))).await;
    assert_eq!(on.status, 200, "{}", on.text());
    let recovery = on.json()["recovery_codes"].as_array().unwrap().clone();
    let asked = flow.login(email, &password, None).await;
    assert_eq!((asked.status.as_u16(), &asked.json()["id"]), (403, &json!("two_factor")));
    assert_eq!(flow.login(email, &password, Some(&code)).await.status, 403, "that code was used");
    let paper = recovery[0].as_str().unwrap();
    assert_eq!(flow.login(email, &password, Some(paper)).await.status, 201);
    assert_eq!(flow.login(email, &password, Some(paper)).await.status, 403, "each is good once");
    let account = flow.call_as(&token, "GET", "/account", None).await.json();
    assert_eq!(account["two_factor_authentication"], true);
    // The operator lets somebody in who lost everything.
    let reset = json!({ "two_factor_authentication": false });
    let reset = flow.post(&format!("/accounts/{email}/actions/reset-password"), &reset).await;
    assert_eq!(reset.status, 200, "{}", reset.text());
    let password = reset.json()["password"].as_str().unwrap().to_owned();
    assert_eq!(flow.login(email, &password, None).await.status, 201);
}
