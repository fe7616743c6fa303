//! Who may do what: every role and permission at every route about apps; teams; handing apps over; keys.

use crate::flow;
use api::routes::{Access, ROUTES, Route};
use bytes::Bytes;
use model::permission::{Permissions, Right};
use model::team::Role;
use serde_json::{Value, json};
use testkit::{Answer, Flow, Source};

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

pub(crate) async fn made(flow: &Flow, token: &str, path: &str, body: Value) -> Value {
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
