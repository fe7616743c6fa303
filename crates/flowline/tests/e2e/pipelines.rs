//! Pipelines: whose they are, which app is where, what is seen of them, how they are handed over.

use crate::flow;
use serde_json::{Value, json};
use testkit::{Flow, Source, within};

async fn made(flow: &Flow, token: &str, path: &str, body: Value) -> Value {
    let answer = flow.call_as(token, "POST", path, Some(&body)).await;
    assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
    answer.json()
}

/// A pipeline of these apps, each new, at its stage.
async fn line(flow: &Flow, name: &str, apps: &[(&str, &str)]) -> String {
    let pipeline = made(flow, &flow.token, "/pipelines", json!({ "name": name })).await["id"].clone();
    for (app, stage) in apps {
        flow.app(app).await;
        let coupling = json!({ "app": app, "pipeline": pipeline, "stage": stage });
        made(flow, &flow.token, "/pipeline-couplings", coupling).await;
    }
    pipeline.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn pipe_1_to_8_a_pipeline_and_the_places_of_its_apps() {
    let flow = flow().await;
    let id =
        line(&flow, "shop", &[("shop-dev", "development"), ("shop-staging", "staging"), ("shop", "production")]).await;
    let account = flow.get("/account").await.json();
    let shown = flow.get("/pipelines/shop").await.json();
    assert_eq!((&shown["id"], &shown["generation"]["name"]), (&json!(id), &json!("cedar")));
    assert_eq!(shown["owner"], json!({ "id": account["id"], "type": "user" }));
    for bad in ["ab", "Shop", "sh op", "1shop", &"a".repeat(31)] {
        let refused = flow.post("/pipelines", &json!({ "name": bad })).await;
        assert_eq!(refused.status, 422, "pipe_2: {bad}: {}", refused.text());
    }
    // PIPE-5, CLI-39: one place for an app.
    let other = made(&flow, &flow.token, "/pipelines", json!({ "name": "other" })).await;
    for pipeline in [&json!(id), &other["id"]] {
        let again = json!({ "app": "shop", "pipeline": pipeline, "stage": "staging" });
        let again = flow.post("/pipeline-couplings", &again).await;
        assert_eq!(again.status, 422);
        assert!(again.text().contains("shop is already in a pipeline (shop)"), "{}", again.text());
    }
    let coupling = flow.get("/apps/shop/pipeline-couplings").await.json();
    assert_eq!((&coupling["pipeline"]["name"], &coupling["stage"]), (&json!("shop"), &json!("production")));
    flow.app("alone").await;
    let alone = flow.get("/apps/alone/pipeline-couplings").await;
    assert_eq!((alone.status.as_u16(), &alone.json()["id"]), (404, &json!("not_found")));
    assert!(alone.text().contains("alone is in no pipeline"), "{}", alone.text());
    // PIPE-6: to another stage, and out without a trace on the app.
    let path = format!("/pipeline-couplings/{}", coupling["id"].as_str().unwrap());
    assert_eq!(flow.patch(&path, &json!({ "stage": "staging" })).await.json()["stage"], "staging");
    let wrong = flow.patch(&path, &json!({ "stage": "prod" })).await;
    assert!(wrong.status == 422 && wrong.text().contains("development, staging and production"), "{}", wrong.text());
    assert_eq!(flow.get(&path).await.json()["stage"], "staging");
    assert_eq!(flow.delete(&path).await.status, 200);
    assert_eq!(flow.get(&path).await.status, 404);
    assert_eq!(flow.get("/apps/shop").await.status, 200);
    // PIPE-7: its apps survive it, and an app that is destroyed leaves it.
    assert_eq!(flow.delete("/apps/shop-dev").await.status, 200);
    let left = flow.get(&format!("/pipelines/{id}/pipeline-couplings")).await.json();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(flow.patch(&format!("/pipelines/{id}"), &json!({ "name": "stall" })).await.json()["name"], "stall");
    assert_eq!(flow.delete(&format!("/pipelines/{id}")).await.status, 200);
    assert_eq!(flow.get(&format!("/pipelines/{id}")).await.status, 404);
    assert_eq!(flow.get("/apps/shop-staging").await.status, 200);
    assert_eq!(flow.get("/apps/shop-staging/pipeline-couplings").await.status, 404);
}

#[tokio::test]
async fn pipe_2_two_pipelines_may_have_one_name() {
    let flow = flow().await;
    let one = line(&flow, "twin", &[]).await;
    let other = line(&flow, "twin", &[]).await;
    let named = flow.get("/pipelines?eq[name]=twin").await.json();
    let mut ids: Vec<_> = named.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let mut both = [one.as_str(), other.as_str()];
    ids.sort_unstable();
    both.sort_unstable();
    assert_eq!(ids, both);
    assert_eq!(flow.get("/pipelines?eq[name]=nothing").await.json(), json!([]));
    let which = flow.get("/pipelines/twin").await;
    assert!(which.status == 422 && which.text().contains("2 pipelines are called twin"), "{}", which.text());
    assert_eq!(flow.delete(&format!("/pipelines/{other}")).await.status, 200);
    assert_eq!(flow.get("/pipelines/twin").await.json()["id"], json!(one));
}

#[tokio::test]
async fn pipe_12_the_stages_test_and_review_have_config_vars() {
    let flow = flow().await;
    let id = line(&flow, "shop", &[("shop", "production")]).await;
    let path = |stage: &str| format!("/pipelines/{id}/stage/{stage}/config-vars");
    assert_eq!(flow.get(&path("test")).await.json(), json!({}));
    let set = flow.patch(&path("test"), &json!({ "A": "1", "B": "two words" })).await.json();
    assert_eq!(set, json!({ "A": "1", "B": "two words" }));
    assert_eq!(flow.patch(&path("test"), &json!({ "A": null })).await.json(), json!({ "B": "two words" }));
    assert_eq!(flow.get(&path("review")).await.json(), json!({}), "each stage has its own");
    for stage in ["development", "staging", "production", "nothing"] {
        assert_eq!(flow.get(&path(stage)).await.status, 422, "{stage}");
    }
    assert_eq!(flow.patch(&path("test"), &json!({ "1A": "x" })).await.status, 422);
    let kept = std::fs::read(flow.dir().join("flowline.db")).unwrap();
    let wal = std::fs::read(flow.dir().join("flowline.db-wal")).unwrap_or_default();
    assert!(![kept, wal].concat().windows(9).any(|words| words == b"two words"), "they are kept sealed");
    assert_eq!(flow.get(&format!("/pipelines/{id}/pipeline-stack")).await.json()["stack"]["name"], "heroku-24");
    let empty = line(&flow, "empty", &[]).await;
    assert_eq!(flow.get(&format!("/pipelines/{empty}/pipeline-stack")).await.json(), json!({ "stack": null }));
}

#[tokio::test]
async fn pipe_14_what_the_apps_of_a_pipeline_did_last() {
    let flow = flow().await;
    let id = line(&flow, "shop", &[("shop-staging", "staging"), ("shop", "production")]).await;
    let app = flow.known_app("shop-staging");
    app.push(Source::answering("one")).await.released("v3");
    app.config(json!({ "A": "1" })).await;
    let list = async |what: &str| flow.get(&format!("/pipelines/{id}/{what}")).await.json();
    let builds = list("latest-builds").await;
    assert_eq!((builds.as_array().unwrap().len(), &builds[0]["status"]), (1, &json!("succeeded")));
    // Lists are by id.
    let versions = |list: &Value| {
        let mut versions: Vec<_> =
            list.as_array().unwrap().iter().map(|one| one["version"].as_i64().unwrap()).collect();
        versions.sort_unstable();
        versions
    };
    assert_eq!(versions(&list("latest-releases").await), [2, 4], "any release");
    assert_eq!(versions(&list("latest-deployments").await), [3], "the one that moved code");
}

#[tokio::test]
async fn perm_21_and_22_who_sees_a_pipeline_and_who_changes_it() {
    let flow = flow().await;
    let id = line(&flow, "shop", &[("shop-staging", "staging"), ("shop", "production")]).await;
    let ada = flow.account("ada@example.org").await;
    let path = format!("/pipelines/{id}");
    assert_eq!(flow.call_as(&ada, "GET", &path, None).await.status, 404);
    made(&flow, &flow.token, "/apps/shop-staging/collaborators", json!({ "user": "ada@example.org" })).await;
    assert_eq!(flow.call_as(&ada, "GET", &path, None).await.json()["name"], "shop");
    assert_eq!(flow.call_as(&ada, "GET", "/pipelines", None).await.json()[0]["id"], json!(id));
    // Both places are told, the app that is not theirs by its id only.
    let couplings = flow.call_as(&ada, "GET", &format!("{path}/pipeline-couplings"), None).await.json();
    assert_eq!(couplings.as_array().unwrap().len(), 2);
    assert!(!couplings.to_string().contains("\"shop-staging\""));
    let releases = flow.call_as(&ada, "GET", &format!("{path}/latest-releases"), None).await.json();
    assert_eq!(releases.as_array().unwrap().len(), 1, "{releases}");
    let vars = format!("{path}/stage/test/config-vars");
    let coupling = format!("/pipeline-couplings/{}", couplings[0]["id"].as_str().unwrap());
    let stage = json!({ "stage": "production" });
    for (method, path, body) in [
        ("GET", &vars, None),
        ("PATCH", &vars, Some(json!({ "A": "1" }))),
        ("PATCH", &path, Some(json!({ "name": "mine" }))),
        ("DELETE", &path, None),
        ("PATCH", &coupling, Some(stage)),
        ("DELETE", &coupling, None),
    ] {
        let refused = flow.call_as(&ada, method, path, body.as_ref()).await;
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
        assert!(refused.text().contains("ask its owner"), "{}", refused.text());
    }
    // An app of theirs does not come into a pipeline that is not.
    made(&flow, &ada, "/apps", json!({ "name": "hers" })).await;
    let add = json!({ "app": "hers", "pipeline": id, "stage": "staging" });
    assert_eq!(flow.call_as(&ada, "POST", "/pipeline-couplings", Some(&add)).await.status, 403);
}

#[tokio::test]
async fn pipe_9_a_pipeline_is_handed_over_with_all_its_apps() {
    let flow = flow().await;
    let id = line(&flow, "shop", &[("shop-staging", "staging"), ("shop", "production")]).await;
    let team = made(&flow, &flow.token, "/teams", json!({ "name": "acme" })).await;
    let to = |id: &Value, kind: &str| json!({ "pipeline": { "id": "shop" }, "new_owner": { "id": id, "type": kind } });
    let done = made(&flow, &flow.token, "/pipeline-transfers", to(&team["id"], "team")).await;
    assert_eq!(done["new_owner"], json!({ "id": team["id"], "type": "team" }));
    assert_eq!(done["previous_owner"]["type"], "user");
    assert_eq!(flow.get(&format!("/pipelines/{id}")).await.json()["owner"]["id"], team["id"]);
    for app in ["shop", "shop-staging"] {
        assert_eq!(flow.get(&format!("/apps/{app}")).await.json()["team"]["name"], "acme");
    }
    // A member works with it, and does not hand it over; an admin does.
    let ada = flow.account("ada@example.org").await;
    let account = flow.call_as(&ada, "GET", "/account", None).await.json();
    let stranger = flow.post("/pipeline-transfers", &to(&account["id"], "user")).await;
    assert!(stranger.status == 422 && stranger.text().contains("does not work with"), "{}", stranger.text());
    made(&flow, &flow.token, "/teams/acme/members", json!({ "email": "ada@example.org", "role": "member" })).await;
    let back = to(&account["id"], "user");
    assert_eq!(flow.call_as(&ada, "POST", "/pipeline-transfers", Some(&back)).await.status, 403);
    let team_couplings = flow.call_as(&ada, "GET", "/teams/acme/pipeline-couplings", None).await.json();
    assert_eq!(team_couplings.as_array().unwrap().len(), 2);
    // PIPE-7's other side: a team with a pipeline stays.
    assert_eq!(flow.delete("/teams/acme").await.status, 422);
    made(&flow, &flow.token, "/pipeline-transfers", back).await;
    assert_eq!(flow.call_as(&ada, "GET", "/apps/shop", None).await.json()["owner"]["email"], "ada@example.org");
    assert_eq!(flow.call_as(&ada, "GET", &format!("/pipelines/{id}"), None).await.json()["owner"]["id"], account["id"]);
}

#[tokio::test]
async fn the_command_line_makes_shows_and_destroys_pipelines() {
    let flow = flow().await;
    for app in ["shop-staging", "shop"] {
        flow.app(app).await;
    }
    let cli = async |words: &[&str], says: &str| {
        let output = flow.cli(words).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(says), "{words:?} does not say `{says}`: {said}");
        output.status.code().unwrap()
    };
    // PIPE-20: name and stage as the app's name says.
    assert_eq!(cli(&["pipelines:create", "-a", "shop-staging"], "to the pipeline shop as staging... done").await, 0);
    assert_eq!(cli(&["pipelines:add", "shop", "-a", "shop"], "as production... done").await, 0);
    assert_eq!(cli(&["pipelines"], "shop").await, 0);
    let info = flow.cli(&["pipelines:info", "shop"]).await;
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    let (staging, production) = (info.find("shop-staging").unwrap(), info.find("production").unwrap());
    assert!(staging < production, "pipe_22: {info}");
    assert_eq!(cli(&["pipelines:update", "-a", "shop", "-s", "staging"], "to staging... done").await, 0);
    assert_eq!(cli(&["pipelines:rename", "shop", "stall"], "done").await, 0);
    assert_eq!(cli(&["pipelines:remove", "-a", "shop"], "from the pipeline stall... done").await, 0);
    assert_eq!(cli(&["pipelines:remove", "-a", "shop"], "does not seem to be a part of any pipeline").await, 4);
    made(&flow, &flow.token, "/teams", json!({ "name": "acme" })).await;
    let words = ["pipelines:transfer", "acme", "-p", "stall", "--confirm", "stall"];
    assert_eq!(cli(&words, "to acme... done").await, 0);
    assert_eq!(cli(&["pipelines:info", "nothing"], "Couldn't find that pipeline").await, 4);
    assert_eq!(cli(&["pipelines:destroy", "stall"], "its apps go on").await, 0);
}

