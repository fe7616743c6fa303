//! What API clients other than the command line lean on (CLI-*): compiled clients and infrastructure as code, which read once more
//! what they wrote and compare. docs/api-rules.md lists which test holds which rule.

use crate::flow;
use crate::schema::Schema;
use crate::slugs::checksum;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{Answer, Flow, KeyedCertificate, Source};

/// Makes something; what came back.
async fn made(flow: &Flow, path: &str, body: Value) -> Value {
    let answer = flow.post(path, &body).await;
    assert!(answer.status.is_success(), "POST {path}: {} {}", answer.status, answer.text());
    answer.json()
}

async fn read(flow: &Flow, path: &str) -> Value {
    let answer = flow.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

fn is_gone(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (404, &json!("not_found")), "{what}: {}", answer.text());
}

#[tokio::test]
async fn cli_2_and_5_calls_without_body_type_or_key_are_taken_and_every_answer_has_an_id() {
    let flow = flow().await;
    flow.app("shop").await;
    for (method, path, status) in [
        ("POST", "/sources", 201),
        ("POST", "/apps/shop/acm", 200),
        ("DELETE", "/apps/shop/acm", 200),
        ("GET", "/apps/shop", 200),
        ("GET", "/apps/none", 404),
        ("GET", "/nothing", 404),
    ] {
        let headers = [
            ("authorization", flow.basic()),
            ("accept", "application/vnd.heroku+json; version=3".to_owned()),
            ("request-id", "theirs".to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = flow.raw(method, path, &headers, Bytes::new()).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(answer.header("request-id").starts_with("theirs,"), "{path}: {:?}", answer.headers);
    }
    // A key is never needed: the same POST twice makes two.
    assert_ne!(made(&flow, "/apps", json!({})).await["id"], made(&flow, "/apps", json!({})).await["id"]);
}

#[tokio::test]
async fn cli_3_slashes_too_many_never_redirect_or_fail() {
    let flow = flow().await;
    flow.app("shop").await;
    let headers = [("authorization", flow.basic())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    for (path, status) in [
        ("//account", 200),
        ("//apps/shop", 200),
        ("/apps//webhooks/01234567-89ab-cdef-0123-456789abcdef", 404),
        ("/apps/shop/collaborators/", 404),
        ("/apps/shop//collaborators", 404),
    ] {
        let answer = flow.raw("GET", path, &headers, Bytes::new()).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("location"), "", "{path}");
    }
}

#[tokio::test]
async fn cli_11_regions_come_back_as_sent_and_the_generation_is_cedar_everywhere() {
    let flow = flow().await;
    for region in ["us", "eu"] {
        let app = made(&flow, "/apps", json!({ "region": region })).await;
        assert_eq!((&app["region"]["name"], &app["generation"]["name"]), (&json!(region), &json!("cedar")));
        let again = read(&flow, &format!("/apps/{}", id(&app))).await;
        assert_eq!(again["region"], app["region"]);
    }
    let pipeline = made(&flow, "/pipelines", json!({ "name": "line" })).await;
    assert_eq!(pipeline["generation"]["name"], "cedar");
    Schema::read().check_all("generation", &read(&flow, "/generations").await, 1);
    assert_eq!(read(&flow, "/generations/cedar").await["id"], read(&flow, "/generations").await[0]["id"]);
}

#[tokio::test]
async fn cli_12_sizes_are_taken_in_any_case_and_come_back_in_theirs() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    for (sent, named) in [("standard-2x", "Standard-2X"), ("BASIC", "Basic"), ("Standard-1x", "Standard-1X")] {
        let body = json!({ "updates": [{ "type": "web", "dyno_size": { "name": sent } }] });
        let set = app.call("PATCH", "/formation", Some(&body)).await;
        assert_eq!(set.status, 200, "{}", set.text());
        let web = app.read("/formation/web").await;
        assert_eq!((&web["size"], &web["dyno_size"]["name"]), (&json!(named), &json!(named)));
        assert_eq!(read(&flow, &format!("/dyno-sizes/{sent}")).await["id"], web["dyno_size"]["id"]);
    }
    Schema::read().check_all("dyno-size", &read(&flow, "/dyno-sizes").await, 12);
    assert_eq!(read(&flow, "/dyno-sizes").await, app.read("/available-dyno-sizes").await);
    is_gone(&flow.get("/dyno-sizes/huge").await, "a size that is none");
}

#[tokio::test]
async fn cli_13_add_ons_are_not_there_and_every_way_to_ask_says_so() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for path in ["/addons", "/addon-attachments", "/addon-services", "/apps/shop/addons", "/spaces"] {
        assert_eq!(read(&flow, path).await, json!([]), "{path}");
    }
    let wanted = json!({ "plan": "heroku-postgresql" });
    for answer in [
        app.call("POST", "/addons", Some(&wanted)).await,
        app.call("DELETE", "/addons/heroku-postgresql", None).await,
        flow.get("/addons/x").await,
        flow.post("/actions/addons/resolve", &wanted).await,
        flow.get("/addon-services/heroku-postgresql/plans").await,
    ] {
        is_gone(&answer, "an add-on");
        assert!(answer.text().contains("no add-ons"), "{}", answer.text());
    }
}

