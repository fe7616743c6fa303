//! The formation, dynos and one-off dynos.

use crate::payload::{dyno, formation};
use crate::rendezvous::Rendezvous;
use crate::support::{Place, Reply, Server};
use serde_json::json;

async fn server() -> Server {
    Server::start(|seen, _| match seen.line.as_str() {
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

/// A server whose dynos are met at this rendezvous.
async fn attaching(rendezvous: &Rendezvous) -> Server {
    let (attach_url, authority) = (rendezvous.attach_url.clone(), rendezvous.authority_pem.clone());
    Server::start(move |seen, _| match seen.line.as_str() {
        "POST /apps/shop/dynos" | "POST /apps/shop/dynos/web.1" => {
            let mut dyno = dyno("run.77", "starting", "x");
            dyno["attach_url"] = json!(attach_url);
            Reply::json(201, &dyno)
        }
        "GET /ca.pem" => Reply::text("application/x-pem-file", &authority),
        other => Reply::error(404, "not_found", other),
    })
    .await
}

#[tokio::test]
async fn dyno_52_run_is_attached_and_says_how_it_ended() {
    let rendezvous = Rendezvous::ending(Some(3)).await;
    let server = attaching(&rendezvous).await;
    let typed = Place::new().at(&server.url).typing("some input\n");
    let ran = typed.run(&["run", "rake", "db:migrate", "--trace", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "read: some input\n"), "{ran:?}");
    assert_eq!(
        ran.err,
        "Running rake db:migrate --trace on ⬢ shop... done, run.77\nThe command exited with status 3\n"
    );
    assert_eq!(rendezvous.first_line(), "s3cret status\r\n");
    let seen = server.seen();
    let body = json!({
        "command": "rake db:migrate --trace", "attach": true, "force_no_tty": true, "env": { "TERM": "xterm" },
    });
    assert_eq!(seen[0].body, body);
    assert_eq!((seen[1].line.as_str(), seen[1].header("authorization")), ("GET /ca.pem", None));
    assert_eq!(server.run(&["run", "-x", "-a", "shop", "--", "ls", "-a"]).await.code, 3);
    assert_eq!(server.run(&["run", "--no-tty", "ls", "-x", "-a", "shop"]).await.code, 3);
}

#[tokio::test]
async fn run_inside_and_exec_are_the_same() {
    let rendezvous = Rendezvous::ending(Some(0)).await;
    let server = attaching(&rendezvous).await;
    for (words, command) in [
        (&["run:inside", "web.1", "ls", "-l"][..], "ls -l"),
        (&["ps:exec"], "bash"),
        (&["exec", "-d", "web.1", "ps", "aux"], "ps aux"),
    ] {
        let (verb, rest) = words.split_first().unwrap();
        let ran = server.run(&[&[*verb, "-a", "shop"], rest].concat()).await;
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        assert_eq!(server.seen().iter().rev().nth(1).unwrap().body["command"], command);
    }
}

#[tokio::test]
async fn an_end_without_a_status_is_no_success() {
    let rendezvous = Rendezvous::ending(None).await;
    let server = attaching(&rendezvous).await;
    let ran = server.run(&["run", "ls", "-a", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "read: "));
    assert!(ran.err.contains("The connection ended before the command did."), "{ran:?}");
    let mut other = Rendezvous::ending(Some(0)).await;
    other.attach_url.clone_from(&rendezvous.attach_url);
    let ran = attaching(&other).await.run(&["run", "ls", "-a", "shop"]).await;
    assert_eq!(ran.code, 5, "its certificate is not of that authority: {ran:?}");
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
