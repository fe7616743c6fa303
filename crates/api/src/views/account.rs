//! The account as clients see it.

use model::account::Account;
use model::id::AccountId;
use serde::Serialize;

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
            name: None,
            created_at: account.created_at.rfc3339(),
            updated_at: account.updated_at.rfc3339(),
            last_login: None,
            verified: true,
            beta: false,
            allow_tracking: false,
            federated: false,
            two_factor_authentication: false,
            mfa_enabled: false,
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