#[tokio::test]
async fn cli_23_things_are_found_by_id_and_by_name() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    flow.account("ada@example.org").await;
    made(&flow, "/apps/shop/collaborators", json!({ "user": "ada@example.org" })).await;
    made(&flow, "/teams", json!({ "name": "acme" })).await;
    made(&flow, "/teams/acme/members", json!({ "email": "ada@example.org", "role": "member" })).await;
    made(&flow, "/pipelines", json!({ "name": "line" })).await;
    made(&flow, "/apps/shop/domains", json!({ "hostname": "www.example.org" })).await;
    for (folder, name) in [
        ("/apps", "shop"),
        ("/pipelines", "line"),
        ("/teams", "acme"),
        ("/regions", "eu"),
        ("/stacks", "heroku-24"),
        ("/dyno-sizes", "Eco"),
        ("/apps/shop/formation", "web"),
        ("/apps/shop/features", "runtime-dyno-metadata"),
        ("/apps/shop/domains", "www.example.org"),
        ("/apps/shop/collaborators", "ada@example.org"),
        ("/apps/shop/releases", "3"),
    ] {
        let named = read(&flow, &format!("{folder}/{name}")).await;
        let own = id(&named);
        assert_eq!(own, own.to_lowercase(), "{folder}");
        assert_eq!(read(&flow, &format!("{folder}/{own}")).await, named, "{folder}");
    }
    let member = &read(&flow, "/teams/acme/members").await.as_array().unwrap().clone();
    let ada = member.iter().find(|one| one["email"] == "ada@example.org").unwrap();
    let removed = flow.delete(&format!("/teams/acme/members/{}", id(ada))).await;
    assert_eq!((removed.status.as_u16(), removed.json()["id"].take()), (200, ada["id"].clone()));
}

#[tokio::test]
async fn cli_25_a_teams_app_names_its_team_twice_and_where_locks_and_permissions_are_read() {
    let flow = flow().await;
    flow.account("ada@example.org").await;
    made(&flow, "/teams", json!({ "name": "acme" })).await;
    let app = made(&flow, "/teams/apps", json!({ "name": "teams-app", "team": "acme", "locked": true })).await;
    assert_eq!((&app["team"]["name"], &app["organization"]["name"]), (&json!("acme"), &json!("acme")));
    assert_eq!(read(&flow, "/teams/apps/teams-app").await["locked"], true);
    let given = json!({ "user": "ada@example.org", "permissions": ["deploy", "view"] });
    let given = made(&flow, "/teams/apps/teams-app/collaborators", given).await;
    let shown = read(&flow, &format!("/apps/teams-app/collaborators/{}", id(&given))).await;
    let names: Vec<&str> = shown["permissions"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["view", "deploy"]);
}

