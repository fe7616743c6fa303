//! The API's conventions as rules (API-*) that no other test holds, and bad input; docs/api-rules.md lists all of them.

use crate::flow;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, Flow, Source, eventually};

async fn with(flow: &Flow, method: &str, path: &str, more: &[(&str, &str)], body: &Value) -> Answer {
    let authorization = format!("Bearer {}", flow.token);
    let headers = [&[("authorization", authorization.as_str())], more].concat();
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    flow.raw(method, path, &headers, body).await
}

#[tokio::test]
async fn api_1_another_version_or_format_is_406_and_every_variant_of_three_is_served() {
    let flow = flow().await;
    for (accept, status) in [
        ("application/vnd.heroku+json; version=3", 200),
        ("application/vnd.heroku+json; version=3.sdk", 200),
        ("*/*", 200),
        ("application/vnd.heroku+json; version=2", 406),
        ("text/html", 406),
    ] {
        let answer = with(&flow, "GET", "/apps", &[("accept", accept)], &Value::Null).await;
        assert_eq!(answer.status, status, "{accept}: {}", answer.text());
        if status == 406 {
            assert_eq!(answer.json()["id"], "not_acceptable");
        }
    }
}

#[tokio::test]
async fn api_3_every_refusal_has_the_id_that_clients_test_and_says_why() {
    let flow = flow().await;
    flow.app("shop").await;
    let bob = flow.account("bob@example.org").await;
    assert_eq!(flow.post("/apps/shop/collaborators", &json!({ "user": "bob@example.org" })).await.status, 201);
    let none = Value::Null;
    for (answer, status, id, resource) in [
        (flow.raw("GET", "/apps", &[], Bytes::new()).await, 401, "unauthorized", None),
        (flow.call_as(&bob, "DELETE", "/apps/shop", None).await, 403, "forbidden", None),
        (flow.get("/apps/none").await, 404, "not_found", Some("app")),
        (flow.get("/apps/shop/releases/99").await, 404, "not_found", Some("release")),
        (with(&flow, "PUT", "/apps/shop", &[], &none).await, 405, "method_not_allowed", None),
        (
            with(&flow, "GET", "/apps", &[("range", "colour ..")], &none).await,
            416,
            "requested_range_not_satisfiable",
            None,
        ),
        (flow.post("/apps", &json!({ "name": "Bad Name" })).await, 422, "invalid_params", None),
        (flow.post("/apps", &json!({ "name": 7 })).await, 422, "invalid_params", None),
        (
            flow.raw("POST", "/apps", &[("authorization", &flow.basic())], Bytes::from_static(b"{")).await,
            400,
            "bad_request",
            None,
        ),
    ] {
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), &body["id"]), (status, &json!(id)), "{}", answer.text());
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
        assert_eq!(body.get("resource").and_then(Value::as_str), resource, "{body}");
    }
    assert!(flow.get("/apps/none").await.text().contains("Couldn't find that app."));
}

