//! One of everything that accounts and teams have.

use serde_json::{Value, json};
use testkit::Flow;

/// One of everything that people have.
pub(super) struct People {
    account: String,
    authorizations: [String; 3],
    client: String,
    key: String,
    transfer: String,
    team: String,
    invitation: String,
    token: String,
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIQG1oxlcIjQ8fub+Vui3+zC15KRcgJ0k4QfE5igWH9+ ada@machine";

impl People {
    pub(super) async fn gather(flow: &Flow) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let helper = flow.account("helper@example.org").await;
        let account = flow.call_as(&helper, "GET", "/account", None).await.json();
        let made = async |path: &str, body: Value| {
            let answer = flow.post(path, &body).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.text());
            answer.json()
        };
        let mut authorizations = [String::new(), String::new(), String::new()];
        for one in &mut authorizations {
            *one = text(&made("/oauth/authorizations", json!({ "scope": ["read"] })).await["id"]);
        }
        // A login of the operator, as what `/oauth/sessions` shows.
        let password = flow.post("/accounts/admin@localhost/actions/reset-password", &json!({})).await.json();
        let login = flow.login("admin@localhost", password["password"].as_str().unwrap(), None).await;
        authorizations[1] = text(&login.json()["id"]);
        let client = made("/oauth/clients", json!({ "name": "c", "redirect_uri": "https://example.org" })).await;
        let key = made("/account/keys", json!({ "public_key": KEY })).await;
        let gift = made("/apps", json!({ "name": "gift" })).await;
        let transfer = json!({ "app": gift["id"], "recipient": "helper@example.org" });
        let transfer = made("/account/app-transfers", transfer).await;
        let team = made("/teams", json!({ "name": "acme" })).await;
        let member = json!({ "email": "helper@example.org", "role": "member" });
        made("/teams/acme/members", member.clone()).await;
        let invited = json!({ "email": "invited@example.org", "role": "viewer" });
        let invitation = flow.call("PUT", "/teams/acme/invitations", Some(&invited)).await.json();
        flow.password("other@example.org").await;
        for email in ["helper@example.org", "other@example.org"] {
            made("/apps/shop/collaborators", json!({ "user": email })).await;
        }
        Self {
            account: text(&account["id"]),
            authorizations,
            client: text(&client["id"]),
            key: text(&key["id"]),
            transfer: text(&transfer["id"]),
            team: text(&team["id"]),
            invitation: text(&invitation["id"]),
            token: text(&invitation["token"]),
        }
    }

    pub(super) fn path(&self, path: &str) -> String {
        let which = match path {
            path if path.starts_with("/oauth/sessions") => 1,
            path if path.starts_with("/oauth/tokens") => 2,
            _ => 0,
        };
        [
            ("{user}", "~"),
            ("{account}", &self.account),
            ("{authorization}", &self.authorizations[which]),
            ("{client}", &self.client),
            ("{key}", &self.key),
            ("{transfer}", &self.transfer),
            ("{team}", &self.team),
            ("{member}", "helper@example.org"),
            ("{collaborator}", if path.starts_with("/teams/") { "other@example.org" } else { "helper@example.org" }),
            ("{invitation}", &self.invitation),
            ("{token}", &self.token),
        ]
        .iter()
        .fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    }
}
