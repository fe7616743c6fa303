//! Accounts: the operator of a new data folder, who a token belongs to, logins, and what people change of their own.

use crate::{Control, password, two_factor};
use aws_lc_rs::digest::{SHA256, digest};
use model::account::{Account, BadEmail, Email, NAME_LIMIT_BYTES, is_name};
use model::authorization::{Authorization, Scopes};
use model::id::AccountId;
use model::world::World;
use store::{Store, StoreError};

/// The e-mail of the account that the first start makes.
pub const ADMIN_EMAIL: &str = "admin@localhost";

/// Logins that are checked at the same time: each costs a tenth of a second of a core.
pub(crate) const LOGINS_AT_ONCE: usize = 1;

/// Why somebody is not let in, or an account is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No token, or a wrong one.
    #[error(
        "Invalid credentials provided. Run `flowline login`, or set FLOWLINE_TOKEN to the content of admin.token in the data folder"
    )]
    WrongToken,
    /// E-mail or password; which of them is not told.
    #[error("Invalid credentials provided: e-mail or password is wrong. An operator can set a new password")]
    WrongPassword,
    /// Too many wrong ones.
    #[error("Too many wrong passwords for this account; wait a minute and try again")]
    TooManyTries,
    /// A code of the second factor is needed (API-14).
    #[error(
        "A second authentication factor or pre-authorization is required for this request. Your account has it enabled"
    )]
    TwoFactor,
    /// A wrong or used code.
    #[error("This code is wrong or was used before; take the next one that your authenticator app shows")]
    WrongCode,
    /// It is on.
    #[error("Two-factor authentication is on already; switch it off first, with a code")]
    TwoFactorOn,
    /// It is off.
    #[error("Two-factor authentication is not on; ask for a key first (`flowline 2fa:enable`)")]
    TwoFactorOff,
    /// No such account.
    #[error("Couldn't find that user.")]
    NoSuchAccount,
    /// The e-mail is taken.
    #[error("{0} has an account already")]
    EmailTaken(String),
    /// No e-mail.
    #[error(transparent)]
    BadEmail(#[from] BadEmail),
    /// No name.
    #[error("A name has at most {NAME_LIMIT_BYTES} bytes and no control characters")]
    BadName,
    /// A password that is guessed.
    #[error(
        "A password needs {} characters at least, and {} bytes at most",
        password::PASSWORD_LEAST_CHARS,
        password::PASSWORD_LIMIT_BYTES
    )]
    BadPassword,
    /// Something is theirs.
    #[error(
        "{0} still owns apps or pipelines, or made releases that the ledger names; transfer or destroy those first"
    )]
    InUse(String),
    /// Somebody has to be able to make accounts.
    #[error("This is the only operator of the server; make another account operator first")]
    LastOperator,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody with a token, and what the token is good for.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub account: Account,
    /// By which authorization.
    pub authorization: Authorization,
    /// With which token of it: a renewed one is another.
    pub(crate) token_sha256: String,
}

/// Makes the operator's account, or gives it this token when the file holds another one than the database knows.
///
/// # Errors
/// When the database fails.
pub async fn ensure_admin(store: &Store, world: &dyn World, token: &str) -> Result<(), StoreError> {
    let hash = secret_hash(token);
    if store::authorization::by_token(store.db(), &hash).await?.is_some() {
        return Ok(());
    }
    let now = world.now();
    let mut tx = store.begin().await?;
    let account = match store::account::by_email(tx.db(), ADMIN_EMAIL).await? {
        Some(account) => account.id,
        None => {
            let account = Account { operator: true, ..Account::new(world.new_id(), ADMIN_EMAIL.to_owned(), now) };
            store::account::insert(&mut tx, &account).await?;
            account.id
        }
    };
    // By the account's own id: another token in the file replaces the one before it.
    let id = account.0.into();
    store::authorization::delete(&mut tx, id).await?;
    let authorization = Authorization {
        id,
        account,
        client: None,
        description: Some("admin.token in the data folder".to_owned()),
        session: false,
        scopes: Scopes::global(),
        expires_at: None,
        created_at: now,
        updated_at: now,
    };
    store::authorization::insert(&mut tx, &authorization).await?;
    store::authorization::set_token(&mut tx, id, &hash, None, now).await?;
    tx.commit().await
}

