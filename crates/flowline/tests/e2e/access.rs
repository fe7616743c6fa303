//! Who may do what: every role and permission at every route about apps; logins, tokens and scopes; teams; handing apps over.

use crate::flow;
use api::routes::{Access, ROUTES, Route};
use bytes::Bytes;
use model::permission::{Permissions, Right};
use model::team::Role;
use serde_json::{Value, json};
use testkit::{Answer, Flow, Source, totp};

/// What an app's routes are asked with: nothing in it exists, so that whoever passes the gate changes nothing.
fn path(route: &Route, app: &str) -> String {
    let mut path = route.path.replace("{app}", app);
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, "01234567-89ab-4def-8123-456789abcdef");
    }
    path
}

async fn ask(flow: &Flow, route: &Route, app: &str, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    // No body that any route takes.
    let body = if route.method == "GET" { Bytes::new() } else { Bytes::from_static(b"[]") };
    flow.raw(route.method.as_str(), &path(route, app), &headers, body).await
}

/// Routes that change something without being asked for anything.
fn without_a_body(route: &Route) -> bool {
    route.method == "DELETE" || route.path.contains("/actions/")
}

/// The routes about apps agree with what these permissions grant: 403 says what is missing, 404 hides the app from who has none.
async fn agree(flow: &Flow, token: &str, permissions: Permissions, who: &str) {
    for route in ROUTES {
        let Some(right) = route.access.right() else { continue };
        let granted = permissions.grant(right);
        if granted && without_a_body(route) {
            continue;
        }
        let answer = ask(flow, route, "shop", token).await;
        let what = format!("{who}: {} {}: {} {}", route.method, route.path, answer.status, answer.text());
        if matches!(route.access, Access::Repository(_)) {
            let passed = answer.status.is_success();
            let code = if passed { json!(null) } else { answer.json()["errors"][0]["code"].clone() };
            match (granted, permissions.grant(Right::View)) {
                (true, _) => assert!(answer.status != 401 && code != "DENIED", "{what}"),
                (false, true) => assert_eq!((answer.status.as_u16(), &code), (403, &json!("DENIED")), "{what}"),
                (false, false) => assert_eq!((answer.status.as_u16(), &code), (404, &json!("NAME_UNKNOWN")), "{what}"),
            }
            continue;
        }
        let id = answer.json()["id"].clone();
        match (granted, permissions.grant(Right::View)) {
            (true, _) => assert!(answer.status != 401 && id != "forbidden", "{what}"),
            (false, true) => {
                assert_eq!((answer.status.as_u16(), &id), (403, &json!("forbidden")), "{what}");
                let missing = right.permission().word();
                assert!(answer.text().contains(&format!("`{missing}`")), "{what}");
            }
            (false, false) => {
                assert_eq!((answer.status.as_u16(), &id), (404, &json!("not_found")), "{what}");
                assert_eq!(answer.json()["resource"], "app", "{what}");
            }
        }
    }
}

