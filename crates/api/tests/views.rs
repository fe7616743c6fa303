//! Every view, made from model values, is what the published schema says (tests/schema).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::link::Links;
use api::views::account::AccountView;
use api::views::app::AppView;
use api::views::build::BuildView;
use api::views::dyno::DynoView;
use api::views::feature::FeatureView;
use api::views::formation::FormationView;
use api::views::log_session::LogSessionView;
use api::views::rate_limit::RateLimitView;
use api::views::release::ReleaseView;
use api::views::slug::SlugView;
use api::views::source::SourceView;
use control::app::AppDetail;
use control::build::BuildDetail;
use control::formation::FormationDetail;
use control::log_session::LogSession;
use control::release::ReleaseDetail;
use model::account::Account;
use model::app::App;
use model::build::{Build, BuildSource, BuildState};
use model::dyno::{Dyno, DynoRole, DynoSize, DynoState};
use model::feature::Feature;
use model::formation::Formation;
use model::procfile::ProcessType;
use model::release::{Release, ReleaseStatus, eligible_for_rollback};
use model::slug::Slug;
use model::source::Source;
use model::stack::Stack;
use model::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

const AT: Timestamp = Timestamp(1_767_323_045_678_901);

fn id<T: From<uuid::Uuid>>(number: u128) -> T {
    T::from(uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid())
}

fn account() -> Account {
    Account::new(id(1), "admin@example.org".into(), AT)
}

fn app() -> App {
    App {
        id: id(2),
        name: "shop".parse().unwrap(),
        owner: id(1),
        team: None,
        locked: false,
        region: "eu".into(),
        stack: Stack::default(),
        maintenance: false,
        buildpack: Some("Node.js".into()),
        created_at: AT,
        updated_at: AT,
    }
}

fn links() -> Links {
    Links::new("http://127.0.0.1:7700")
}

fn release(slug: bool, output: bool, status: ReleaseStatus) -> ReleaseDetail {
    let release = Release {
        id: id(3),
        app: id(2),
        version: 42,
        status,
        description: "Deploy 01234567".into(),
        slug: slug.then(|| id(4)),
        by: id(1),
        output_secret: output.then(|| "secret".into()),
        created_at: AT,
        updated_at: AT,
    };
    ReleaseDetail { eligible_for_rollback: eligible_for_rollback(&release), release, by: account(), current: true }
}

