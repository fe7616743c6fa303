//! Custom domains: added, reached, moved, removed; and stacks and regions.

use crate::flow;
use crate::schema::Schema;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::{App, Flow, Source, Start, within};

async fn add(app: &App<'_>, hostname: &str) -> Value {
    let answer = app.call("POST", "/domains", Some(&json!({ "hostname": hostname, "sni_endpoint": null }))).await;
    assert_eq!(answer.status, 201, "{hostname}: {}", answer.text());
    answer.json()
}

/// Refused with 422 and words that say why.
async fn refused(app: &App<'_>, hostname: &Value) -> String {
    let answer = app.call("POST", "/domains", Some(&json!({ "hostname": hostname, "sni_endpoint": null }))).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{hostname}");
    answer.json()["message"].as_str().unwrap().to_owned()
}

/// What a visitor who asks for this host gets: status and text.
async fn visit(flow: &Flow, host: &str) -> (u16, String) {
    let answer = within(host, flow.visit(host, "GET", "/", &[], Bytes::new())).await.unwrap();
    (answer.status.as_u16(), answer.text())
}

#[tokio::test]
async fn route_2_a_domain_leads_to_its_app_from_when_it_is_added_until_it_is_removed() {
    let (flow, schema) = (flow().await, Schema::read());
    let (shop, blog) = (flow.app("shop").await, flow.app("blog").await);
    shop.push(Source::answering("shop")).await.released("v3");
    blog.push(Source::answering("blog")).await.released("v3");
    assert_eq!(visit(&flow, "www.example.com").await.0, 404, "route_3");
    let made = add(&shop, "WWW.Example.com").await;
    schema.check("domain", &made);
    assert_eq!(
        (&made["hostname"], &made["kind"], &made["status"]),
        (&json!("www.example.com"), &json!("custom"), &json!("succeeded"))
    );
    let cname = made["cname"].as_str().expect("cli_22: never null");
    assert!(cname.ends_with(".dns.localhost"), "{cname}");
    assert_eq!(visit(&flow, "www.example.com").await, (200, "shop".into()), "at once");
    assert_eq!(visit(&flow, "WWW.EXAMPLE.COM:443").await, (200, "shop".into()));
    let wild = add(&blog, "*.example.com").await;
    schema.check("domain", &wild);
    assert_eq!(visit(&flow, "www.example.com").await.1, "shop", "exact before wildcard");
    assert_eq!(visit(&flow, "other.example.com").await.1, "blog");
    assert_eq!(visit(&flow, "example.com").await.0, 404, "a wildcard does not cover its base");
    let all = shop.read("/domains").await;
    schema.check_all("domain", &all, 2);
    let own = &all[0];
    assert_eq!(
        (&own["hostname"], &own["kind"], &own["cname"], &own["status"]),
        (&json!("shop.localhost"), &json!("heroku"), &json!(null), &json!("none"))
    );
    for which in ["www.example.com", "WWW.example.com", made["id"].as_str().unwrap()] {
        assert_eq!(shop.read(&format!("/domains/{which}")).await, made, "by host name and by id");
    }
    assert_eq!(shop.read(&format!("/domains/{}", own["id"].as_str().unwrap())).await, *own);
    assert_eq!(blog.read("/domains/*.example.com").await, wild);
    let gone = shop.call("DELETE", "/domains/www.example.com", None).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, made.clone()), "cli_20");
    let after = shop.call("GET", "/domains/www.example.com", None).await;
    assert_eq!((after.status.as_u16(), after.json()["id"].as_str()), (404, Some("not_found")), "cli_32");
    assert_eq!(visit(&flow, "www.example.com").await.1, "blog", "the wildcard has it now");
    add(&blog, "www.example.com").await;
    assert_eq!(blog.call("DELETE", "", None).await.status, 200);
    assert_eq!(visit(&flow, "www.example.com").await.0, 404, "an app takes its domains with it");
    add(&shop, "www.example.com").await;
    assert_eq!(visit(&flow, "www.example.com").await.1, "shop");
    assert_eq!(shop.latest_release().await["version"], 3, "no release is made");
}

#[tokio::test]
async fn domains_outlive_the_server() {
    let mut flow = flow().await;
    let app = flow.app("shop").await;
    app.push(Source::answering("shop")).await.released("v3");
    add(&app, "www.example.com").await;
    drop(app);
    flow.end_serve(rustix::process::Signal::KILL).await;
    assert_eq!(visit(&flow, "www.example.com").await.1, "shop", "the router has it");
    flow.start_serve().await;
    assert_eq!(visit(&flow, "www.example.com").await.1, "shop");
}