impl Control {
    /// Whose token this is, and what it may be used for. Looked up by its hash, so the comparison tells nothing about the token.
    ///
    /// # Errors
    /// [`AccountError::WrongToken`] when it is nobody's, or over.
    pub async fn authenticate(&self, token: &str) -> Result<Entry, AccountError> {
        self.authenticate_hash(&secret_hash(token)).await
    }

    /// The same for a token of which only the hash is known here.
    pub(crate) async fn authenticate_hash(&self, token_sha256: &str) -> Result<Entry, AccountError> {
        let found = store::authorization::by_token(self.store.db(), token_sha256).await?;
        let found = found.filter(|authorization| !authorization.is_expired(self.now()));
        let authorization = found.ok_or(AccountError::WrongToken)?;
        let account = store::account::by_id(self.store.db(), authorization.account).await?;
        let account = account.ok_or(AccountError::WrongToken)?;
        Ok(Entry { account, authorization, token_sha256: token_sha256.to_owned() })
    }

    /// Who has this e-mail and password, and the code where one is asked for.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`], [`AccountError::TwoFactor`], [`AccountError::TooManyTries`].
    pub async fn login(&self, email: &str, password: &str, code: Option<&str>) -> Result<Account, AccountError> {
        let email = email.parse::<Email>().map_err(|_| AccountError::WrongPassword)?.to_string();
        if !self.tries.admits(&email) {
            return Err(AccountError::TooManyTries);
        }
        let account = store::account::by_email(self.store.db(), &email).await?;
        let right = verify(self, account.as_ref(), password).await?;
        let Some(account) = account.filter(|_| right) else {
            self.tries.failed(email);
            return Err(AccountError::WrongPassword);
        };
        let checked = two_factor::check(self, &account, code).await;
        if matches!(checked, Err(AccountError::WrongCode)) {
            self.tries.failed(email);
        }
        checked?;
        let mut tx = self.store.begin().await?;
        store::account::logged_in(&mut tx, account.id, self.now()).await?;
        tx.commit().await?;
        Ok(account)
    }
}

/// Takes as long for an account that is not there.
async fn verify(control: &Control, account: Option<&Account>, password: &str) -> Result<bool, StoreError> {
    let kept = match account {
        Some(account) => store::account::password(control.store.db(), account.id).await?,
        None => None,
    };
    let password: String = password.chars().take(password::PASSWORD_LIMIT_BYTES).collect();
    let Ok(_turn) = control.logins.acquire().await else { return Ok(false) };
    let checked = tokio::task::spawn_blocking(move || password::verify(kept.as_deref(), &password)).await;
    Ok(checked.unwrap_or(false))
}

/// Makes an account with a password of its own making, which is told only here.
///
/// # Errors
/// A bad or taken e-mail, a bad name.
pub async fn create(control: &Control, email: &str, name: Option<String>) -> Result<(Account, String), AccountError> {
    let email: Email = email.parse()?;
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(AccountError::BadName);
    }
    let account = Account { name, ..Account::new(control.world.new_id(), email.to_string(), control.now()) };
    let password = control.world.secret::<10>();
    let hash = hash(control, password.clone()).await;
    let mut tx = control.store.begin().await?;
    match store::account::insert(&mut tx, &account).await {
        Err(error) if error.is_duplicate() => return Err(AccountError::EmailTaken(account.email)),
        other => other?,
    }
    store::account::set_password(&mut tx, account.id, &hash, account.created_at).await?;
    tx.commit().await?;
    Ok((account, password))
}

/// Gives an account another password; without one, one of the server's making, which is told only here. All its logins end but for
/// the one that asked.
///
/// # Errors
/// A password that is too short or too long.
pub async fn set_password(
    control: &Control,
    account: &Account,
    password: Option<String>,
    asked_by: &Authorization,
) -> Result<String, AccountError> {
    let password = password.unwrap_or_else(|| control.world.secret::<10>());
    let hash = new_hash(control, password.clone()).await?;
    let mut tx = control.store.begin().await?;
    store::account::set_password(&mut tx, account.id, &hash, control.now()).await?;
    store::authorization::delete_sessions(&mut tx, account.id, asked_by.id).await?;
    tx.commit().await?;
    Ok(password)
}

