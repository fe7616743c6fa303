//! The command line about domains, certificates, drains, buildpacks, stacks and regions.

use crate::flow;
use serde_json::Value;
use testkit::{Flow, KeyedCertificate};

/// Exit code, stdout and stderr.
async fn run(flow: &Flow, words: &[&str]) -> (i32, String, String) {
    let output = flow.cli(&[words, &["-a", "shop"]].concat()).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What a command that must succeed prints.
async fn done(flow: &Flow, words: &[&str]) -> String {
    let (code, out, err) = run(flow, words).await;
    assert_eq!(code, 0, "{words:?}: {out}{err}");
    out
}

async fn json(flow: &Flow, words: &[&str]) -> Value {
    let out = done(flow, &[words, &["--json"]].concat()).await;
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
}

/// Without the name a second time nothing happens.
async fn wants_confirmation(flow: &Flow, words: &[&str]) {
    let (code, _, err) = run(flow, words).await;
    assert!(code == 2 && err.contains("--confirm shop"), "{words:?}: {err}");
    let (code, _, err) = run(flow, &[words, &["--confirm", "blog"]].concat()).await;
    assert!(code == 2 && err.contains("did not match shop. Nothing was changed"), "{words:?}: {err}");
}

#[tokio::test]
async fn domains_are_added_listed_and_removed() {
    let flow = flow().await;
    flow.app("shop").await;
    let (_, out, err) = run(&flow, &["domains"]).await;
    assert!(out.contains("shop.localhost") && err.contains("domains:add"), "{out}{err}");
    let (code, out, err) = run(&flow, &["domains:add", "www.example.com"]).await;
    assert!(code == 0 && err == "Adding www.example.com to ⬢ shop... done\n", "{err}");
    assert!(out.starts_with("Point the DNS entry of www.example.com to ") && out.contains(".dns.localhost"), "{out}");
    let (code, _, err) = run(&flow, &["domains:add", "www.example.com"]).await;
    assert!(code != 0 && err.contains("already a domain of this app"), "{err}");
    assert_eq!(json(&flow, &["domains:add", "*.example.org"]).await["hostname"], "*.example.org");
    let table = done(&flow, &["domains"]).await;
    assert!(table.contains("Domain Name") && table.contains("*.example.org"), "{table}");
    assert!(done(&flow, &["domains:info", "www.example.com"]).await.contains("succeeded"));
    assert_eq!(done(&flow, &["domains:wait"]).await, "");
    assert_eq!(json(&flow, &["domains"]).await.as_array().unwrap().len(), 3);
    assert_eq!(run(&flow, &["domains:info", "no.example.com"]).await.0, 4);
    done(&flow, &["domains:remove", "*.example.org"]).await;
    wants_confirmation(&flow, &["domains:clear"]).await;
    let (code, _, err) = run(&flow, &["domains:clear", "--confirm", "shop"]).await;
    assert!(code == 0 && err.contains("done, 1 removed"), "{err}");
    assert_eq!(json(&flow, &["domains"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn certificates_come_from_files_and_go_with_a_confirmation() {
    let flow = flow().await;
    flow.app("shop").await;
    let certificate = KeyedCertificate::make(&["www.example.com"], 2400);
    let (chain, key) = (flow.dir().join("server.crt"), flow.dir().join("server.key"));
    std::fs::write(&chain, &certificate.chain).unwrap();
    std::fs::write(&key, &certificate.key).unwrap();
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    done(&flow, &["domains:add", "www.example.com"]).await;
    let added = done(&flow, &["certs:add", chain, key, "--domain", "www.example.com"]).await;
    assert!(added.contains("/C=AT/CN=www.example.com") && added.contains("2400-12-31"), "{added}");
    let all = json(&flow, &["certs"]).await;
    let name = all[0]["name"].as_str().unwrap();
    assert_eq!(all[0]["domains"].as_array().unwrap().len(), 1);
    assert!(done(&flow, &["domains"]).await.contains(name));
    assert!(done(&flow, &["certs"]).await.contains("www.example.com"));
    assert!(done(&flow, &["certs:info"]).await.contains(name), "the only one is meant");
    done(&flow, &["domains:update", "www.example.com", "--cert", ""]).await;
    done(&flow, &["domains:update", "www.example.com", "--cert", name]).await;
    wants_confirmation(&flow, &["certs:update", chain, key]).await;
    done(&flow, &["certs:update", chain, key, "--confirm", "shop"]).await;
    let (code, _, err) = run(&flow, &["certs:add", key, chain]).await;
    assert!(code != 0 && err.contains("no certificate in it"), "{err}");
    let (code, _, err) = run(&flow, &["certs:add", "/no/such/file", key]).await;
    assert!(code != 0 && err.contains("/no/such/file"), "{err}");
    wants_confirmation(&flow, &["certs:remove"]).await;
    done(&flow, &["certs:remove", "--confirm", "shop"]).await;
    assert_eq!(run(&flow, &["certs:info"]).await.0, 4);
    assert!(done(&flow, &["certs:auto"]).await.contains("off"));
    assert_eq!(json(&flow, &["certs:auto:enable"]).await["acm"], true);
    wants_confirmation(&flow, &["certs:auto:disable"]).await;
    assert_eq!(json(&flow, &["certs:auto:disable", "--confirm", "shop"]).await["acm"], false);
}

#[tokio::test]
async fn drains_buildpacks_stacks_and_regions() {
    let flow = flow().await;
    flow.app("shop").await;
    assert_eq!(done(&flow, &["drains"]).await, "⬢ shop has no log drains.\n");
    let url = "https://user:pass@logs.example.invalid/in?a=b";
    assert_eq!(done(&flow, &["drains:add", url]).await, format!("Successfully added drain {url}\n"));
    let drains = json(&flow, &["drains"]).await;
    let token = drains[0]["token"].as_str().unwrap();
    assert_eq!(done(&flow, &["drains"]).await, format!("=== Drains\n\n{url}  ({token})\n"));
    assert_eq!(done(&flow, &["drains:remove", url]).await, format!("Successfully removed drain {url}\n"));
    let (code, _, err) = run(&flow, &["drains:add", "ftp://a.example"]).await;
    assert!(code != 0 && err.contains("URL is invalid"), "{err}");
    assert!(done(&flow, &["buildpacks"]).await.contains("has no buildpacks"));
    done(&flow, &["buildpacks:set", "heroku/python"]).await;
    done(&flow, &["buildpacks:add", "heroku/nodejs", "--index", "1"]).await;
    assert_eq!(done(&flow, &["buildpacks"]).await, "=== ⬢ shop Buildpacks\n\n1. heroku/nodejs\n2. heroku/python\n");
    assert_eq!(run(&flow, &["buildpacks:add", "heroku/nodejs"]).await.0, 2);
    done(&flow, &["buildpacks:set", "heroku/static", "--index", "2"]).await;
    done(&flow, &["buildpacks:remove", "heroku/nodejs"]).await;
    assert_eq!(done(&flow, &["buildpacks"]).await, "=== ⬢ shop Buildpack\n\nheroku/static\n");
    assert_eq!(run(&flow, &["buildpacks:remove", "heroku/nodejs"]).await.0, 4);
    assert_eq!(json(&flow, &["buildpacks:clear"]).await, serde_json::json!([]));
    assert_eq!(done(&flow, &["stack"]).await, "=== ⬢ shop Available Stacks\n\n  container\n* heroku-24\n");
    done(&flow, &["stack:set", "heroku-24"]).await;
    assert_ne!(run(&flow, &["stack:set", "cedar-10"]).await.0, 0);
    let regions = flow.cli(&["regions"]).await;
    assert_eq!(String::from_utf8(regions.stdout).unwrap(), "eu  Europe\nus  United States\n");
}