#[tokio::test]
async fn cli_39_names_that_are_none_taken_or_the_platforms_own_are_refused() {
    let flow = flow().await;
    let (shop, blog) = (flow.app("shop").await, flow.app("blog").await);
    add(&shop, "www.example.com").await;
    assert!(
        refused(&shop, &json!("WWW.example.com.")).await.contains("www.example.com is already a domain of this app")
    );
    let theirs = refused(&blog, &json!("www.example.com")).await;
    assert!(
        theirs.contains("www.example.com is already in use by another app") && !theirs.contains("shop"),
        "{theirs}"
    );
    for taken in ["blog.localhost", "no-such-app.localhost", "*.shop.localhost", "a.b.localhost", "x.dns.localhost"] {
        assert!(refused(&shop, &json!(taken)).await.contains("belongs to the platform"), "{taken}");
    }
    assert!(refused(&shop, &json!("shop.localhost")).await.contains("already a domain of this app"));
}

#[tokio::test]
async fn bad_host_names_and_bad_bodies_add_nothing() {
    let flow = flow().await;
    let (shop, blog) = (flow.app("shop").await, flow.app("blog").await);
    add(&shop, "www.example.com").await;
    let (huge, deep) = ("x".repeat(500_000), "a.".repeat(200) + "com");
    for bad in [
        "",
        " ",
        "com",
        "localhost",
        "*.localhost",
        "a..b",
        "-a.com",
        "a_b.example.com",
        "*.*.example.com",
        "1.2.3.4",
        "[::1]",
        "a.com/x",
        "a.com:80",
        "http://a.com",
        "a.com\r\nX: y",
        "$(id).example.com",
        "`id`.example.com",
        "a'--.example.com",
        "../../etc/passwd",
        "\u{1b}[2J.example.com",
        "a\u{0}.example.com",
        "\u{202e}moc.example",
        &huge,
        &deep,
    ] {
        let message = refused(&shop, &json!(bad)).await;
        assert!(message.len() < 400 && !message.contains('\u{1b}'), "{bad:?}: {message}");
    }
    for wrong in [json!(5), json!(null), json!(["a.com"]), json!({ "name": "a.com" })] {
        refused(&shop, &wrong).await;
    }
    for (body, words) in [
        (json!({ "hostname": "a.example.com", "sni_endpoint": "no-such-one" }), "SNI endpoint"),
        (
            json!({ "hostname": "a.example.com", "sni_endpoint": { "id": "01234567-89ab-cdef-0123-456789abcdef" } }),
            "SNI",
        ),
    ] {
        let answer = shop.call("POST", "/domains", Some(&body)).await;
        assert!(answer.status == 404 && answer.text().contains(words), "{}", answer.text());
    }
    let bare = shop.call("POST", "/domains", Some(&json!({ "hostname": "b\u{fc}cher.example" }))).await;
    assert_eq!((bare.status.as_u16(), bare.json()["hostname"].as_str()), (201, Some("xn--bcher-kva.example")));
    for which in ["/domains/shop.localhost", "/domains/nothing.example.com", "/domains/%00", "/domains/..%2f..%2fblog"]
    {
        let answer = shop.call("DELETE", which, None).await;
        assert!(matches!(answer.status.as_u16(), 404 | 422), "{which}: {}", answer.text());
    }
    assert_eq!(blog.call("GET", "/domains/www.example.com", None).await.status, 404, "another app's");
    assert_eq!(blog.call("DELETE", "/domains/www.example.com", None).await.status, 404);
    let mut names: Vec<String> = Vec::new();
    for domain in shop.read("/domains").await.as_array().unwrap() {
        names.push(domain["hostname"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["shop.localhost", "www.example.com", "xn--bcher-kva.example"]);
}

#[tokio::test]
async fn cli_10_the_three_names_are_settings() {
    let words = ["--dns-target", "targets.example.net", "--git-url", "https://git.example.com/"];
    let flow = Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&words)).await;
    let app = flow.app("shop").await;
    assert_eq!(app.read("").await["git_url"], "https://git.example.com/shop.git");
    let cname = add(&app, "www.example.com").await["cname"].as_str().unwrap().to_owned();
    assert!(cname.ends_with(".targets.example.net"), "{cname}");
    assert!(refused(&app, &json!("x.targets.example.net")).await.contains("belongs to the platform"));
}

#[tokio::test]
async fn cli_11_stacks_and_regions_by_name_and_by_id() {
    let (flow, schema) = (flow().await, Schema::read());
    for (list, noun, count) in [("/regions", "region", 2), ("/stacks", "stack", 2)] {
        let all = flow.get(list).await.json();
        schema.check_all(noun, &all, count);
        for one in all.as_array().unwrap() {
            for which in ["name", "id"] {
                assert_eq!(flow.get(&format!("{list}/{}", one[which].as_str().unwrap())).await.json(), *one);
            }
        }
        let nothing = flow.get(&format!("{list}/moon")).await;
        assert_eq!((nothing.status.as_u16(), nothing.json()["resource"].as_str()), (404, Some(noun)));
    }
    let app = flow.post("/apps", &json!({ "name": "shop", "region": "eu" })).await.json();
    assert_eq!(flow.get("/regions/eu").await.json()["id"], app["region"]["id"]);
    assert_eq!(flow.get("/stacks/heroku-24").await.json()["id"], app["stack"]["id"]);
    schema.check_all("stack", &flow.get("/apps/shop/available-stacks").await.json(), 2);
}
