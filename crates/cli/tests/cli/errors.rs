//! Refusals and exit codes.

use crate::support::{Place, Program, Reply, Server};
use clap::Parser;
use clap::error::ErrorKind;
use serde_json::json;

#[tokio::test]
async fn api_3_refusals_have_exit_codes() {
    let server = Server::start(|seen, _| match seen.line.as_str() {
        "GET /apps/a401/config-vars" => Reply::error(401, "unauthorized", "Invalid credentials provided."),
        "GET /apps/a403/config-vars" => Reply::error(403, "forbidden", "You do not have access to the app a403."),
        "GET /apps/a404/config-vars" => Reply::error(404, "not_found", "Couldn't find that app."),
        "GET /apps/r404/config-vars" => Reply::json(
            404,
            &json!({ "id": "not_found", "message": "Couldn't find that release.", "resource": "release" }),
        ),
        "GET /apps/a422/config-vars" => Reply::error(422, "invalid_params", "No."),
        "GET /apps/a500/config-vars" => Reply::error(500, "internal_server_error", "Broken."),
        "GET /apps/html/config-vars" => Reply::text("text/html", "<html>"),
        "GET /apps/list/config-vars" => Reply::json(200, &json!([])),
        _ => Reply::text("text/html", "<html>").with("location", "https://elsewhere.example.com/"),
    })
    .await;
    for (app, code, said) in [
        (
            "a401",
            3,
            " ▸    Invalid credentials provided.\n      The token is not valid (any more): type `flowline login`",
        ),
        ("a403", 3, " ▸    You do not have access to the app a403.\n      Ask somebody who may"),
        ("a404", 4, " ▸    Couldn't find that app.\n      `flowline apps` lists your apps"),
        ("r404", 4, " ▸    Couldn't find that release.\n      `flowline releases` lists them.\n"),
        ("a422", 2, " ▸    No.\n"),
        ("a500", 1, " ▸    Broken.\n      The cause is in the server's own log"),
        ("html", 1, "does not answer as a Flowline server does"),
        ("list", 1, "does not answer as a Flowline server does"),
    ] {
        let ran = server.run(&["config", "-a", app]).await;
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{ran:?}");
        assert!(ran.err.contains(said), "{ran:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let ran = Place::new().at("http://127.0.0.1:1").run(&["apps"]).await;
    assert_eq!(ran.code, 5);
    assert!(
        ran.err.contains("Couldn't reach Flowline at http://") && ran.err.contains("Connection refused"),
        "{ran:?}"
    );
    assert!(ran.err.contains("flowline serve"), "{ran:?}");
}

#[tokio::test]
async fn addresses_and_tokens_that_cannot_be() {
    for url in ["flow.example.com", "ftp://flow.example.com", "http://"] {
        let ran = Place::new().at(url).run(&["apps"]).await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("FLOWLINE_URL"), "{ran:?}");
    }
    let mut place = Place::new().at("http://127.0.0.1:1");
    place.env.token = Some("two\nlines".into());
    assert_eq!(place.run(&["apps"]).await.code, 2);
    place.env.token = None;
    let ran = place.run(&["apps"]).await;
    assert_eq!((ran.code, ran.err.lines().count()), (3, 2));
}

#[tokio::test]
async fn damaged_credentials_are_named() {
    let place = Place::new();
    std::fs::create_dir_all(place.credentials().parent().unwrap()).unwrap();
    std::fs::write(place.credentials(), "{").unwrap();
    let ran = place.run(&["apps"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("credentials.json is damaged"), "{ran:?}");
}

#[test]
fn bad_words_are_usage_errors() {
    for (words, kind) in [
        (vec!["nope"], ErrorKind::InvalidSubcommand),
        (vec!["config:set"], ErrorKind::MissingRequiredArgument),
        (vec!["ps:stop"], ErrorKind::MissingRequiredArgument),
        (vec!["logs", "-n", "many"], ErrorKind::ValueValidation),
        (vec!["logs", "--nope"], ErrorKind::UnknownArgument),
        (vec!["apps", "--help"], ErrorKind::DisplayHelp),
    ] {
        let error = Program::try_parse_from([&["flowline"], &words[..]].concat()).err().unwrap();
        assert_eq!(error.kind(), kind, "{words:?}");
        assert_eq!(error.exit_code(), if kind == ErrorKind::DisplayHelp { 0 } else { 2 });
    }
}

#[test]
fn every_command_takes_json_or_is_a_script() {
    let program = <Program as clap::CommandFactory>::command();
    program.clone().debug_assert();
    for command in program.get_subcommands() {
        let json = command.get_arguments().any(|arg| arg.get_id() == "json");
        assert!(
            json || ["completions", "git:credentials", "heroku"].contains(&command.get_name()),
            "{}",
            command.get_name()
        );
    }
}

#[tokio::test]
async fn nothing_that_the_server_says_moves_the_terminal() {
    let evil = "a\u{1b}[2J\u{9b}31m\r\u{7f}\u{202e}b\n";
    let server = Server::start(move |seen, _| match seen.line.as_str() {
        "GET /account/keys" => Reply::json(
            200,
            &json!([{ "id": "1", "comment": evil, "email": evil, "fingerprint": evil, "public_key": evil }]),
        ),
        "GET /teams" => Reply::json(200, &json!([{ "name": evil, "role": evil }])),
        "GET /apps" => {
            Reply::json(200, &json!([{ "name": evil, "owner": { "email": evil }, "team": { "name": evil } }]))
        }
        _ => Reply::error(422, "invalid_params", evil),
    })
    .await;
    for words in [
        &["keys"][..],
        &["keys", "--long"],
        &["teams"],
        &["apps"],
        &["whoami"],
        &["teams", "--json"],
        &["clients:info", "x"],
    ] {
        let ran = server.run(words).await;
        let odd = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
        assert!(!ran.out.chars().chain(ran.err.chars()).any(odd), "{words:?}: {ran:?}");
    }
    let ran = server.run(&["teams", "--json"]).await;
    assert_eq!(ran.json()[0]["name"], evil, "scripts get it to the letter");
}