#[tokio::test]
async fn cli_26_and_27_what_was_written_is_read_again_to_the_letter() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    assert_eq!(app.read("/config-vars").await, json!({}), "a fresh app has none");
    let vars = json!({ "SPACES": "  a  ", "LINES": "a\nb\n", "EMPTY": "", "SIGNS": "ä\"'\\$" });
    app.config(vars.clone()).await;
    assert_eq!(app.read("/config-vars").await, vars);
    for url in ["syslog+tls://logs.example.org:6514", "https://user:pass@logs.example.org/in?a=b%20c"] {
        let drain = made(&flow, "/apps/shop/log-drains", json!({ "url": url })).await;
        assert_eq!(app.read(&format!("/log-drains/{}", id(&drain))).await["url"], *url);
    }
    let url = "https://hooks.example.org/in?token=a%2Fb";
    let hook = json!({ "include": ["api:release"], "level": "notify", "url": url });
    let hook = made(&flow, "/apps/shop/webhooks", hook).await;
    assert_eq!(app.read(&format!("/webhooks/{}", id(&hook))).await["url"], url);
    let certificate = KeyedCertificate::make(&["www.example.org"], 2400);
    let chain = format!("{}\n", certificate.chain.trim_end());
    let body = json!({ "certificate_chain": chain, "private_key": certificate.key });
    let endpoint = made(&flow, "/apps/shop/sni-endpoints", body).await;
    assert_eq!(app.read(&format!("/sni-endpoints/{}", id(&endpoint))).await["certificate_chain"], chain);
    let pack = "https://example.org/pack.tgz";
    let packs = json!({ "updates": [{ "buildpack": "heroku/python" }, { "buildpack": pack }] });
    assert_eq!(app.call("PUT", "/buildpack-installations", Some(&packs)).await.status, 200);
    let set = app.read("/buildpack-installations").await;
    let shown = |at: usize| (set[at]["buildpack"]["name"].clone(), set[at]["buildpack"]["url"].clone());
    assert_eq!(shown(1), (json!(pack), json!(pack)));
    assert_eq!(shown(0).0, "heroku/python");
    let sum = checksum(&flow, &Bytes::from_static(b"an archive")).await;
    let slug = json!({ "process_types": { "web": "true" }, "checksum": sum });
    let slug = made(&flow, "/apps/shop/slugs", slug).await;
    assert_eq!(app.read(&format!("/slugs/{}", id(&slug))).await["checksum"], sum);
}

#[tokio::test]
async fn cli_30_a_new_app_has_a_release_and_empty_changes_are_fine() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    assert!(!app.read("/releases").await.as_array().unwrap().is_empty());
    for path in ["/config-vars", ""] {
        let answer = app.call("PATCH", path, Some(&json!({}))).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    app.push(Source::answering("one")).await.released("v3");
    let slug = app.latest_release().await["slug"]["id"].clone();
    let other = flow.app("other").await;
    let described = json!({ "slug": slug, "description": "  as it was written, ä " });
    let release = other.call("POST", "/releases", Some(&described)).await;
    assert_eq!(release.status, 201, "{}", release.text());
    let release = other.read(&format!("/releases/{}", id(&release.json()))).await;
    assert_eq!((&release["slug"]["id"], &release["description"]), (&slug, &described["description"]));
}

#[tokio::test]
async fn cli_31_builds_and_releases_are_pending_until_they_succeed_or_fail() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let slot = made(&flow, "/sources", json!({})).await["source_blob"].take();
    assert_eq!(flow.upload(&slot["put_url"], Source::answering("one").archive()).await.status, 200);
    let begun = made(&flow, "/apps/shop/builds", json!({ "source_blob": { "url": slot["get_url"] } })).await;
    assert_eq!(begun["status"], "pending");
    // The stream holds the whole log and ends with the build (CLI-33).
    let log = flow.read_address(&begun["output_stream_url"]).await.text();
    let ended = app.read(&format!("/builds/{}", id(&begun))).await;
    assert_eq!(ended["status"], "succeeded", "{log}");
    let release = app.read(&format!("/releases/{}", ended["release"]["id"].as_str().unwrap())).await;
    assert_eq!((&release["status"], release["slug"]["id"].is_string()), (&json!("succeeded"), true));
    assert_eq!(flow.read_address(&begun["output_stream_url"]).await.text(), log, "whole, also afterwards");
}

