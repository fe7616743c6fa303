//! Authorizations: tokens that people and clients make, look at, renew and take back (OAUTH-1 to OAUTH-4).

use crate::Control;
use crate::account::{Entry, secret_hash};
use model::account::Account;
use model::authorization::{
    Authorization, CLIENT_TOKEN_LIFE, DESCRIPTION_LIMIT_BYTES, GRANT_LIFE, NoSuchScope, Scopes,
};
use model::id::{AuthorizationId, OauthClientId};
use model::oauth_client::{NAME_LIMIT_BYTES, OauthClient};
use std::time::Duration;
use store::{StoreError, Tx};

/// Tokens of one account, those that are over not counted: far more than people make, so a loop is stopped.
pub const AUTHORIZATION_LIMIT: u64 = 500;

/// The longest life that can be asked for: a hundred years.
const LIFE_LIMIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Why no token is made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// None of that id, or somebody else's.
    #[error("Couldn't find that authorization.")]
    NoSuchAuthorization,
    /// The same of a login.
    #[error("Couldn't find that session.")]
    NoSuchSession,
    /// The same of a client.
    #[error("Couldn't find that OAuth client.")]
    NoSuchClient,
    /// An unknown scope.
    #[error(transparent)]
    Scope(#[from] NoSuchScope),
    /// No scope at all.
    #[error(
        "Say what the token may be used for: `scope` is a list of global, identity, read, write, read-protected and write-protected"
    )]
    NoScope,
    /// More than the token that asks has.
    #[error("A token cannot make one that may do more than itself")]
    TooMuch,
    /// Too long.
    #[error("A description has at most {DESCRIPTION_LIMIT_BYTES} bytes and no control characters")]
    BadDescription,
    /// A life of nothing, or of ages.
    #[error("`expires_in` is a number of seconds from 1, or null for a token that does not end")]
    BadLife,
    /// Too many.
    #[error("You have {AUTHORIZATION_LIMIT} tokens, which is the limit; revoke some first (`flowline authorizations`)")]
    TooMany,
    /// Too many clients.
    #[error("You have {} OAuth clients, which is the limit; destroy one first", crate::oauth_client::CLIENT_LIMIT)]
    TooManyClients,
    /// A client's name.
    #[error("A client's name has 1 to {NAME_LIMIT_BYTES} bytes and no control characters")]
    BadClientName,
    /// A client's address.
    #[error("`redirect_uri` is an https address, or http on localhost, without a fragment")]
    BadRedirect,
    /// A wrong code, refresh token or client.
    #[error("The grant is wrong, was used, or is over, or the client's secret is wrong; ask for a new one")]
    WrongGrant,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct NewAuthorization {
    /// What it is for.
    pub description: Option<String>,
    /// How long it is good, in seconds.
    pub expires_in_s: Option<u64>,
    /// Words of scopes; none: everything.
    pub scope: Option<Vec<String>>,
    /// The client that is to fetch its token with a code.
    pub client: Option<String>,
}

/// An authorization with the secrets that were made with it; they are told only now.
#[derive(Debug, Clone)]
pub struct Made {
    /// The authorization.
    pub authorization: Authorization,
    /// Its client.
    pub client: Option<OauthClient>,
    /// Its token.
    pub token: Option<String>,
    /// What renews the token.
    pub refresh_token: Option<String>,
    /// The code that the client exchanges for a token.
    pub code: Option<String>,
}

