//! The formation, dynos and one-off dynos.

use crate::payload::{dyno, formation, log_session};
use crate::support::{Reply, Server};
use serde_json::json;

async fn server() -> Server {
    Server::start(|seen, url| match seen.line.as_str() {
        "GET /apps/shop/dynos" => Reply::json(
            200,
            &json!([
                dyno("web.10", "up", "node server.js"),
                dyno("web.2", "starting", "node server.js"),
                dyno("run.77", "up", "bash"),
                dyno("worker.1", "crashed", "node worker.js"),
            ]),
        ),
        "GET /apps/shop/formation" => {
            Reply::json(200, &json!([formation("worker", 0, "Basic"), formation("web", 2, "Standard-1X")]))
        }
        "PATCH /apps/shop/formation" if seen.body["updates"][0]["type"] == "nope" => {
            Reply::error(422, "invalid_params", "Couldn't find that process type (nope).")
        }
        "PATCH /apps/shop/formation" => {
            Reply::json(200, &json!([formation("web", 2, "Standard-1X"), formation("worker", 1, "Basic")]))
        }
        "DELETE /apps/shop/dynos" | "DELETE /apps/shop/dynos/web.1" | "DELETE /apps/shop/formations/web" => {
            Reply::json(202, &json!({}))
        }
        "POST /apps/shop/dynos/run.77/actions/stop" => Reply::json(202, &json!({})),
        "POST /apps/shop/dynos" => Reply::json(201, &dyno("run.77", "starting", "x")),
        "POST /apps/shop/log-sessions" => Reply::json(201, &log_session(url, "run")),
        "GET /logs/run" => Reply::text(
            "text/event-stream",
            "id: 1\ndata: 2026-01-02T03:04:01.000000+00:00 heroku[run.77]: Process exited with status 9\n\n\
             data: 2026-01-02T03:04:03.000000+00:00 heroku[run.77]: State changed from starting to up\n\
             data: 2026-01-02T03:04:04.000000+00:00 app[run.77]: hello\n\n: still here\n\n\
             data: 2026-01-02T03:04:04.500000+00:00 app[run.7]: another's\n\n\
             data: 2026-01-02T03:04:05.000000+00:00 heroku[run.77]: Process exited with status 3\n\n",
        ),
        other => Reply::error(404, "not_found", other),
    })
    .await
}

#[tokio::test]
async fn dyno_38_dynos_are_grouped() {
    let at = "2026/01/02 03:04:02 +0000 (~ 3s ago)";
    let expected = format!(
        "=== run: one-off processes (1)\n\nrun.77 (Basic): up {at}: bash\n\n\
         === web (Basic): node server.js (2)\n\nweb.2: starting {at}\nweb.10: up {at}\n\n\
         === worker (Basic): node worker.js (1)\n\nworker.1: crashed {at}\n\n"
    );
    let server = server().await;
    assert_eq!(server.run(&["ps", "-a", "shop"]).await.out, expected);
    assert_eq!(server.run(&["ps", "web", "-a", "shop", "--json"]).await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn dyno_10_scaling() {
    let server = server().await;
    assert_eq!(server.run(&["ps:scale", "-a", "shop"]).await.out, "web=2:Standard-1X worker=0:Basic\n");
    let ran = server.run(&["scale", "web=2:Standard-1X", "worker+1", "-a", "shop"]).await;
    assert_eq!(ran.err, "Scaling dynos... done, now running web at 2:Standard-1X, worker at 1:Basic\n");
    let updates = json!([
        { "type": "web", "quantity": "2", "size": "Standard-1X" },
        { "type": "worker", "quantity": "+1" },
    ]);
    assert_eq!(server.seen().last().unwrap().body, json!({ "updates": updates }));
    let ran = server.run(&["scale", "nope=1", "-a", "shop"]).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (2, "Scaling dynos... !\n ▸    Couldn't find that process type (nope).\n")
    );
}

#[tokio::test]
async fn dyno_13_resizing() {
    let server = server().await;
    assert_eq!(server.run(&["ps:type", "-a", "shop"]).await.out, "web=2:Standard-1X worker=0:Basic\n");
    let bodies = [
        (vec!["ps:type", "web=standard-1x"], json!([{ "type": "web", "size": "standard-1x" }])),
        (
            vec!["ps:resize", "performance-m"],
            json!([{ "type": "worker", "size": "performance-m" }, { "type": "web", "size": "performance-m" }]),
        ),
    ];
    for (words, updates) in bodies {
        let ran = server.run(&[&words[..], &["-a", "shop"]].concat()).await;
        assert!(ran.err.starts_with("Resizing dynos... done, now web=2:Standard-1X"), "{}", ran.err);
        assert_eq!(server.seen().last().unwrap().body, json!({ "updates": updates }));
    }
    let ran = server.run(&["ps:type", "web=", "-a", "shop"]).await;
    assert!(ran.err.contains("`web=` is not a change of a size."), "{}", ran.err);
}

#[tokio::test]
async fn dyno_35_restarting_and_stopping() {
    let server = server().await;
    for (words, said) in [
        (vec!["ps:restart"], "Restarting all dynos on ⬢ shop... done\n"),
        (vec!["restart", "web.1"], "Restarting dyno web.1 on ⬢ shop... done\n"),
        (vec!["ps:restart", "-d", "web.1"], "Restarting dyno web.1 on ⬢ shop... done\n"),
        (vec!["ps:restart", "web"], "Restarting all web dynos on ⬢ shop... done\n"),
        (vec!["ps:restart", "-p", "web"], "Restarting all web dynos on ⬢ shop... done\n"),
        (vec!["ps:stop", "run.77"], "Stopping dyno run.77 on ⬢ shop... done\n"),
    ] {
        let ran = server.run(&[&words[..], &["-a", "shop"]].concat()).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, said), "{words:?}");
    }
}

#[tokio::test]
async fn run_prints_the_output_and_the_end() {
    let server = server().await;
    let ran = server.run(&["run", "rake", "db:migrate", "--trace", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "hello\n"), "{ran:?}");
    assert_eq!(ran.err, "Running rake db:migrate --trace on ⬢ shop... done, run.77\nrun.77 exited with status 3\n");
    let seen = server.seen();
    let body = json!({ "command": "rake db:migrate --trace", "attach": false, "env": { "TERM": "xterm" } });
    assert_eq!(seen[0].body, body);
    assert_eq!(seen[1].body, json!({ "dyno": "run.77", "tail": true, "lines": 1500 }));
    assert_eq!(seen[2].header("authorization"), None);
    assert_eq!(server.run(&["run", "-x", "-a", "shop", "--", "ls", "-a"]).await.code, 3);
}

#[tokio::test]
async fn run_detached_returns_at_once() {
    let server = server().await;
    let ran = server.run(&["run:detached", "sleep 5", "-a", "shop"]).await;
    assert_eq!(ran.code, 0);
    assert!(ran.err.starts_with("Running sleep 5 on ⬢ shop... done, run.77\n"), "{ran:?}");
    assert!(ran.err.contains("flowline logs --tail --dyno run.77 -a shop"), "{ran:?}");
    assert_eq!(server.run(&["run:detached", "ls", "-a", "shop", "--json"]).await.json()["name"], "run.77");
}
