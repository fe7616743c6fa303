//! Authorizations, sessions, clients and tokens as clients see them, and what they send.

use crate::platform::By;
use crate::views::app::NameOrObject;
use control::authorization::Made;
use model::account::Account;
use model::authorization::Authorization;
use model::id::{AccountId, AuthorizationId, OauthClientId};
use model::oauth_client::OauthClient;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A token, as far as it may be told.
#[derive(Debug, Clone, Serialize)]
pub struct AccessToken {
    id: AuthorizationId,
    /// Only when it was just made, or is the one that asks: it is kept as a hash.
    token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct GrantView {
    id: AuthorizationId,
    code: String,
    expires_in: u64,
}

#[derive(Debug, Clone, Serialize)]
struct ClientRef {
    id: OauthClientId,
    name: String,
    redirect_uri: String,
}

#[derive(Debug, Clone, Serialize)]
struct User {
    id: AccountId,
    email: String,
    full_name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct SessionRef {
    id: AuthorizationId,
}

/// An authorization.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizationView {
    id: AuthorizationId,
    description: Option<String>,
    scope: Vec<&'static str>,
    access_token: Option<AccessToken>,
    refresh_token: Option<AccessToken>,
    grant: Option<GrantView>,
    client: Option<ClientRef>,
    session: Option<SessionRef>,
    user: User,
    created_at: String,
    updated_at: String,
}

impl AuthorizationView {
    /// One that is there: its token only if it is the one that asks.
    #[must_use]
    pub(crate) fn new(detail: &(Authorization, Option<OauthClient>), by: &By, now: Timestamp) -> Self {
        let own = detail.0.id == by.entry.authorization.id;
        let token = own.then(|| by.token.clone());
        Self::with(&detail.0, detail.1.as_ref(), by.account(), token, now)
    }

    /// One that was just made, with its secrets.
    #[must_use]
    pub fn made(made: &Made, who: &Account, now: Timestamp) -> Self {
        let one = &made.authorization;
        let grant = made.code.clone().map(|code| GrantView {
            id: one.id,
            code,
            expires_in: model::authorization::GRANT_LIFE.as_secs(),
        });
        let refresh = made.refresh_token.clone();
        let refresh_token = refresh.map(|token| AccessToken { id: one.id, token: Some(token), expires_in: None });
        let access_token = made.token.is_some();
        let view = Self::with(one, made.client.as_ref(), who, made.token.clone(), now);
        let access_token = view.access_token.clone().filter(|_| access_token);
        Self { grant, refresh_token, access_token, ..view }
    }

    fn with(
        one: &Authorization,
        client: Option<&OauthClient>,
        who: &Account,
        token: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: one.id,
            description: one.description.clone(),
            scope: one.scopes.iter().map(model::authorization::Scope::word).collect(),
            access_token: Some(AccessToken { id: one.id, token, expires_in: one.expires_in_s(now) }),
            refresh_token: None,
            grant: None,
            client: client.map(|client| ClientRef {
                id: client.id,
                name: client.name.clone(),
                redirect_uri: client.redirect_uri.clone(),
            }),
            session: one.session.then_some(SessionRef { id: one.id }),
            user: User { id: who.id, email: who.email.clone(), full_name: who.name.clone() },
            created_at: one.created_at.rfc3339(),
            updated_at: one.updated_at.rfc3339(),
        }
    }
}

/// A login.
#[derive(Debug, Clone, Serialize)]
pub struct SessionView {
    id: AuthorizationId,
    description: String,
    expires_in: Option<u64>,
    created_at: String,
    updated_at: String,
}

impl SessionView {
    /// With what is left of it.
    #[must_use]
    pub fn new(one: &Authorization, now: Timestamp) -> Self {
        Self {
            id: one.id,
            description: one.description.clone().unwrap_or_default(),
            expires_in: one.expires_in_s(now),
            created_at: one.created_at.rfc3339(),
            updated_at: one.updated_at.rfc3339(),
        }
    }
}

/// A client.
#[derive(Debug, Clone, Serialize)]
pub struct ClientView {
    id: OauthClientId,
    name: String,
    redirect_uri: String,
    /// Only when it was just made.
    secret: Option<String>,
    ignores_delinquent: Option<bool>,
    created_at: String,
    updated_at: String,
}

impl ClientView {
    /// With its secret, if it was just made.
    #[must_use]
    pub fn new(client: &OauthClient, secret: Option<String>) -> Self {
        Self {
            id: client.id,
            name: client.name.clone(),
            redirect_uri: client.redirect_uri.clone(),
            secret,
            ignores_delinquent: None,
            created_at: client.created_at.rfc3339(),
            updated_at: client.updated_at.rfc3339(),
        }
    }
}

/// A token that a client fetched.
#[derive(Debug, Clone, Serialize)]
pub struct TokenView {
    id: AuthorizationId,
    access_token: AccessToken,
    refresh_token: Option<RefreshToken>,
    authorization: SessionRef,
    client: Option<()>,
    grant: UsedGrant,
    session: SessionRef,
    user: UserId,
    created_at: String,
    updated_at: String,
}

/// The code that was used up: it is not told again.
#[derive(Debug, Clone, Serialize)]
struct UsedGrant {
    code: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct RefreshToken {
    #[serde(flatten)]
    token: AccessToken,
    /// Of the token's form: there is one.
    version: u64,
}

#[derive(Debug, Clone, Serialize)]
struct UserId {
    id: AccountId,
}

impl TokenView {
    /// With its secrets.
    #[must_use]
    pub fn new(made: &Made, now: Timestamp) -> Self {
        let one = &made.authorization;
        let secret = |token: Option<String>, expires_in| AccessToken { id: one.id, token, expires_in };
        Self {
            id: one.id,
            access_token: secret(made.token.clone(), one.expires_in_s(now)),
            refresh_token: made
                .refresh_token
                .clone()
                .map(|token| RefreshToken { token: secret(Some(token), None), version: 1 }),
            authorization: SessionRef { id: one.id },
            client: None,
            grant: UsedGrant { code: "", kind: "authorization_code" },
            session: SessionRef { id: one.id },
            user: UserId { id: one.account },
            created_at: one.created_at.rfc3339(),
            updated_at: one.updated_at.rfc3339(),
        }
    }
}

/// Body of `POST /oauth/authorizations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateAuthorization {
    /// What it is for.
    pub description: Option<String>,
    /// Seconds; null: it does not end.
    pub expires_in: Option<u64>,
    /// What it may be used for.
    pub scope: Option<Vec<String>>,
    /// The client that is to fetch it.
    pub client: Option<NameOrObject>,
}

/// Body of `PATCH /oauth/authorizations/{authorization}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateAuthorization {
    /// What it is for.
    pub description: Option<String>,
}

/// Body of `POST /oauth/clients`.
#[derive(Debug, Deserialize)]
pub struct CreateClient {
    /// What it is called.
    pub name: String,
    /// Where people are sent back to.
    pub redirect_uri: String,
}

/// Body of `PATCH /oauth/clients/{client}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateClient {
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub redirect_uri: Option<String>,
}

/// Body of `POST /oauth/tokens`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateToken {
    /// The client's credential.
    pub client: Option<Secret>,
    /// A code.
    pub grant: Option<Code>,
    /// Or what renews a token.
    pub refresh_token: Option<Renewal>,
}

/// `{secret}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// The client's secret.
    pub secret: Option<String>,
}

/// `{type, code}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Code {
    /// The code.
    pub code: Option<String>,
}

/// `{token}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Renewal {
    /// The refresh token.
    pub token: Option<String>,
}
