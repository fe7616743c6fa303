//! OAuth clients: programs that ask people for tokens.

use crate::Control;
use crate::account::secret_hash;
use crate::authorization::{AuthorizationError, client_by_id};
use model::account::Account;
use model::oauth_client::{NAME_LIMIT_BYTES, OauthClient, is_redirect_uri};

/// Clients of one account.
pub const CLIENT_LIMIT: usize = 100;

/// An account's clients, by id.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, who: &Account) -> Result<Vec<OauthClient>, AuthorizationError> {
    Ok(store::oauth_client::of_account(control.store.db(), who.id).await?)
}

/// One of the account's clients.
///
/// # Errors
/// [`AuthorizationError::NoSuchClient`].
pub async fn find(control: &Control, who: &Account, which: &str) -> Result<OauthClient, AuthorizationError> {
    let found = client_by_id(control, which).await?;
    if found.account == who.id { Ok(found) } else { Err(AuthorizationError::NoSuchClient) }
}

/// Makes a client, with a secret that is told only here.
///
/// # Errors
/// A bad name or address; too many.
pub async fn create(
    control: &Control,
    who: &Account,
    name: String,
    redirect_uri: String,
) -> Result<(OauthClient, String), AuthorizationError> {
    check(&name, &redirect_uri)?;
    let now = control.now();
    let client = OauthClient {
        id: control.world.new_id(),
        account: who.id,
        name,
        redirect_uri,
        created_at: now,
        updated_at: now,
    };
    let secret = control.world.secret::<32>();
    let mut tx = control.store.begin().await?;
    if store::oauth_client::of_account(tx.db(), who.id).await?.len() >= CLIENT_LIMIT {
        return Err(AuthorizationError::TooManyClients);
    }
    store::oauth_client::insert(&mut tx, &client, &secret_hash(&secret)).await?;
    tx.commit().await?;
    Ok((client, secret))
}

fn check(name: &str, redirect_uri: &str) -> Result<(), AuthorizationError> {
    if name.is_empty() || name.len() > NAME_LIMIT_BYTES || name.chars().any(char::is_control) {
        return Err(AuthorizationError::BadClientName);
    }
    if is_redirect_uri(redirect_uri) { Ok(()) } else { Err(AuthorizationError::BadRedirect) }
}

/// Changes a client's name or address.
///
/// # Errors
/// [`AuthorizationError::NoSuchClient`], a bad name or address.
pub async fn update(
    control: &Control,
    who: &Account,
    which: &str,
    name: Option<String>,
    redirect_uri: Option<String>,
) -> Result<OauthClient, AuthorizationError> {
    let mut next = find(control, who, which).await?;
    next.name = name.unwrap_or(next.name);
    next.redirect_uri = redirect_uri.unwrap_or(next.redirect_uri);
    check(&next.name, &next.redirect_uri)?;
    next.updated_at = control.now();
    let mut tx = control.store.begin().await?;
    store::oauth_client::update(&mut tx, &next).await?;
    tx.commit().await?;
    Ok(next)
}

/// Gives a client another secret, told only here.
///
/// # Errors
/// [`AuthorizationError::NoSuchClient`].
pub async fn rotate(
    control: &Control,
    who: &Account,
    which: &str,
) -> Result<(OauthClient, String), AuthorizationError> {
    let mut found = find(control, who, which).await?;
    found.updated_at = control.now();
    let secret = control.world.secret::<32>();
    let mut tx = control.store.begin().await?;
    store::oauth_client::set_secret(&mut tx, found.id, &secret_hash(&secret), found.updated_at).await?;
    tx.commit().await?;
    Ok((found, secret))
}

/// Removes a client; the tokens that it was given are worth nothing from now on.
///
/// # Errors
/// [`AuthorizationError::NoSuchClient`].
pub async fn destroy(control: &Control, who: &Account, which: &str) -> Result<OauthClient, AuthorizationError> {
    let found = find(control, who, which).await?;
    let mut tx = control.store.begin().await?;
    store::oauth_client::delete(&mut tx, found.id).await?;
    tx.commit().await?;
    Ok(found)
}
