//! The API and git by TLS, with the server's own authority.

use crate::flow;
use rustix::process::Signal;
use std::process::Output;
use testkit::{Flow, Source, Start, search_path, within};
use tokio::process::Command;

async fn curl(flow: &Flow, words: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.env_clear().env("PATH", search_path()).arg("--cacert").arg(flow.dir().join("ca.pem"));
    within("curl", curl.args(["-sS", "--noproxy", "*"]).args(words).output()).await.unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn the_api_answers_by_tls_with_https_addresses() {
    let flow = Flow::start_as(Start::of(env!("CARGO_BIN_EXE_flowline")).with(&["--name", "flow.example.org"])).await;
    flow.app("shop").await;
    let bearer = format!("authorization: Bearer {}", flow.token);
    let url = format!("https://{}", flow.tls);
    let app: serde_json::Value =
        serde_json::from_str(&out(&curl(&flow, &["-H", &bearer, &format!("{url}/apps/shop")]).await)).unwrap();
    assert_eq!(app["git_url"], format!("{url}/shop.git"), "{app}");
    let addresses = flow.get("/addresses").await.json();
    assert_eq!(addresses["tls"], url, "{addresses}");
    let by_name = |name: &str| {
        let port = flow.tls.port();
        (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}/addresses"))
    };
    for name in ["localhost", "flow.example.org"] {
        let (at, url) = by_name(name);
        out(&curl(&flow, &["--resolve", &at, &url]).await);
    }
    for name in ["other.example.org", "api.heroku.com"] {
        let (at, url) = by_name(name);
        let refused = curl(&flow, &["--resolve", &at, &url]).await;
        assert_eq!(refused.status.code(), Some(60), "nobody asked for a certificate of {name}: {refused:?}");
    }
    let stranger = Command::new("curl").args(["-sS", "--noproxy", "*", &url]).output().await.unwrap();
    assert!(!stranger.status.success(), "who does not know the authority does not trust it: {stranger:?}");
}

#[tokio::test]
async fn git_pushes_by_tls_and_finds_the_port_again_after_a_restart() {
    let mut flow = flow().await;
    let url = format!("https://{}/shop.git", flow.tls);
    let push = async |flow: &Flow, text: &'static str| {
        let app = flow.known_app("shop");
        app.commit(Source::answering(text)).await;
        let mut git = app.git_command(&["push", &url, "HEAD:main"]);
        git.env("GIT_SSL_CAINFO", flow.dir().join("ca.pem")).env("NO_PROXY", "*");
        let pushed = within("the push", git.output()).await.unwrap();
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        assert_eq!(app.get("/").await.text(), text);
    };
    flow.app("shop").await;
    push(&flow, "one").await;
    flow.end_serve(Signal::TERM).await;
    flow.start_serve().await;
    push(&flow, "two").await;
}

#[tokio::test]
async fn the_command_line_believes_the_authorities_that_it_is_told() {
    let flow = flow().await;
    flow.app("shop").await;
    let url = format!("https://{}", flow.tls);
    let typed = async |ca: Option<&std::path::Path>| {
        let mut command = flow.cli_command(&["apps"]);
        command.env("FLOWLINE_URL", &url).env("NO_PROXY", "*");
        if let Some(ca) = ca {
            command.env("FLOWLINE_CA", ca);
        }
        within("the command's end", command.output()).await.unwrap()
    };
    let told = typed(Some(&flow.dir().join("ca.pem"))).await;
    assert!(out(&told).contains("shop"), "{told:?}");
    let stranger = typed(None).await;
    assert_eq!(stranger.status.code(), Some(5), "nobody else vouches for it: {stranger:?}");
    let wrong = typed(Some(&flow.dir().join("admin.token"))).await;
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("holds no certificate authority"), "{wrong:?}");
}