async fn made(flow: &Flow, token: &str, path: &str, body: Value) -> Value {
    let answer = flow.call_as(token, "POST", path, Some(&body)).await;
    assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn perm_1_to_5_and_team_3_every_route_with_every_role_and_permission() {
    let flow = flow().await;
    let owner = flow.token.clone();
    made(&flow, &owner, "/teams", json!({ "name": "acme" })).await;
    made(&flow, &owner, "/teams/apps", json!({ "name": "shop", "team": "acme", "locked": true })).await;
    assert_eq!(flow.get("/teams/apps/shop").await.json()["locked"], true, "as it was made");
    let none = flow.account("nobody@example.org").await;
    agree(&flow, &none, Permissions::NONE, "a stranger").await;
    for role in [Role::Member, Role::Viewer, Role::Admin] {
        let email = format!("{}@example.org", role.word());
        let token = flow.account(&email).await;
        made(&flow, &owner, "/teams/acme/members", json!({ "email": email, "role": role.word() })).await;
        let apps = flow.call_as(&token, "GET", "/teams/apps", None).await.json();
        assert_eq!((&apps[0]["name"], &apps[0]["joined"]), (&json!("shop"), &json!(false)), "nobody added them");
        for locked in [false, true] {
            let lock = json!({ "locked": locked });
            assert_eq!(flow.call("PATCH", "/teams/apps/shop", Some(&lock)).await.status, 200);
            agree(&flow, &token, role.permissions(locked), &format!("{} (locked: {locked})", role.word())).await;
        }
    }
    let added = flow.account("added@example.org").await;
    let new = json!({ "user": "added@example.org", "permissions": ["view"] });
    made(&flow, &owner, "/teams/apps/shop/collaborators", new).await;
    for words in ["view", "deploy", "operate", "manage", "deploy,operate", "view,manage"] {
        let permissions: Vec<&str> = words.split(',').collect();
        let change = json!({ "permissions": permissions });
        let path = "/teams/apps/shop/collaborators/added@example.org";
        let answer = flow.call("PATCH", path, Some(&change)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        agree(&flow, &added, words.parse().unwrap(), words).await;
    }
    assert_eq!(flow.call("DELETE", "/apps/shop/collaborators/added@example.org", None).await.status, 200);
    agree(&flow, &added, Permissions::NONE, "somebody who was removed").await;
}

#[tokio::test]
async fn team_1_a_collaborator_of_a_personal_app_works_but_does_not_manage() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let token = flow.account("ada@example.org").await;
    let add = json!({ "user": "ADA@example.org" });
    let access = made(&flow, &flow.token, "/apps/shop/collaborators", add.clone()).await;
    assert_eq!(access["user"]["email"], "ada@example.org");
    // CLI-39, CLI-21: sentences that clients read.
    let again = flow.post("/apps/shop/collaborators", &add).await;
    assert_eq!(again.status, 422);
    assert!(again.text().contains("is already a collaborator on app"), "{}", again.text());
    let unknown = flow.post("/apps/shop/collaborators", &json!({ "user": "no@example.org" })).await;
    assert!(unknown.status == 404 && unknown.text().contains("Couldn't find that user"), "{}", unknown.text());
    agree(&flow, &token, Permissions::working(), "a collaborator").await;
    let renamed = flow.call_as(&token, "PATCH", "/apps/shop", Some(&json!({ "name": "mine" }))).await;
    assert_eq!(renamed.status, 403, "{}", renamed.text());
    let paused = flow.call_as(&token, "PATCH", "/apps/shop", Some(&json!({ "maintenance": true }))).await;
    assert_eq!(paused.status, 200, "{}", paused.text());
    app.log_says("Maintenance mode enabled by user ada@example.org").await;
    let theirs = flow.call_as(&token, "GET", "/apps", None).await.json();
    assert_eq!(theirs[0]["name"], "shop");
    let listed = flow.get("/apps/shop/collaborators").await.json();
    // By e-mail, the owner too.
    assert_eq!((&listed[0]["role"], &listed[1]["role"]), (&json!("collaborator"), &json!("owner")));
    // Oneself, without `manage`.
    let left = flow.call_as(&token, "DELETE", "/apps/shop/collaborators/ada%40example.org", None).await;
    assert_eq!(left.status, 200, "{}", left.text());
    assert_eq!(flow.call_as(&token, "GET", "/apps/shop", None).await.status, 404);
}

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

#[tokio::test]
async fn team_6_members_invitations_and_the_last_admin() {
    let flow = flow().await;
    made(&flow, &flow.token, "/teams", json!({ "name": "acme" })).await;
    let taken = flow.post("/teams", &json!({ "name": "acme" })).await;
    assert_eq!(taken.status, 422, "{}", taken.text());
    let ada = flow.account("ada@example.org").await;
    assert_eq!(flow.call_as(&ada, "GET", "/teams/acme", None).await.status, 404);
    let put = async |role: &str| {
        flow.call("PUT", "/teams/acme/members", Some(&json!({ "email": "ada@example.org", "role": role }))).await
    };
    for role in ["viewer", "viewer", "member"] {
        assert_eq!(put(role).await.json()["role"], role);
    }
    assert_eq!(flow.call_as(&ada, "GET", "/teams", None).await.json()[0]["role"], "member");
    for (method, path) in [("PATCH", "/teams/acme"), ("DELETE", "/teams/acme"), ("PUT", "/teams/acme/members")] {
        let answer = flow.call_as(&ada, method, path, Some(&json!({}))).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    let again = flow.post("/teams/acme/members", &json!({ "email": "ada@example.org", "role": "member" })).await;
    assert!(again.status == 422 && again.text().contains("ada@example.org"), "{}", again.text());
    let last = flow.call("DELETE", "/teams/acme/members/admin@localhost", None).await;
    assert!(last.status == 422 && last.text().contains("only admin"), "{}", last.text());
    // Somebody who has no account yet is invited, and joins with the token when they have one.
    let asked = json!({ "email": "Bob@example.org", "role": "admin" });
    let invited = flow.call("PUT", "/teams/acme/invitations", Some(&asked)).await.json();
    let accept = format!("/teams/invitations/{}/accept", invited["token"].as_str().unwrap());
    assert_eq!(flow.call_as(&ada, "POST", &accept, Some(&json!({}))).await.status, 404, "somebody else's");
    let bob = flow.account("bob@example.org").await;
    assert_eq!(flow.call_as(&bob, "POST", &accept, Some(&json!({}))).await.status, 201);
    assert_eq!(flow.call_as(&bob, "POST", &accept, Some(&json!({}))).await.status, 404, "once");
    assert_eq!(flow.call("DELETE", "/teams/acme/members/admin@localhost", None).await.status, 200, "bob is admin now");
    assert_eq!(flow.get("/teams/acme").await.status, 404);
    made(&flow, &bob, "/teams/apps", json!({ "name": "shop", "team": "acme" })).await;
    let busy = flow.call_as(&bob, "DELETE", "/teams/acme", None).await;
    assert!(busy.status == 422 && busy.text().contains("has apps"), "{}", busy.text());
    assert_eq!(flow.call_as(&ada, "GET", "/apps/shop", None).await.json()["team"]["name"], "acme");
    assert_eq!(flow.call_as(&bob, "DELETE", "/teams/acme/members/ada@example.org", None).await.status, 200);
    assert_eq!(flow.call_as(&ada, "GET", "/apps/shop", None).await.status, 404);
}

#[tokio::test]
async fn app_5_an_app_goes_to_somebody_who_accepts_and_to_a_team_and_back() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let ada = flow.account("ada@example.org").await;
    let offer = json!({ "app": "shop", "recipient": "ada@example.org" });
    let made_offer = made(&flow, &flow.token, "/account/app-transfers", offer.clone()).await;
    assert_eq!(flow.post("/account/app-transfers", &offer).await.status, 422, "one at a time");
    let path = format!("/account/app-transfers/{}", made_offer["id"].as_str().unwrap());
    let own = flow.call("PATCH", &path, Some(&json!({ "state": "accepted" }))).await;
    assert_eq!(own.status, 403, "{}", own.text());
    let taken = flow.call_as(&ada, "PATCH", &path, Some(&json!({ "state": "accepted" }))).await;
    assert_eq!(taken.json()["state"], "accepted", "{}", taken.text());
    assert_eq!(flow.get("/apps/shop").await.status, 404);
    assert_eq!(flow.call_as(&ada, "GET", "/apps/shop", None).await.json()["owner"]["email"], "ada@example.org");
    assert_eq!(app.get("/").await.text(), "one", "visitors notice nothing");
    made(&flow, &ada, "/teams", json!({ "name": "acme" })).await;
    let moved = flow.call_as(&ada, "PATCH", "/teams/apps/shop", Some(&json!({ "owner": "acme" }))).await;
    assert_eq!(moved.json()["owner"]["email"], "acme@herokumanager.com", "{}", moved.text());
    let stranger = json!({ "owner": "admin@localhost" });
    assert_eq!(flow.call_as(&ada, "PATCH", "/teams/apps/shop", Some(&stranger)).await.status, 404);
    let back = flow.call_as(&ada, "PATCH", "/teams/apps/shop", Some(&json!({ "owner": "ada@example.org" }))).await;
    assert!(back.json()["team"].is_null(), "{}", back.text());
    assert_eq!(app.get("/").await.text(), "one");
}

#[tokio::test]
async fn keys_are_public_ones_and_belong_to_one_account() {
    let flow = flow().await;
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIQG1oxlcIjQ8fub+Vui3+zC15KRcgJ0k4QfE5igWH9+ ada@machine";
    let key = made(&flow, &flow.token, "/account/keys", json!({ "public_key": format!("{line}\n") })).await;
    assert_eq!((&key["comment"], &key["public_key"]), (&json!("ada@machine"), &json!(line)));
    assert!(key["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    let ada = flow.account("ada@example.org").await;
    for (token, public_key, words) in [
        (&flow.token, line, "added already"),
        (&ada, line, "added already"),
        (&ada, "-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        (&ada, "ssh-rsa $(reboot)", "no SSH public key"),
        (&ada, "ssh-rsa AAAA\u{1b}[2J", "no SSH public key"),
    ] {
        let answer = flow.call_as(token, "POST", "/account/keys", Some(&json!({ "public_key": public_key }))).await;
        assert!(answer.status == 422 && answer.text().contains(words), "{public_key}: {}", answer.text());
    }
    let path = format!("/account/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(flow.call_as(&ada, "DELETE", &path, None).await.status, 404);
    assert_eq!(flow.call("DELETE", &path, None).await.status, 200);
    assert_eq!(flow.get("/account/keys").await.json(), json!([]));
}
