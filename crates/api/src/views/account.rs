//! The account as clients see it.

use control::two_factor::Begun;
use model::account::Account;
use model::id::AccountId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /users/{user}`.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum UserView {
    /// All of it.
    Oneself(Box<AccountView>),
    /// Who it is, and nothing of how they come in.
    Colleague(ColleagueView),
}

/// Somebody whom one works with.
#[derive(Debug, Clone, Serialize)]
pub struct ColleagueView {
    id: AccountId,
    email: String,
    name: Option<String>,
}

impl From<&Account> for ColleagueView {
    fn from(account: &Account) -> Self {
        Self { id: account.id, email: account.email.clone(), name: account.name.clone() }
    }
}

/// `GET /account`. Everything that has no meaning on one's own server is there as null or false: clients expect the keys.
#[derive(Debug, Clone, Serialize)]
pub struct AccountView {
    id: AccountId,
    email: String,
    name: Option<String>,
    created_at: String,
    updated_at: String,
    last_login: Option<String>,
    verified: bool,
    beta: bool,
    allow_tracking: bool,
    federated: bool,
    two_factor_authentication: bool,
    mfa_enabled: bool,
    mfa_exemption: bool,
    mfa_exemption_reason: Option<String>,
    mfa_experience: &'static str,
    sms_number: Option<String>,
    suspended_at: Option<String>,
    delinquent_at: Option<String>,
    country_of_residence: Option<String>,
    eco_dynos_enabled: bool,
    eco_dynos_shutdown_at: Option<String>,
    pipeline_cost_consent_at: Option<String>,
    acknowledged_msa: bool,
    acknowledged_msa_at: Option<String>,
    italian_customer_terms: Option<String>,
    italian_partner_terms: Option<String>,
    identity_provider: Option<()>,
    default_organization: Option<()>,
    default_team: Option<()>,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            email: account.email.clone(),
            name: account.name.clone(),
            created_at: account.created_at.rfc3339(),
            updated_at: account.updated_at.rfc3339(),
            last_login: account.last_login.map(Timestamp::rfc3339),
            verified: true,
            beta: false,
            allow_tracking: false,
            federated: false,
            two_factor_authentication: account.two_factor,
            mfa_enabled: account.two_factor,
            mfa_exemption: false,
            mfa_exemption_reason: None,
            mfa_experience: "legacy",
            sms_number: None,
            suspended_at: None,
            delinquent_at: None,
            country_of_residence: None,
            eco_dynos_enabled: false,
            eco_dynos_shutdown_at: None,
            pipeline_cost_consent_at: None,
            acknowledged_msa: false,
            acknowledged_msa_at: None,
            italian_customer_terms: None,
            italian_partner_terms: None,
            identity_provider: None,
            default_organization: None,
            default_team: None,
        }
    }
}

/// An account as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct OperatorsView {
    /// The account.
    #[serde(flatten)]
    account: AccountView,
    /// May it make accounts, and read the audit log of the whole server?
    operator: bool,
}

impl From<&Account> for OperatorsView {
    fn from(account: &Account) -> Self {
        Self { account: account.into(), operator: account.operator }
    }
}

/// Body of `PATCH /account`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateAccount {
    /// What it is called.
    pub name: Option<String>,
    /// The present password, with the next two.
    pub password: Option<String>,
    /// Another password; all other logins end.
    pub new_password: Option<String>,
    /// `false`: no codes any more.
    pub two_factor_authentication: Option<bool>,
}

/// A second factor that was begun.
#[derive(Debug, Clone, Serialize)]
pub struct BegunView {
    /// For an authenticator app, as people type it.
    secret: String,
    /// The same for a QR code.
    url: String,
}

impl From<Begun> for BegunView {
    fn from(begun: Begun) -> Self {
        Self { secret: begun.key, url: begun.url }
    }
}

/// Body of `PUT /account/two-factor`.
#[derive(Debug, Deserialize)]
pub struct TwoFactorCode {
    /// What the authenticator app shows.
    pub code: String,
}

/// A second factor that is on.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery {
    /// It is.
    pub two_factor_authentication: bool,
    /// Each is good once, instead of a code.
    pub recovery_codes: Vec<String>,
}

/// Body of `POST /accounts`.
#[derive(Debug, Deserialize)]
pub struct CreateAccount {
    /// Its e-mail address.
    pub email: String,
    /// What it is called.
    #[serde(default)]
    pub name: Option<String>,
}

/// Body of `PATCH /accounts/{account}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChangeAccount {
    /// May it make accounts, and read the audit log of the whole server?
    pub operator: Option<bool>,
}

/// Body of `POST /accounts/{account}/actions/reset-password`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetPassword {
    /// `false`: its second factor ends too.
    pub two_factor_authentication: Option<bool>,
}

/// An account with a password that was just made.
#[derive(Debug, Clone, Serialize)]
pub struct NewAccountView {
    /// The account.
    #[serde(flatten)]
    pub account: AccountView,
    /// Told only here.
    pub password: String,
}