#[tokio::test]
async fn pipe_21_and_50_to_52_setup_and_diff_by_the_commits_of_the_folder() {
    let flow = flow().await;
    let code = flow.known_app("shop-staging");
    code.commit(Source::answering("one")).await;
    let cli = async |words: &[&str], code_wanted: i32, says: &[&str]| {
        let mut command = flow.cli_command(words);
        let output = within("the command", command.current_dir(code.working_copy()).output()).await.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        for words in says {
            assert!(said.contains(words), "`{words}` is not in: {said}");
        }
        assert_eq!(output.status.code(), Some(code_wanted), "{said}");
    };
    cli(&["pipelines:setup", "an-endless-name-for-a-shop"], 2, &["3 to 22"]).await;
    cli(&["pipelines:setup", "Shop"], 0, &["shop-staging", "(production)", "git push staging main"]).await;
    let remotes = String::from_utf8(code.git(&["remote"]).await.stdout).unwrap();
    assert_eq!(remotes.split_whitespace().collect::<Vec<_>>(), ["production", "staging"]);
    let stages = flow.get("/pipelines/shop/pipeline-couplings").await.json();
    assert_eq!(stages.as_array().unwrap().len(), 2);
    cli(&["pipelines:diff", "-a", "shop-staging"], 4, &["No release was found for shop-staging"]).await;
    code.push_head("main").await.released("v3");
    cli(&["pipelines:diff", "-a", "shop-staging"], 0, &["No release was found for shop: "]).await;
    cli(&["pipelines:promote", "-a", "shop-staging"], 0, &["Promotion successful"]).await;
    cli(&["pipelines:diff", "-a", "shop-staging"], 0, &["shop-staging is up to date with shop"]).await;
    code.push(Source::answering("two")).await.released("v4");
    let ahead = ["shop-staging is ahead of shop by 1 commit", "Tester", "A change"];
    cli(&["pipelines:diff", "-a", "shop-staging"], 0, &ahead).await;
    cli(&["pipelines:diff", "-a", "shop"], 2, &["Unable to diff shop"]).await;
    flow.app("alone").await;
    cli(&["pipelines:diff", "-a", "alone"], 4, &["does not seem to be a part of any pipeline"]).await;
}
