//! Who a change is of, and who of them is told of it.

use crate::Control;
use model::account::Account;
use model::app::App;
use model::author::Authors;
use model::build::Build;
use model::id::AccountId;
use model::permission::Right;
use model::release::{Release, is_about_code};
use store::{Connection, StoreError};

/// The people behind a release: who made it, who had its code built, who wrote the commit (two people asks for somebody else).
///
/// # Errors
/// When the database fails.
pub async fn of_release(db: &mut Connection, release: &Release) -> Result<Authors, StoreError> {
    let build = match release.slug {
        Some(slug) => store::build::of_slug(&mut *db, slug).await?,
        None => None,
    };
    let built_by = build.as_ref().map(|build| build.by);
    Ok(Authors { released_by: release.by, built_by, commit: build.and_then(|build| build.source.commit) })
}

/// The people behind a build.
#[must_use]
pub fn of_build(build: &Build) -> Authors {
    Authors { released_by: build.by, built_by: Some(build.by), commit: build.source.commit.clone() }
}

/// Who answers for what a release changed: for code whoever wrote it, else whoever made the release.
pub(crate) async fn responsible(
    control: &Control,
    db: &mut Connection,
    app: &App,
    release: &Release,
) -> Result<Option<Account>, StoreError> {
    let cause = store::release_step::cause(&mut *db, release.id).await?;
    if cause.as_deref().is_some_and(is_about_code) {
        let authors = of_release(db, release).await?;
        return to_tell(control, db, app, &authors).await;
    }
    store::account::by_id(&mut *db, release.by).await
}

/// Whom to tell: the account of the commit's author, else whoever had it built. A commit's address is what somebody wrote, so it
/// is only told to accounts that see the app anyway.
pub(crate) async fn to_tell(
    control: &Control,
    db: &mut Connection,
    app: &App,
    authors: &Authors,
) -> Result<Option<Account>, StoreError> {
    let email = authors.commit.as_ref().map(|commit| commit.email.as_str());
    wrote_or(control, db, app, email, authors.built_by.unwrap_or(authors.released_by)).await
}

/// The account of this address if it sees the app, else the other one.
pub(crate) async fn wrote_or(
    control: &Control,
    db: &mut Connection,
    app: &App,
    email: Option<&str>,
    other: AccountId,
) -> Result<Option<Account>, StoreError> {
    if let Some(email) = email {
        let wrote = store::account::by_email(&mut *db, &email.to_ascii_lowercase()).await?;
        if let Some(account) = wrote
            && control.permissions(&account, app).await?.grant(Right::View)
        {
            return Ok(Some(account));
        }
    }
    store::account::by_id(&mut *db, other).await
}