#[tokio::test]
async fn cli_32_what_was_deleted_is_gone_at_once() {
    let flow = flow().await;
    flow.app("shop").await;
    flow.account("ada@example.org").await;
    made(&flow, "/teams", json!({ "name": "acme" })).await;
    let certificate = KeyedCertificate::make(&["www.example.org"], 2400);
    let endpoint = json!({ "certificate_chain": certificate.chain, "private_key": certificate.key });
    let hook = json!({ "include": ["api:app"], "level": "notify", "url": "http://127.0.0.1:9/" });
    let client = json!({ "name": "c", "redirect_uri": "https://example.org" });
    for (folder, body) in [
        ("/apps/shop/domains", json!({ "hostname": "www.example.org" })),
        ("/apps/shop/sni-endpoints", endpoint),
        ("/apps/shop/log-drains", json!({ "url": "syslog://127.0.0.1:9" })),
        ("/apps/shop/webhooks", hook),
        ("/apps/shop/collaborators", json!({ "user": "ada@example.org" })),
        ("/pipelines", json!({ "name": "line" })),
        ("/oauth/authorizations", json!({ "scope": ["read"] })),
        ("/oauth/clients", client),
        ("/teams", json!({ "name": "beta" })),
        ("/apps", json!({ "name": "other" })),
    ] {
        let path = format!("{folder}/{}", id(&made(&flow, folder, body).await));
        assert_eq!(flow.get(&path).await.status, 200, "{path}");
        let deleted = flow.delete(&path).await;
        assert_eq!(deleted.status, 200, "{path}: {}", deleted.text());
        assert!(deleted.json().is_object(), "CLI-20: {path}");
        is_gone(&flow.get(&path).await, &path);
        is_gone(&flow.delete(&path).await, &path);
    }
}

#[tokio::test]
async fn cli_35_a_certificate_may_be_added_twice_and_is_tied_to_nothing_by_itself() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let domain = made(&flow, "/apps/shop/domains", json!({ "hostname": "www.example.org" })).await;
    let certificate = KeyedCertificate::make(&["www.example.org"], 2400);
    let body = json!({ "certificate_chain": certificate.chain, "private_key": certificate.key });
    let first = made(&flow, "/apps/shop/sni-endpoints", body.clone()).await;
    assert_ne!(id(&first), id(&made(&flow, "/apps/shop/sni-endpoints", body).await));
    assert_eq!(app.read(&format!("/domains/{}", id(&domain))).await["sni_endpoint"], Value::Null);
    let wish = app.call("POST", "/acm", None).await;
    assert_eq!((wish.status.as_u16(), wish.json()["acm"].take()), (200, json!(true)), "{}", wish.text());
}

#[tokio::test]
async fn cli_36_drains_and_webhooks_to_nobody_are_taken_and_a_drain_has_a_token() {
    let flow = flow().await;
    flow.app("shop").await;
    for url in ["syslog://127.0.0.1:9", "https://nobody.invalid/logs"] {
        let drain = made(&flow, "/apps/shop/log-drains", json!({ "url": url })).await;
        assert!(drain["token"].as_str().is_some_and(|token| token.starts_with("d.") && token.len() > 10), "{drain:#}");
    }
    let hook = json!({ "include": ["api:app"], "level": "sync", "url": "https://nobody.invalid/hook" });
    made(&flow, "/apps/shop/webhooks", hook).await;
}