/// Makes one. With a client: a code, which the client exchanges for a token; else a token at once.
///
/// # Errors
/// Bad scopes, description or life; an unknown client; too many.
pub async fn create(
    control: &Control,
    who: &Account,
    by: Option<&Authorization>,
    new: NewAuthorization,
) -> Result<Made, AuthorizationError> {
    let now = control.now();
    let scopes: Scopes = match new.scope {
        Some(words) => words.iter().map(|word| word.parse()).collect::<Result<_, NoSuchScope>>()?,
        None => by.map_or_else(Scopes::global, |by| by.scopes.clone()),
    };
    if scopes.iter().next().is_none() {
        return Err(AuthorizationError::NoScope);
    }
    if by.is_some_and(|by| !by.scopes.cover(&scopes)) {
        return Err(AuthorizationError::TooMuch);
    }
    check_description(new.description.as_deref())?;
    let life = match new.expires_in_s.map(Duration::from_secs) {
        Some(life) if life.is_zero() || life > LIFE_LIMIT => return Err(AuthorizationError::BadLife),
        life => life,
    };
    let client = match new.client {
        Some(which) => Some(client_by_id(control, &which).await?),
        None => None,
    };
    let authorization = Authorization {
        id: control.world.new_id(),
        account: who.id,
        client: client.as_ref().map(|client| client.id),
        description: new.description.or_else(|| client.as_ref().map(|client| client.name.clone())),
        // Without a token it was a login.
        session: by.is_none(),
        scopes,
        expires_at: life.map(|life| now.plus(life)),
        created_at: now,
        updated_at: now,
    };
    let mut tx = control.store.begin().await?;
    store::authorization::delete_expired(&mut tx, now).await?;
    if store::authorization::count(tx.db(), who.id).await? >= AUTHORIZATION_LIMIT {
        return Err(AuthorizationError::TooMany);
    }
    store::authorization::insert(&mut tx, &authorization).await?;
    let (mut token, mut code) = (None, None);
    if client.is_some() {
        let secret = control.world.secret::<32>();
        let until = now.plus(GRANT_LIFE);
        store::authorization::set_grant(&mut tx, authorization.id, Some((&secret_hash(&secret), until))).await?;
        code = Some(secret);
    } else {
        token = Some(give_token(control, &mut tx, &authorization).await?);
    }
    tx.commit().await?;
    Ok(Made { authorization, client, token, refresh_token: None, code })
}

fn check_description(text: Option<&str>) -> Result<(), AuthorizationError> {
    let bad = |text: &str| text.len() > DESCRIPTION_LIMIT_BYTES || text.chars().any(char::is_control);
    if text.is_some_and(bad) { Err(AuthorizationError::BadDescription) } else { Ok(()) }
}

async fn give_token(control: &Control, tx: &mut Tx, to: &Authorization) -> Result<String, StoreError> {
    // The prefix lets scanners for leaked secrets find it (OAUTH-4).
    let token = format!("FLOW-{}", control.world.secret::<32>());
    store::authorization::set_token(tx, to.id, &secret_hash(&token), to.expires_at, control.now()).await?;
    Ok(token)
}

/// All of an account, by id.
///
/// # Errors
/// When the database fails.
pub async fn list(
    control: &Control,
    who: &Account,
) -> Result<Vec<(Authorization, Option<OauthClient>)>, AuthorizationError> {
    let mut all = Vec::new();
    for authorization in store::authorization::of_account(control.store.db(), who.id).await? {
        if !authorization.is_expired(control.now()) {
            let client = client_of(control, &authorization).await?;
            all.push((authorization, client));
        }
    }
    Ok(all)
}

/// One of the account's by id; `~` is the one whose token came with the request.
///
/// # Errors
/// [`AuthorizationError::NoSuchAuthorization`].
pub async fn find(
    control: &Control,
    by: &Entry,
    which: &str,
) -> Result<(Authorization, Option<OauthClient>), AuthorizationError> {
    let id = if which == "~" { Some(by.authorization.id) } else { which.parse::<AuthorizationId>().ok() };
    let all = store::authorization::of_account(control.store.db(), by.account.id).await?;
    let found = all.into_iter().find(|one| Some(one.id) == id).ok_or(AuthorizationError::NoSuchAuthorization)?;
    let client = client_of(control, &found).await?;
    Ok((found, client))
}

