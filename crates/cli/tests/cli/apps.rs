//! Apps, login and git remotes.

use crate::payload::{account, app, dyno};
use crate::support::{Place, Reply, Server};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

async fn server() -> Server {
    Server::start(|seen, url| match seen.line.as_str() {
        "GET /account" if seen.header("authorization") == Some("Bearer s3cret") => Reply::json(200, &account()),
        "GET /account" => Reply::error(401, "unauthorized", "Invalid credentials provided."),
        "GET /apps" if seen.header("range").is_none() => {
            Reply::json(206, &json!([app("shop", url)])).with("next-range", "]shop..; max=1")
        }
        "GET /apps" => Reply::json(200, &json!([app("blog", url)])),
        "POST /apps" => Reply::json(201, &app(seen.body["name"].as_str().unwrap_or("calm-bay-00042"), url)),
        "GET /apps/shop" | "DELETE /apps/shop" => Reply::json(200, &app("shop", url)),
        "GET /apps/shop/dynos" => {
            Reply::json(200, &json!([dyno("web.1", "up", "node a"), dyno("web.2", "up", "node a")]))
        }
        "PATCH /apps/shop" => Reply::json(200, &app(seen.body["name"].as_str().unwrap_or("shop"), url)),
        _ => Reply::error(404, "not_found", "Couldn't find that app."),
    })
    .await
}

#[tokio::test]
async fn api_5_lists_follow_their_pages() {
    let server = server().await;
    let ran = server.run(&["apps"]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "=== Apps\n\nblog\nshop\n", ""));
    let seen = server.seen();
    assert_eq!(seen[0].header("accept"), Some("application/vnd.heroku+json; version=3"));
    assert_eq!(seen[1].header("range"), Some("]shop..; max=1"));
    let names = server.run(&["apps:list", "--json"]).await.json();
    assert_eq!(names.as_array().unwrap().iter().map(|app| &app["name"]).collect::<Vec<_>>(), ["shop", "blog"]);
}

#[tokio::test]
async fn apps_are_created_with_a_remote() {
    let server = server().await;
    let place = Place::new().at(&server.url).repository();
    let ran = place.run(&["create", "shop"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "Creating ⬢ shop... done\nGit remote flowline added\n");
    assert_eq!(ran.out, format!("http://shop.localhost:7780/ | {}/shop.git\n", server.url));
    assert_eq!(place.git(&["config", "remote.flowline.url"]), format!("{}/shop.git", server.url));
    let helper = place.git(&["config", &format!("credential.{}.helper", server.url)]);
    assert_eq!(helper, r"!'/opt/it'\''s/flowline' git:credentials");

    let second = place.run(&["apps:create", "blog"]).await;
    assert!(second.err.contains("The git remote flowline leads to"), "{second:?}");
    assert_eq!(place.git(&["config", "remote.flowline.url"]), format!("{}/shop.git", server.url));
    assert_eq!(place.run(&["git:remote", "-a", "shop", "-r", "live"]).await.code, 0);
    assert_eq!(place.git(&["remote"]), "flowline\nlive");
}

#[tokio::test]
async fn app_1_a_name_is_made_up() {
    let server = server().await;
    let ran = server.run(&["apps:create"]).await;
    assert_eq!(ran.err, "Creating app... done, ⬢ calm-bay-00042\n");
    assert_eq!(server.seen()[0].body, json!({}));
    let json = server.run(&["apps:create", "shop", "--json"]).await;
    assert_eq!((json.json()["name"].clone(), json.err.as_str()), (Value::from("shop"), ""));
}

#[tokio::test]
async fn one_app_is_shown() {
    let server = server().await;
    let ran = server.run(&["info", "-a", "shop"]).await;
    let lines =
        ["=== ⬢ shop", "Dynos:       web: 2", "Slug Size:   32 MB", "Maintenance: off", "Stack:       flowline-24"];
    for line in lines {
        assert!(ran.out.contains(&format!("{line}\n")), "{line}: {}", ran.out);
    }
    assert!(server.run(&["info", "shop", "-s"]).await.out.contains("slug_size=32 MB\n"));
    assert_eq!(server.run(&["open", "-a", "shop", "about"]).await.out, "http://shop.localhost:7780/about\n");
    assert_eq!(server.run(&["maintenance", "-a", "shop"]).await.out, "off\n");
    let on = server.run(&["maintenance:on", "-a", "shop"]).await;
    assert_eq!(on.err, "Enabling maintenance mode for ⬢ shop... done\n");
    assert_eq!(server.seen().last().unwrap().body, json!({ "maintenance": true }));
}

#[tokio::test]
async fn app_3_destroying_needs_the_name_twice() {
    let server = server().await;
    for words in [&["apps:destroy", "-a", "shop"][..], &["destroy", "shop", "--confirm", "shp"]] {
        let ran = server.run(words).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("--confirm shop"), "{ran:?}");
    }
    assert!(!server.lines().contains(&"DELETE /apps/shop".to_owned()));
    let place = Place::new().at(&server.url).repository();
    place.git(&["remote", "add", "flowline", &format!("{}/shop.git", server.url)]);
    let ran = place.run(&["apps:destroy", "--confirm", "shop"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, "Destroying ⬢ shop... done\n"));
    assert_eq!(place.git(&["remote"]), "");
}

