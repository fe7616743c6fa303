//! What each account finds in its notifications, and what of it each has read.

use super::broken;
use crate::flow;
use bytes::Bytes;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{Flow, Source};

const MINE: &str = "/user/notifications";

/// What an account finds.
async fn of(flow: &Flow, token: &str) -> Vec<Value> {
    let answer = flow.call_as(token, "GET", MINE, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().as_array().unwrap().clone()
}

/// `title read`, newest first.
fn titles(all: &[Value]) -> Vec<String> {
    all.iter().map(|one| format!("{} {}", one["title"].as_str().unwrap(), one["read"])).collect()
}

async fn mark(flow: &Flow, token: &str, id: &str, read: bool) -> u16 {
    let body = json!({ "read": read });
    flow.call_as(token, "PATCH", &format!("{MINE}/{id}"), Some(&body)).await.status.as_u16()
}

#[tokio::test]
async fn each_account_reads_for_itself_and_only_of_apps_that_it_sees() {
    let mut flow = flow().await;
    let owner = flow.token.clone();
    let bob = flow.account("bob@example.org").await;
    let app = flow.app("shop").await;
    app.push(broken()).await.declined("Push rejected");
    flow.app("forum").await.push(broken()).await.declined("Push rejected");
    let mine = of(&flow, &owner).await;
    assert_eq!(titles(&mine), ["forum: build broken false", "shop: build broken false"]);
    let shops = &mine[1];
    let (body, id) = (shops["body"].as_str().unwrap(), shops["id"].as_str().unwrap().to_owned());
    assert!(body.starts_with("The build of ") && body.contains("app.json cannot be used"), "{body}");
    assert!(body.ends_with("\nSee: flowline builds -a shop"), "{body}");
    assert_eq!(shops["target"], json!({ "type": "app", "id": app.read("").await["id"] }));
    assert_eq!(shops["followup"], json!([]));
    assert_eq!(of(&flow, &bob).await, Vec::<Value>::new(), "of no app that one does not see");
    assert_eq!(mark(&flow, &bob, &id, true).await, 404, "nor to be marked");
    let collaborators = "/apps/shop/collaborators";
    let added = flow.post(collaborators, &json!({ "user": "bob@example.org" })).await;
    assert_eq!(added.status, 201, "{}", added.text());
    let his = of(&flow, &bob).await;
    assert_eq!(his, std::slice::from_ref(shops), "the same for everybody who sees the app");
    assert_eq!(mark(&flow, &owner, &id, true).await, 200);
    assert_eq!(of(&flow, &bob).await, his, "what one has read is unread for the other");
    let patched = flow.patch(&format!("{MINE}/{id}"), &json!({ "read": true })).await.json();
    assert_eq!((&patched["id"], &patched["read"]), (&json!(id), &json!(true)), "twice is once");

    flow.end_serve(Signal::KILL).await;
    flow.start_serve().await;
    let mine = of(&flow, &owner).await;
    assert_eq!(titles(&mine), ["forum: build broken false", "shop: build broken true"]);
    assert_eq!(of(&flow, &bob).await, his);

    let app = flow.known_app("shop");
    app.push(Source::answering("one")).await.released("v3");
    let mended = of(&flow, &bob).await.remove(0);
    let said = mended["followup"][0]["body"].as_str().unwrap();
    assert!(said.starts_with("shop: build fixed\nThe build of "), "{said}");
    assert_eq!((&mended["read"], &mended["title"]), (&json!(false), &json!("shop: build broken")));
    // What breaks after it was mended is another.
    app.push(broken().with("more", "again")).await.declined("Push rejected");
    assert_eq!(titles(&of(&flow, &bob).await), ["shop: build broken false", "shop: build broken false"]);

    assert_eq!(flow.delete(&format!("{collaborators}/bob@example.org")).await.status, 200);
    assert_eq!(of(&flow, &bob).await, Vec::<Value>::new(), "access was taken");
    assert_eq!(mark(&flow, &bob, &id, true).await, 404);
    assert_eq!(flow.delete("/apps/shop").await.status, 200);
    assert_eq!(titles(&of(&flow, &owner).await), ["forum: build broken false"]);
}

#[tokio::test]
async fn a_notification_is_marked_with_yes_or_no_and_the_list_is_cut_as_others_are() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for version in [3, 4] {
        app.push(broken().with("of", &version.to_string())).await.declined("Push rejected");
        app.push(Source::answering(&version.to_string())).await.released(&format!("v{version}"));
    }
    let all = flow.get(MINE).await.json();
    let [newer, older] = [&all[0]["id"], &all[1]["id"]].map(|id| id.as_str().unwrap());
    let authorization = format!("Bearer {}", flow.token);
    let page = async |range: &str| {
        flow.raw("GET", MINE, &[("authorization", &authorization), ("range", range)], Bytes::new()).await
    };
    let first = page("created_at ..; max=1").await;
    assert_eq!((first.status.as_u16(), first.json()[0]["id"].as_str()), (206, Some(newer)));
    let second = page(first.header("next-range")).await;
    assert_eq!((second.status.as_u16(), second.json()[0]["id"].as_str()), (200, Some(older)));
    assert_eq!(page("created_at ..; order=asc").await.json()[0]["id"], older);
    assert_eq!(page("title ..").await.status, 416);

    let path = format!("{MINE}/{newer}");
    for (body, status) in [("{}", 422), (r#"{"read": "yes"}"#, 422), ("[]", 422), ("{read}", 400)] {
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let answer = flow.raw("PATCH", &path, &headers, Bytes::from_static(body.as_bytes())).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    for id in ["01234567-89ab-cdef-0123-456789abcdef", "nothing"] {
        let answer = flow.patch(&format!("{MINE}/{id}"), &json!({ "read": true })).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (404, &json!("not_found")), "{id}");
    }
    assert_eq!(mark(&flow, &flow.token, newer, true).await, 200);
    assert_eq!(flow.get(MINE).await.json()[0]["read"], true);
    assert_eq!(mark(&flow, &flow.token, newer, false).await, 200);
    assert_eq!(flow.get(MINE).await.json(), all);
    let guest = flow.post("/oauth/authorizations", &json!({ "scope": ["read"] })).await.json();
    let guest = guest["access_token"]["token"].as_str().unwrap();
    assert_eq!(of(&flow, guest).await.len(), 2, "a token that reads");
    assert_eq!(mark(&flow, guest, newer, true).await, 403, "marks nothing");
}

#[tokio::test]
async fn the_command_line_shows_what_is_unread_and_marks_what_it_showed() {
    let flow = flow().await;
    flow.app("forum").await;
    let app = flow.app("shop").await;
    let run = async |words: &[&str]| {
        let output = flow.cli(words).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    assert_eq!(run(&["notifications:mine"]).await, "You have no unread notifications.\n");
    app.push(broken()).await.declined("Push rejected");
    assert_eq!(run(&["notifications:mine", "-a", "forum"]).await, "You have no unread notifications.\n");
    let all = run(&["notifications:mine", "--read"]).await;
    assert!(all.contains("shop: build broken") && all.contains("See: flowline builds -a shop"), "{all}");
    let unread: Value = serde_json::from_str(&run(&["notifications:mine", "--json", "--read"]).await).unwrap();
    assert_eq!(unread[0]["read"], false, "to look at all marks nothing: {unread}");
    assert!(
        run(&["notifications:mine", "-a", "shop"]).await.contains("=== Unread Notifications\n\nshop: build broken")
    );
    assert_eq!(run(&["notifications:mine"]).await, "You have no unread notifications.\n");
    app.push(Source::answering("one")).await.released("v3");
    let all = run(&["notifications:mine", "--read"]).await;
    assert!(all.contains("  shop: build fixed\n"), "{all}");
    assert_eq!(run(&["notifications:mine", "--json"]).await.trim(), "[]");
}
