//! Buildpacks that people choose: kept as written, run in order, or refused by the build in clear words.

use crate::flow;
use crate::schema::Schema;
use serde_json::{Value, json};
use testkit::{App, Source};

const PATH: &str = "/buildpack-installations";

async fn set(app: &App<'_>, packs: &[&str]) -> Value {
    let updates: Vec<Value> = packs.iter().map(|pack| json!({ "buildpack": pack })).collect();
    let answer = app.call("PUT", PATH, Some(&json!({ "updates": updates }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The packs of the newest build.
async fn of_last_build(app: &App<'_>) -> Vec<String> {
    let builds = app.read("/builds").await;
    let packs = builds.as_array().unwrap().last().unwrap()["buildpacks"].clone();
    packs.as_array().unwrap().iter().map(|pack| pack["url"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn bld_9_the_packs_of_an_app_run_in_order_and_the_last_one_says_what_runs() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    assert_eq!(app.read(PATH).await, json!([]));
    app.push(Source::answering("one")).await.released("v3").says("Determining which buildpack to use");
    let found_out = of_last_build(&app).await;
    assert_eq!(found_out.len(), 1, "{found_out:?}");
    assert_eq!(app.read(PATH).await, json!([]), "what is found out is found out again at the next build");
    let packs = ["https://github.com/heroku/heroku-buildpack-procfile.git#v1", "urn:buildpack:heroku/static"];
    let all = set(&app, &packs).await;
    schema.check_all("buildpack-installation", &all, 2);
    for (ordinal, pack) in packs.iter().enumerate() {
        assert_eq!(all[ordinal], json!({ "ordinal": ordinal, "buildpack": { "name": pack, "url": pack } }), "cli_26");
    }
    assert_eq!(app.read(PATH).await, all);
    assert_eq!(app.latest_release().await["version"], 3, "no release");
    let site = Source::answering("one").with("index.html", "<p>a page</p>");
    let push = app.push(site.clone()).await.released("v4");
    push.says("Using buildpacks:").says("1. https://github.com/heroku/heroku-buildpack-procfile.git#v1");
    push_order(&app).await;
    assert_eq!(of_last_build(&app).await, packs);
    schema.check("build", &app.read("/builds").await[1]);
    set(&app, &["heroku/procfile"]).await;
    app.push(site.clone().with("x", "y")).await.released("v5").says("Using buildpack: heroku/procfile");
    assert_eq!(set(&app, &[]).await, json!([]));
    app.push(site.with("x", "z")).await.released("v6").says("Determining which buildpack to use");
}

/// The first pack's line comes before the second one's.
async fn push_order(app: &App<'_>) {
    let builds = app.read("/builds").await;
    let address = builds.as_array().unwrap().last().unwrap()["output_stream_url"].clone();
    let output = app.flow().read_address(&address).await.text();
    let at = |words: &str| output.find(words).unwrap_or_else(|| panic!("`{words}` is missing:\n{output}"));
    assert!(at("Procfile app detected") < at("Static site app detected"), "{output}");
}

#[tokio::test]
async fn bld_9_a_pack_that_is_not_to_be_had_fails_the_build_and_says_which_are() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    for absent in
        ["heroku/ruby", "https://github.com/somebody/else", "../../../../etc", "$(id)", "`id`;'\"", "heroku/../.."]
    {
        set(&app, &[absent]).await;
        let push = app.push(Source::answering("one").with("name", absent)).await;
        push.declined(&format!("There is no buildpack `{absent}` on this server; it has heroku/nodejs, heroku/python"));
        assert_eq!(of_last_build(&app).await, [absent]);
    }
    set(&app, &["heroku/nodejs"]).await;
    app.push(Source::answering("two")).await.declined("App not compatible with buildpack: heroku/nodejs");
    assert_eq!(app.latest_release().await["version"], 2);
}

#[tokio::test]
async fn bad_lists_of_packs_change_nothing() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let before = set(&app, &["heroku/python"]).await;
    let many: Vec<Value> = (0..21).map(|_| json!({ "buildpack": "heroku/nodejs" })).collect();
    for bad in [
        json!({}),
        json!({ "updates": null }),
        json!({ "updates": "heroku/nodejs" }),
        json!({ "updates": [{}] }),
        json!({ "updates": [{ "buildpack": "heroku/nodejs" }, {}] }),
        json!({ "updates": [{ "buildpack": null }] }),
        json!({ "updates": [{ "buildpack": 5 }] }),
        json!({ "updates": [{ "buildpack": "" }] }),
        json!({ "updates": [{ "buildpack": "heroku/nodejs\nheroku/python" }] }),
        json!({ "updates": [{ "buildpack": "\u{1b}[2J" }] }),
        json!({ "updates": [{ "buildpack": "x".repeat(100_000) }] }),
        json!({ "updates": many }),
    ] {
        let answer = app.call("PUT", PATH, Some(&bad)).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{bad:.99}");
        assert!(answer.text().len() < 500, "{}", answer.text());
    }
    assert_eq!(app.read(PATH).await, before);
}