#[tokio::test]
async fn app_3_a_person_is_asked_for_the_name() {
    let server = server().await;
    let mut place = Place::new().at(&server.url).typing("shop\n");
    place.env.terminal.stdin = true;
    let ran = place.run(&["apps:destroy", "-a", "shop"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("Type shop to go on: "), "{ran:?}");
}

#[tokio::test]
async fn app_2_a_new_name_reaches_the_remote() {
    let server = server().await;
    let place = Place::new().at(&server.url).repository();
    place.git(&["remote", "add", "live", &format!("{}/shop.git", server.url)]);
    let ran = place.run(&["rename", "store"]).await;
    assert_eq!(ran.err, "Renaming ⬢ shop to store... done\nGit remote live updated\n");
    assert_eq!(place.git(&["config", "remote.live.url"]), format!("{}/store.git", server.url));
}

#[tokio::test]
async fn which_app_is_said_by_flag_environment_or_remote() {
    let server = server().await;
    let mut place = Place::new().at(&server.url).repository();
    let none = place.run(&["maintenance"]).await;
    assert_eq!(none.code, 2);
    assert!(none.err.contains("Which app?") && none.err.contains("-a APP"), "{none:?}");
    place.git(&["remote", "add", "live", &format!("{}/shop.git", server.url)]);
    assert_eq!(place.run(&["maintenance"]).await.code, 0);
    place.env.app = Some("other".into());
    assert_eq!(place.run(&["maintenance"]).await.code, 4);
    assert_eq!(place.run(&["maintenance", "-r", "live"]).await.code, 0);
    assert_eq!(place.run(&["maintenance", "-a", "shop"]).await.code, 0);
}

#[tokio::test]
async fn login_tries_stores_and_forgets() {
    let server = server().await;
    let wrong = Place::new();
    let ran = wrong.run(&["login", "--url", &server.url, "--token", "wrong"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(!wrong.credentials().exists());

    let mut place = Place::new().typing("s3cret\n");
    let ran = place.run(&["auth:login", "--url", &format!("{}/", server.url)]).await;
    assert!(ran.err.contains("as ada@example.com"), "{ran:?}");
    let mode = std::fs::metadata(place.credentials()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(place.run(&["whoami"]).await.out, "ada@example.com\n");
    assert_eq!(place.run(&["auth:whoami", "--json"]).await.json(), account());
    assert!(place.run(&["logout"]).await.err.contains("Logged out of"));
    place.env.url = Some(server.url.clone());
    let ran = place.run(&["whoami"]).await;
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("flowline login"), "{ran:?}");
}

#[tokio::test]
async fn git_gets_the_token_of_its_server_only() {
    let ours = "protocol=http\nhost=127.0.0.1:7700\n\n";
    let place = Place::new().typing(ours);
    std::fs::create_dir(place.cwd().join(".flowline")).unwrap();
    std::fs::write(place.cwd().join(".flowline/admin.token"), "s3cret\n").unwrap();
    assert_eq!(place.run(&["git:credentials", "get"]).await.out, "username=flowline\npassword=s3cret\n");
    assert_eq!(place.run(&["git:credentials", "store"]).await.out, "");
    let foreign = place.typing("protocol=https\nhost=github.com\n\n");
    let ran = foreign.run(&["git:credentials", "get"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
}