#[tokio::test]
async fn cli_37_a_process_type_that_the_slug_lacks_is_404_with_its_name() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for pushed in [false, true] {
        if pushed {
            app.push(Source::answering("one")).await.released("v3");
        }
        let one = app.call("PATCH", "/formation/mailer", Some(&json!({ "quantity": 1 }))).await;
        let body = json!({ "updates": [{ "type": "mailer", "quantity": 1 }] });
        let many = app.call("PATCH", "/formation", Some(&body)).await;
        for answer in [one, many] {
            is_gone(&answer, "a type that is not there");
            assert!(answer.text().contains("mailer"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn cli_38_a_promotion_may_name_its_release_and_its_targets_have_theirs_at_once() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("one")).await.released("v3");
    let live = flow.app("live").await;
    let line = made(&flow, "/pipelines", json!({ "name": "line" })).await;
    for (name, stage) in [("shop", "staging"), ("live", "production")] {
        made(&flow, "/pipeline-couplings", json!({ "app": name, "pipeline": id(&line), "stage": stage })).await;
    }
    let source = json!({ "app": { "id": "shop" }, "release": { "id": id(&app.latest_release().await) } });
    let target = json!({ "app": { "id": id(&live.read("").await) } });
    let body = json!({ "pipeline": { "id": id(&line) }, "source": source, "targets": [target] });
    let promotion = made(&flow, "/pipeline-promotions", body).await;
    let targets = read(&flow, &format!("/pipeline-promotions/{}/promotion-targets", id(&promotion))).await;
    let release = targets[0]["release"]["id"].as_str().expect("read once, and it is there").to_owned();
    live.read(&format!("/releases/{release}")).await;
}

#[tokio::test]
async fn cli_39_the_same_again_is_422_with_its_name_and_no_second_row() {
    let flow = flow().await;
    flow.app("shop").await;
    flow.account("ada@example.org").await;
    made(&flow, "/teams", json!({ "name": "acme" })).await;
    let line = id(&made(&flow, "/pipelines", json!({ "name": "line" })).await);
    let coupling = json!({ "app": "shop", "pipeline": line, "stage": "staging" });
    let couplings = format!("/pipelines/{line}/pipeline-couplings");
    for (path, body, list, named) in [
        (
            "/apps/shop/collaborators",
            json!({ "user": "ada@example.org" }),
            "/apps/shop/collaborators",
            "ada@example.org is already a collaborator on app",
        ),
        ("/apps/shop/domains", json!({ "hostname": "www.example.org" }), "/apps/shop/domains", "www.example.org"),
        ("/pipeline-couplings", coupling, couplings.as_str(), "shop"),
        (
            "/teams/acme/members",
            json!({ "email": "ada@example.org", "role": "viewer" }),
            "/teams/acme/members",
            "ada@example.org",
        ),
    ] {
        made(&flow, path, body.clone()).await;
        let before = read(&flow, list).await;
        let again = flow.post(path, &body).await;
        assert_eq!((again.status.as_u16(), &again.json()["id"]), (422, &json!("invalid_params")), "{path}");
        assert!(again.text().contains(named), "{path}: {}", again.text());
        assert_eq!(read(&flow, list).await, before, "{path}");
    }
    let nobody = flow.post("/apps/shop/collaborators", &json!({ "user": "nobody@example.org" })).await;
    assert!(nobody.text().contains("Couldn't find that user"), "CLI-21: {}", nobody.text());
}

#[tokio::test]
async fn cli_10_and_heroku3_the_familys_stack_is_todays_with_a_warning() {
    let flow = flow().await;
    let family = flow.post("/apps", &json!({ "name": "shop", "stack": "cedar" })).await;
    assert_eq!(
        (family.status.as_u16(), &family.json()["stack"]["name"]),
        (201, &json!("heroku-24")),
        "{}",
        family.text()
    );
    assert!(family.header("warning-message").contains("heroku-24"), "{:?}", family.headers);
    assert_eq!(flow.post("/apps", &json!({ "stack": "heroku-24" })).await.header("warning-message"), "");
    let old = flow.post("/apps", &json!({ "stack": "cedar-14" })).await;
    assert_eq!((old.status.as_u16(), old.text().contains("use heroku-24")), (422, true), "{}", old.text());
}
