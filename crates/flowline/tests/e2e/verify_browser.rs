//! Checks that drive a real browser against the running server: headless, and on a display without a screen.

use crate::flow;
use serde_json::{Value, json};
use testkit::{App, Source};

/// A page that says what it should only where its script runs.
const PAGE: &str = "<!doctype html><title>Shop</title><p id=word>loading</p>\
    <script>document.getElementById('word').textContent = ['painted', 'by', 'script'].join(' ')</script>";

/// Two pictures of a page are equal where nothing is on it, so the words are looked for as well.
const LOOKS: &str = "set -e\n\
    google-chrome --dump-dom $FLOWLINE_VERIFY_URL/ > /tmp/dom.html\n\
    grep -q 'painted by script' /tmp/dom.html && echo the page was painted\n\
    chrome --window-size=800,600 --screenshot=$FLOWLINE_REPORTS/home.png $FLOWLINE_VERIFY_URL/\n";

/// Chrome with a window, which ends nothing by itself: it is asked for the page by its debugging port.
const WITH_A_WINDOW: &str = "set -e\n\
    google-chrome --remote-debugging-port=9222 $FLOWLINE_VERIFY_URL/ &\n\
    browser=$!\n\
    until curl -fs http://127.0.0.1:9222/json/list > /tmp/pages.json && grep -q '\"title\": \"Shop\"' /tmp/pages.json; do\n\
        kill -0 $browser\n\
    done\n\
    echo a window on $DISPLAY shows the shop\n\
    kill $browser\n";

async fn shows(app: &App<'_>, pack: &str, script: &str) -> testkit::Push {
    let about = json!({ "environments": { "production": { "buildpacks": [{ "url": pack }] } } });
    let procfile = "web: python3 -m http.server $PORT --directory public\nverify: bash looks.sh\n";
    let source = Source::empty().with("Procfile", procfile).with("public/index.html", PAGE).with("looks.sh", script);
    app.push(source.with("app.json", &about.to_string())).await
}

#[tokio::test]
async fn verify_a_headless_browser_sees_what_visitors_see_and_leaves_a_picture() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let push = shows(&app, "heroku-community/chrome-for-testing", LOOKS).await.released("v3");
    push.says("the page was painted").says("Waiting for green light.... green.");
    let left = app.read("/verifications/1/artifacts").await;
    assert_eq!((&left[0]["name"], &left[0]["kind"]), (&json!("home.png"), &json!("screenshot")), "{left}");
    let picture = flow.read_address(&left[0]["url"]).await.body;
    assert_eq!(&picture[1..4], b"PNG");
    let size = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (800, 600));
    // Without being asked for, it is not there.
    let push =
        app.push(Source::empty().with("Procfile", "web: python3 -m http.server $PORT\nverify: google-chrome\n")).await;
    push.released("v4").says("google-chrome: command not found");
}

#[tokio::test]
async fn verify_a_browser_with_a_window_has_a_display_without_a_screen() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let pack = "https://github.com/heroku/heroku-buildpack-xvfb-google-chrome";
    let push = shows(&app, pack, WITH_A_WINDOW).await.released("v3");
    push.says("a window on :").says("shows the shop").says("Waiting for green light.... green.");
    let check: Value = app.read("/verifications/1").await;
    assert_eq!(check["status"], "green", "{check}");
}