#[tokio::test]
async fn api_4_what_succeeds_says_how_by_its_status() {
    let flow = flow().await;
    let made = flow.post("/apps", &json!({ "name": "shop" })).await;
    assert_eq!(made.status, 201);
    let app = flow.known_app("shop");
    app.push(Source::answering("one")).await.released("v3");
    for (method, path, range, status) in [
        ("GET", "/apps/shop", "", 200),
        ("PATCH", "/apps/shop", "", 200),
        ("GET", "/apps/shop/releases", "version ..; max=1", 206),
        ("DELETE", "/apps/shop/dynos", "", 202),
        ("DELETE", "/apps/shop", "", 200),
    ] {
        let more = [("range", range)];
        let more = if range.is_empty() { &more[1..] } else { &more[..] };
        let answer = with(&flow, method, path, more, &Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(answer.json().is_object() || answer.json().is_array(), "CLI-20: {method} {path}");
    }
}

#[tokio::test]
async fn api_6_a_list_says_by_which_keys_it_can_be_cut() {
    let flow = flow().await;
    flow.app("shop").await;
    for (path, keys) in [
        ("/apps", "id, name, updated_at"),
        ("/apps/shop/releases", "id, version"),
        ("/apps/shop/collaborators", "email, id"),
        ("/regions", "id, name"),
    ] {
        let answer = flow.get(path).await;
        let mut said: Vec<&str> = answer.header("accept-ranges").split(',').map(str::trim).collect();
        said.sort_unstable();
        assert_eq!(said.join(", "), keys, "{path}");
        for key in said {
            let cut = with(&flow, "GET", path, &[("range", &format!("{key} ..; max=1"))], &Value::Null).await;
            assert!(cut.status.is_success(), "{path} by {key}: {}", cut.text());
            assert!(cut.header("content-range").starts_with(key), "{path}: {:?}", cut.headers);
        }
    }
}

#[tokio::test]
async fn api_8_every_answer_has_an_id_of_its_own_whatever_became_of_the_request() {
    let flow = flow().await;
    flow.app("shop").await;
    let mut seen = Vec::new();
    for (path, more, status) in [
        ("/apps/shop", [("x", "y")], 200),
        ("/apps/none", [("x", "y")], 404),
        ("/nothing//here", [("x", "y")], 404),
        ("/apps", [("accept", "text/html")], 406),
        ("/apps", [("authorization", "Bearer wrong")], 401),
    ] {
        let own = [("authorization", flow.basic())];
        let own = own.each_ref().map(|(name, value)| (*name, value.as_str()));
        let headers = if more[0].0 == "authorization" { more.to_vec() } else { [own, more].concat() };
        let answer = flow.raw("GET", path, &headers, Bytes::new()).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        seen.push(answer.header("request-id").to_owned());
    }
    assert!(seen.iter().all(|id| id.len() == 36), "{seen:?}");
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[tokio::test]
async fn api_9_what_is_left_is_told_with_every_answer_and_to_ask_for_it_is_free() {
    let flow = flow().await;
    let left = async |path: &str| -> u32 { flow.get(path).await.header("ratelimit-remaining").parse().unwrap() };
    // 4500 at once, and 75 come back a second: more than a loop over one connection takes.
    let some = 4000..=4500;
    assert!(some.contains(&left("/apps").await) && some.contains(&left("/apps/none").await));
    let told = flow.get("/account/rate-limits").await.json()["remaining"].as_u64().unwrap();
    assert!((4000..=4500).contains(&told), "{told}");
    // Another account has a bucket of its own.
    let ada = flow.account("ada@example.org").await;
    let theirs = flow.call_as(&ada, "GET", "/account/rate-limits", None).await.json()["remaining"].as_u64().unwrap();
    assert!((4000..=4500).contains(&theirs), "{theirs}");
}

#[tokio::test]
async fn cli_4_what_one_token_uses_another_of_the_same_account_still_has() {
    let flow = flow().await;
    let made = flow.post("/oauth/authorizations", &json!({ "scope": ["global"], "description": "a script" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let script = made.json()["access_token"]["token"].as_str().unwrap().to_owned();
    // Faster than they come back, mostly; nothing below depends on it.
    for _ in 0..200 {
        assert_eq!(flow.get("/account").await.status, 200);
    }
    let left = async |token: &str| -> u32 {
        flow.call_as(token, "GET", "/apps", None).await.header("ratelimit-remaining").parse().unwrap()
    };
    assert_eq!(left(&script).await, 4499, "its first request");
    assert!(left(&flow.token).await <= 4499);
}

#[tokio::test]
async fn api_15_nothing_asks_for_confirmation_because_nothing_is_paid_or_attached() {
    let flow = flow().await;
    flow.app("shop").await;
    // A `confirm` that clients send along is no key of ours, and does no harm.
    let sent = json!({ "confirm": "another", "maintenance": true });
    assert_eq!(flow.patch("/apps/shop", &sent).await.status, 200);
    assert_eq!(with(&flow, "DELETE", "/apps/shop", &[], &json!({ "confirm": "another" })).await.status, 200);
}

#[tokio::test]
async fn perm_7_who_may_do_what_with_each_app_of_a_team() {
    let flow = flow().await;
    for email in ["ada@example.org", "bob@example.org", "eve@example.org"] {
        flow.account(email).await;
    }
    assert_eq!(flow.post("/teams", &json!({ "name": "acme" })).await.status, 201);
    for (email, role) in [("ada@example.org", "member"), ("bob@example.org", "viewer")] {
        let member = json!({ "email": email, "role": role });
        assert_eq!(flow.post("/teams/acme/members", &member).await.status, 201);
    }
    for (name, locked) in [("teams-app", false), ("vault", true)] {
        let app = json!({ "name": name, "team": "acme", "locked": locked });
        assert_eq!(flow.post("/teams/apps", &app).await.status, 201);
    }
    let given = json!({ "user": "eve@example.org", "permissions": ["operate"] });
    assert_eq!(flow.post("/teams/apps/vault/collaborators", &given).await.status, 201);
    let all = flow.get("/teams/acme/permissions").await.json();
    for entity in all.as_array().unwrap() {
        crate::schema::Schema::read().check("permission-entity", entity);
    }
    let of = |app: usize, email: &str| -> Vec<String> {
        let users = all[app]["users"].as_array().unwrap();
        let found = users.iter().find(|user| user["email"] == email);
        let words = found.and_then(|user| user["permissions"].as_array());
        words.map(|words| words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()).unwrap_or_default()
    };
    assert_eq!((&all[0]["name"], &all[1]["name"]), (&json!("teams-app"), &json!("vault")));
    assert_eq!(of(0, "admin@localhost"), ["view", "deploy", "operate", "manage"]);
    assert_eq!(of(0, "ada@example.org"), ["view", "deploy", "operate"]);
    assert_eq!(of(0, "bob@example.org"), ["view"]);
    assert_eq!(of(0, "eve@example.org"), Vec::<String>::new());
    assert_eq!(of(1, "eve@example.org"), ["view", "operate"]);
    assert_eq!(of(1, "ada@example.org"), ["view"], "locked");
    let words = flow.get("/teams/permissions").await.json();
    assert_eq!(words.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn bills_are_empty_lists_and_what_is_not_offered_is_404_with_its_name() {
    let flow = flow().await;
    assert_eq!(flow.post("/teams", &json!({ "name": "acme" })).await.status, 201);
    for path in ["/account/invoices", "/teams/acme/invoices"] {
        let answer = flow.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!([])), "{path}");
    }
    for (method, path, noun) in [
        ("GET", "/account/invoices/17", "bills"),
        ("GET", "/account/features/dashboard-repositories-api", "account features"),
        ("POST", "/spaces", "private spaces"),
        ("POST", "/review-apps", "review apps"),
        ("POST", "/pipelines/x/review-app-config", "review apps"),
        ("GET", "/enterprise-accounts", "enterprise accounts"),
        ("POST", "/apps/x/oci-images", "container images"),
        ("PUT", "/users/~/capabilities", "list of capabilities"),
    ] {
        let answer = with(&flow, method, path, &[], &json!({})).await;
        let (id, message) = (answer.json()["id"].take(), answer.json()["message"].take());
        assert_eq!((answer.status.as_u16(), id), (404, json!("not_found")), "{method} {path}: {}", answer.text());
        assert_eq!(message, format!("This server has no {noun}."), "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_that_is_over_is_401_like_one_that_never_was() {
    let flow = flow().await;
    let made = flow.post("/oauth/authorizations", &json!({ "scope": ["global"], "expires_in": 2 })).await.json();
    let token = made["access_token"]["token"].as_str().unwrap().to_owned();
    let over = async || Some(flow.call_as(&token, "GET", "/account", None).await).filter(|answer| answer.status != 200);
    let answer = eventually("the end of the token", over).await;
    let never = flow.call_as("never-was", "GET", "/account", None).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (401, &never.body));
    let git = flow.call_as(&token, "GET", "/shop.git/info/refs?service=git-upload-pack", None).await;
    assert_eq!(git.status, 401, "git asks again too");
}