/// What is kept of a password that somebody chose.
pub(crate) async fn new_hash(control: &Control, password: String) -> Result<String, AccountError> {
    let enough = password.chars().count() >= password::PASSWORD_LEAST_CHARS;
    if !enough || password.len() > password::PASSWORD_LIMIT_BYTES {
        return Err(AccountError::BadPassword);
    }
    Ok(hash(control, password).await)
}

async fn hash(control: &Control, password: String) -> String {
    let world = control.world.clone();
    tokio::task::spawn_blocking(move || password::hash(&*world, &password)).await.unwrap_or_default()
}

/// Is this the account's own password, and the code, where one is asked for? Before something that a stolen token must not do.
///
/// # Errors
/// [`AccountError::WrongPassword`], [`AccountError::TwoFactor`], [`AccountError::TooManyTries`].
pub async fn prove(
    control: &Control,
    account: &Account,
    password: &str,
    code: Option<&str>,
) -> Result<(), AccountError> {
    control.login(&account.email, password, code).await.map(|_| ())
}

/// Changes what it is called.
///
/// # Errors
/// [`AccountError::BadName`].
pub async fn rename(control: &Control, who: &Account, name: Option<String>) -> Result<Account, AccountError> {
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(AccountError::BadName);
    }
    let next = Account { name, updated_at: control.now(), ..who.clone() };
    let mut tx = control.store.begin().await?;
    store::account::update(&mut tx, &next).await?;
    tx.commit().await?;
    Ok(next)
}

/// Makes it an operator of the server, or not any more.
///
/// # Errors
/// [`AccountError::LastOperator`].
pub async fn set_operator(control: &Control, account: &Account, operator: bool) -> Result<Account, AccountError> {
    let next = Account { operator, updated_at: control.now(), ..account.clone() };
    let mut tx = control.store.begin().await?;
    let others = store::account::list(tx.db()).await?;
    if !operator && !others.iter().any(|other| other.operator && other.id != account.id) {
        return Err(AccountError::LastOperator);
    }
    store::account::update(&mut tx, &next).await?;
    tx.commit().await?;
    Ok(next)
}

/// All of them, by e-mail.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control) -> Result<Vec<Account>, AccountError> {
    Ok(store::account::list(control.store.db()).await?)
}

/// One by id or e-mail.
///
/// # Errors
/// [`AccountError::NoSuchAccount`].
pub async fn find(control: &Control, id_or_email: &str) -> Result<Account, AccountError> {
    let db = control.store.db();
    let found = if let Ok(id) = id_or_email.parse::<AccountId>() {
        store::account::by_id(db, id).await?
    } else if let Ok(email) = id_or_email.parse::<Email>() {
        store::account::by_email(db, &email.to_string()).await?
    } else {
        None
    };
    found.ok_or(AccountError::NoSuchAccount)
}

/// Somebody, by id or e-mail, for whoever works with them: a team or an app in common. Of everybody else it is not even
/// told whether they are here.
///
/// # Errors
/// [`AccountError::NoSuchAccount`].
pub async fn colleague(control: &Control, who: &Account, which: &str) -> Result<Account, AccountError> {
    let found = find(control, which).await?;
    let together = who.operator || store::account::work_together(control.store.db(), who.id, found.id).await?;
    if together { Ok(found) } else { Err(AccountError::NoSuchAccount) }
}

/// Removes an account that owns nothing and that no ledger names.
///
/// # Errors
/// [`AccountError::InUse`], [`AccountError::LastOperator`].
pub async fn destroy(control: &Control, account: &Account) -> Result<(), AccountError> {
    let mut tx = control.store.begin().await?;
    let others = store::account::list(tx.db()).await?;
    if account.operator && !others.iter().any(|other| other.operator && other.id != account.id) {
        return Err(AccountError::LastOperator);
    }
    match store::account::delete(&mut tx, account.id).await {
        Err(error) if error.is_in_use() => Err(AccountError::InUse(account.email.clone())),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(tx.commit().await?),
    }
}

/// SHA-256 as hex: secrets here are 64 random bits and more, so a plain hash cannot be searched.
pub(crate) fn secret_hash(secret: &str) -> String {
    digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
