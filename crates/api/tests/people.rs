//! The views of accounts, tokens, teams and people are what the published schema says (tests/schema).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::link::Links;
use api::views::app::{AppView, TeamAppView};
use api::views::collaborator::CollaboratorView;
use api::views::oauth::{AuthorizationView, ClientView, TokenView};
use api::views::ssh_key::KeyView;
use api::views::team::{InvitationView, MemberView, PermissionView, TeamFeatureView, TeamView};
use api::views::transfer::TransferView;
use control::app::AppDetail;
use control::authorization::Made;
use control::collaborator::Access;
use control::team::{InvitationDetail, MemberDetail};
use control::transfer::TransferDetail;
use model::account::Account;
use model::app::App;
use model::authorization::Authorization;
use model::collaborator::{AppTransfer, TransferState};
use model::oauth_client::OauthClient;
use model::permission::{Permission, Permissions};
use model::ssh_key::SshKey;
use model::stack::Stack;
use model::team::{Invitation, Member, Role, Team};
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
        team: Some(id(30)),
        locked: true,
        region: "eu".into(),
        stack: Stack::default(),
        maintenance: false,
        buildpack: None,
        created_at: AT,
        updated_at: AT,
    }
}

fn links() -> Links {
    Links::new("http://127.0.0.1:7700")
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
fn people_views() {
    let authorization = Authorization {
        id: id(20),
        account: id(1),
        client: Some(id(21)),
        description: Some("CI".into()),
        session: true,
        scopes: "read,write-protected".parse().unwrap(),
        expires_at: Some(AT),
        created_at: AT,
        updated_at: AT,
    };
    let client = OauthClient {
        id: id(21),
        account: id(1),
        name: "dashboard".into(),
        redirect_uri: "https://example.org/cb".into(),
        created_at: AT,
        updated_at: AT,
    };
    let made = Made {
        authorization: authorization.clone(),
        client: Some(client.clone()),
        token: Some("FLOW-0".into()),
        refresh_token: Some("FLOW-1".into()),
        code: Some("2".into()),
    };
    let value = check("oauth-authorization", &AuthorizationView::made(&made, &account(), AT));
    assert_eq!(value["access_token"]["token"], "FLOW-0");
    check("oauth-token", &TokenView::new(&made, AT));
    check("oauth-client", &ClientView::new(&client, Some("secret".into())));
    let key = SshKey {
        id: id(22),
        account: id(1),
        fingerprint: "SHA256:abc".into(),
        comment: "ada@machine".into(),
        public_key: "ssh-ed25519 AAAA ada@machine".into(),
        created_at: AT,
    };
    check("key", &KeyView::new(&key, &account()));
    let access = Access {
        id: id(23),
        account: account(),
        permissions: Permissions::working(),
        role: "member",
        created_at: AT,
        updated_at: AT,
    };
    check("collaborator", &CollaboratorView::new(&access, &app()));
}

#[test]
fn team_views() {
    let team = Team { id: id(30), name: "acme".parse().unwrap(), created_at: AT, updated_at: AT };
    check("team", &TeamView::new(&team, Some(Role::Admin)));
    check("team-feature", &TeamFeatureView::access_controls(&team));
    let member =
        Member { id: id(31), team: id(30), account: id(1), role: Role::Viewer, created_at: AT, updated_at: AT };
    check("team-member", &MemberView::from(&MemberDetail { member, account: account() }));
    let invitation = Invitation {
        id: id(32),
        team: id(30),
        email: "ada@example.org".into(),
        role: Role::Member,
        by: id(1),
        created_at: AT,
        updated_at: AT,
    };
    let detail = InvitationDetail { invitation, team: team.clone(), by: account(), account: Some(account()) };
    check("team-invitation", &InvitationView::from(&detail));
    for permission in Permission::ALL {
        check("team-app-permission", &PermissionView::from(permission));
    }
    let app_detail = AppDetail {
        app: app(),
        owner: account(),
        team: Some(team),
        web_url: "http://shop.localhost:7780/".into(),
        released_at: None,
        slug_size_bytes: None,
        acm: false,
    };
    let value = check("app", &AppView::new(&app_detail, &links()));
    // CLI-25: both names, and the owner by whose address clients tell a team's app.
    assert_eq!((&value["team"]["name"], &value["organization"]["name"]), (&json!("acme"), &json!("acme")));
    assert_eq!(value["owner"]["email"], "acme@herokumanager.com");
    check("team-app", &TeamAppView::new(&app_detail, &links(), true));
    let transfer = AppTransfer {
        id: id(33),
        app: id(2),
        owner: id(1),
        recipient: id(34),
        state: TransferState::Pending,
        created_at: AT,
        updated_at: AT,
    };
    let detail = TransferDetail { transfer, app: app(), owner: account(), recipient: account() };
    check("app-transfer", &TransferView::from(&detail));
}