/// Checks one value against one definition, with all of its formats; gives it back for closer looks.
fn check(noun: &str, view: &impl Serialize) -> Value {
    let value = serde_json::to_value(view).unwrap();
    let mut schema: Value = serde_json::from_str(include_str!("schema/platform-v3.json")).unwrap();
    schema["$ref"] = json!(format!("#/definitions/{noun}"));
    let validator = jsonschema::draft4::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{noun}: {errors:#?}\n{value:#}");
    value
}

#[test]
fn the_schema_check_bites() {
    let view = AccountView::from(&account());
    let mut value = serde_json::to_value(view).unwrap();
    value["email"] = json!("not an address");
    let outcome = std::panic::catch_unwind(|| check("account", &value));
    assert!(outcome.is_err());
}

#[test]
fn account_view() {
    check("account", &AccountView::from(&account()));
    check("rate-limit", &RateLimitView { remaining: 4500 });
}

#[test]
fn app_view() {
    let detail = |released: bool| AppDetail {
        app: app(),
        owner: account(),
        team: None,
        web_url: "http://shop.localhost:7780/".into(),
        released_at: released.then_some(AT),
        slug_size_bytes: released.then_some(1234),
        acm: released,
    };
    check("app", &AppView::new(&detail(false), &links()));
    let value = check("app", &AppView::new(&detail(true), &links()));
    assert_eq!(value["git_url"], "http://127.0.0.1:7700/shop.git");
    // CLI-11: as sent; clients act on the generation's name.
    assert_eq!((&value["region"]["name"], &value["generation"]["name"]), (&json!("eu"), &json!("cedar")));
}

#[test]
fn build_view() {
    let states = [
        (BuildState::Pending, json!(null)),
        (BuildState::Succeeded { slug: id(4) }, json!(id::<model::id::SlugId>(4))),
        (BuildState::Failed { why: "no".into() }, json!(null)),
    ];
    for (state, slug) in states {
        let build = Build {
            id: id(5),
            app: id(2),
            by: id(1),
            source: BuildSource {
                url: String::new(),
                version: Some("0123".into()),
                description: None,
                checksum: None,
                commit: None,
            },
            stack: Stack::default(),
            buildpacks: vec!["heroku/nodejs".into()],
            secret: "secret".into(),
            release: state.slug().map(|_| id(3)),
            state,
            created_at: AT,
            updated_at: AT,
        };
        let value = check("build", &BuildView::new(&BuildDetail { build: build.clone(), by: account() }, &links()));
        let seen = value["slug"].get("id").cloned().unwrap_or(json!(null));
        assert_eq!(seen, slug);
        assert_eq!(value["output_stream_url"], format!("http://127.0.0.1:7700/streams/builds/{}/secret", build.id));
    }
}

#[test]
fn dyno_view() {
    let states = [DynoState::Starting, DynoState::Up, DynoState::Stopping, DynoState::Crashed { retry_at: AT }];
    for (state, word) in states.into_iter().zip(["starting", "up", "down", "crashed"]) {
        let dyno = Dyno {
            id: id(6),
            app: id(2),
            name: "web.1".parse().unwrap(),
            role: DynoRole::Formation,
            size: DynoSize::Standard1X,
            command: "npm start".into(),
            release: id(3),
            version: 42,
            addr: None,
            state,
            since: AT,
            created_at: AT,
            retired: false,
        };
        let value = check("dyno", &DynoView::new(&app(), &dyno));
        assert_eq!((&value["state"], &value["type"]), (&json!(word), &json!("web")));
        assert_eq!(value["release"]["version"], 42);
    }
}

#[test]
fn feature_view() {
    for feature in Feature::ALL {
        let value = check("app-feature", &FeatureView::from(&feature.untouched(&app())));
        assert_eq!((&value["name"], &value["enabled"]), (&json!(feature.word()), &json!(feature == Feature::Exec)));
    }
    // `heroku features` lists the general ones, `heroku labs` all others.
    let state = |feature: Feature| check("app-feature", &FeatureView::from(&feature.untouched(&app())))["state"].take();
    assert_eq!(state(Feature::DynoMetadata), json!("public"));
}

#[test]
fn formation_view() {
    for size in DynoSize::ALL {
        let entry = Formation {
            id: id(7),
            app: id(2),
            process_type: ProcessType::web(),
            quantity: 2,
            size,
            created_at: AT,
            updated_at: AT,
        };
        let value =
            check("formation", &FormationView::new(&app(), &FormationDetail { entry, command: "npm start".into() }));
        // CLI-12: responses are read at `size`.
        assert_eq!(value["size"], size.to_string());
    }
}

#[test]
fn log_session_view() {
    let session = LogSession { id: id(8), secret: "secret".into(), created_at: AT };
    check("log-session", &LogSessionView::new(&session, &links()));
}

#[test]
fn relph_40_a_release_has_an_output_address_only_with_a_release_command() {
    for status in [ReleaseStatus::Pending, ReleaseStatus::Succeeded, ReleaseStatus::Failed, ReleaseStatus::Expired] {
        let with = check("release", &ReleaseView::new(&app(), &release(true, true, status), &links()));
        assert!(with["output_stream_url"].is_string());
    }
    let without = release(false, false, ReleaseStatus::Succeeded);
    let without = check("release", &ReleaseView::new(&app(), &without, &links()));
    assert_eq!((&without["output_stream_url"], &without["slug"]), (&json!(null), &json!(null)));
}

#[test]
fn slug_view() {
    let slug = |checksum: Option<&str>| Slug {
        id: id(4),
        app: id(2),
        checksum: checksum.map(str::to_owned),
        size_bytes: 0,
        process_types: model::procfile::parse(b"web: npm start\nmcp-x: node x.js").unwrap(),
        commit: None,
        commit_description: None,
        buildpack: None,
        images: std::collections::BTreeMap::new(),
        stack: Stack::default(),
        secret: "secret".into(),
        created_at: AT,
        expired_at: None,
    };
    check("slug", &SlugView::to_download(&slug(None), &links()));
    let gone = Slug { expired_at: Some(AT), ..slug(None) };
    assert_eq!(check("slug", &SlugView::to_download(&gone, &links()))["deleted_at"], AT.rfc3339());
    let value = check("slug", &SlugView::to_upload(&slug(Some("SHA256:00ff")), &links()));
    // CLI-26: the checksum comes back unchanged.
    assert_eq!((&value["checksum"], &value["blob"]["method"]), (&json!("SHA256:00ff"), &json!("PUT")));
}

#[test]
fn source_view() {
    check("source", &SourceView::new(&Source { id: id(9), secret: "secret".into(), created_at: AT }, &links()));
}

#[test]
fn config_vars_are_a_flat_map() {
    let definition = "config-var/definitions/config_vars";
    check(definition, &json!({"A": "1", "B_2": ""}));
}