/// Says what it is for.
///
/// # Errors
/// [`AuthorizationError::NoSuchAuthorization`], [`AuthorizationError::BadDescription`].
pub async fn describe(
    control: &Control,
    by: &Entry,
    which: &str,
    description: Option<String>,
) -> Result<(Authorization, Option<OauthClient>), AuthorizationError> {
    let (mut found, client) = find(control, by, which).await?;
    if let Some(description) = description {
        check_description(Some(&description))?;
        (found.description, found.updated_at) = (Some(description), control.now());
        let mut tx = control.store.begin().await?;
        store::authorization::describe(&mut tx, found.id, found.description.as_deref(), found.updated_at).await?;
        tx.commit().await?;
    }
    Ok((found, client))
}

/// Gives it another token; the one before is worth nothing from now on. It may be the one that asks.
///
/// # Errors
/// [`AuthorizationError::NoSuchAuthorization`].
pub async fn regenerate(control: &Control, by: &Entry, which: &str) -> Result<Made, AuthorizationError> {
    let (mut authorization, client) = find(control, by, which).await?;
    if !by.authorization.scopes.cover(&authorization.scopes) {
        return Err(AuthorizationError::TooMuch);
    }
    authorization.updated_at = control.now();
    let mut tx = control.store.begin().await?;
    let token = give_token(control, &mut tx, &authorization).await?;
    tx.commit().await?;
    Ok(Made { authorization, client, token: Some(token), refresh_token: None, code: None })
}

/// Takes it back: its token is worth nothing from now on.
///
/// # Errors
/// [`AuthorizationError::NoSuchAuthorization`].
pub async fn revoke(
    control: &Control,
    by: &Entry,
    which: &str,
) -> Result<(Authorization, Option<OauthClient>), AuthorizationError> {
    let found = find(control, by, which).await?;
    let mut tx = control.store.begin().await?;
    if !store::authorization::delete(&mut tx, found.0.id).await? {
        return Err(AuthorizationError::NoSuchAuthorization);
    }
    tx.commit().await?;
    Ok(found)
}

/// What a client gives for a token.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A code, good once.
    Code(String),
    /// A refresh token; the token before it is worth nothing from now on.
    Refresh(String),
}

/// Exchanges a code or a refresh token for a token (OAUTH-2).
///
/// # Errors
/// [`AuthorizationError::WrongGrant`].
pub async fn exchange(control: &Control, secret: &str, grant: Grant) -> Result<Made, AuthorizationError> {
    let now = control.now();
    let mut tx = control.store.begin().await?;
    let client = store::oauth_client::by_secret(tx.db(), &secret_hash(secret)).await?;
    let client = client.ok_or(AuthorizationError::WrongGrant)?;
    let (found, refresh_token) = match grant {
        Grant::Code(code) => {
            let found = store::authorization::by_grant(tx.db(), &secret_hash(&code), now).await?;
            (found, Some(format!("FLOW-{}", control.world.secret::<32>())))
        }
        Grant::Refresh(token) => (store::authorization::by_refresh(tx.db(), &secret_hash(&token)).await?, None),
    };
    let found = found.filter(|found| found.client == Some(client.id)).ok_or(AuthorizationError::WrongGrant)?;
    let authorization = Authorization { expires_at: Some(now.plus(CLIENT_TOKEN_LIFE)), updated_at: now, ..found };
    store::authorization::set_grant(&mut tx, authorization.id, None).await?;
    if let Some(token) = &refresh_token {
        store::authorization::set_refresh(&mut tx, authorization.id, &secret_hash(token)).await?;
    }
    let token = Some(give_token(control, &mut tx, &authorization).await?);
    tx.commit().await?;
    Ok(Made { authorization, client: Some(client), token, refresh_token, code: None })
}

async fn client_of(control: &Control, of: &Authorization) -> Result<Option<OauthClient>, StoreError> {
    match of.client {
        Some(id) => store::oauth_client::by_id(control.store.db(), id).await,
        None => Ok(None),
    }
}

pub(crate) async fn client_by_id(control: &Control, which: &str) -> Result<OauthClient, AuthorizationError> {
    let id = which.parse::<OauthClientId>().map_err(|_| AuthorizationError::NoSuchClient)?;
    let found = store::oauth_client::by_id(control.store.db(), id).await?;
    found.ok_or(AuthorizationError::NoSuchClient)
}
