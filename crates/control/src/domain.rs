//! Domains: list, look at, add, give another certificate, remove. No release is made: the router follows at once.

use crate::event::{self, Change, Resource};
use crate::gate::Authorized;
use crate::{Control, journal};
use model::app::App;
use model::domain::{BadHostname, DOMAINS_LIMIT, Domain, DomainKind, Hostname};
use model::id::{DomainId, SniEndpointId};
use model::sni_endpoint::SniEndpoint;
use store::{StoreError, Tx};

/// A domain with what it shows.
#[derive(Debug, Clone)]
pub struct DomainDetail {
    /// The domain.
    pub domain: Domain,
    /// The name that its DNS entry should point to; an app's own needs none.
    pub cname: Option<String>,
    /// The certificate that it is served with, and its name.
    pub sni_endpoint: Option<(SniEndpointId, String)>,
    /// Does the app want certificates to be made for it?
    pub acm: bool,
}

/// Why a domain is not found, added or removed.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// No name.
    #[error(transparent)]
    BadHostname(#[from] BadHostname),
    /// Below the platform's own domain.
    #[error("{0} belongs to the platform, which gives such names to apps by itself; add a name of your own")]
    Reserved(Hostname),
    /// CLI-39.
    #[error("{0} is already a domain of this app")]
    Already(Hostname),
    /// ROUTE-2: a name belongs to one app of all.
    #[error("{0} is already in use by another app; remove it there first")]
    Taken(Hostname),
    /// ROUTE-2.
    #[error("This app has {DOMAINS_LIMIT} domains, which is the limit; remove one first")]
    TooMany,
    /// Not of this app.
    #[error("Couldn't find that domain.")]
    NoSuchDomain,
    /// The app's own name.
    #[error("{0} is the app's own address: it cannot be changed or removed, it goes with the app")]
    Own(String),
    /// Not of this app.
    #[error("Couldn't find that SNI endpoint; `flowline certs` lists those of the app")]
    NoSuchSniEndpoint,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of them, the app's own first.
///
/// # Errors
/// When the database fails.
pub async fn list(control: &Control, app: &Authorized<App>) -> Result<Vec<DomainDetail>, DomainError> {
    let db = control.store.db();
    let own = Domain::default_of(app, control.settings.host(&app.name));
    let added = store::domain::list(db, app.id).await?;
    let endpoints = store::sni_endpoint::list(db, app.id).await?;
    let acm = store::acm::enabled(db, app.id).await?;
    let all = [own].into_iter().chain(added);
    Ok(all.map(|domain| detail(control, domain, &endpoints, acm)).collect())
}

fn detail(control: &Control, domain: Domain, endpoints: &[SniEndpoint], acm: bool) -> DomainDetail {
    let (cname, served_with) = match &domain.kind {
        DomainKind::Default => (None, None),
        DomainKind::Custom { target, sni_endpoint } => {
            (Some(format!("{target}.{}", control.settings.dns_target)), *sni_endpoint)
        }
    };
    let endpoint = endpoints.iter().find(|endpoint| Some(endpoint.id) == served_with);
    let sni_endpoint = endpoint.map(|endpoint| (endpoint.id, endpoint.name.clone()));
    DomainDetail { domain, cname, sni_endpoint, acm }
}

/// One as a change sees it that is not yet committed.
async fn detail_in(control: &Control, tx: &mut Tx, domain: Domain) -> Result<DomainDetail, StoreError> {
    let endpoints = store::sni_endpoint::list(tx.db(), domain.app).await?;
    let acm = store::acm::enabled(tx.db(), domain.app).await?;
    Ok(detail(control, domain, &endpoints, acm))
}

/// One by its id or host name.
///
/// # Errors
/// [`DomainError::NoSuchDomain`].
pub async fn find(control: &Control, app: &Authorized<App>, which: &str) -> Result<DomainDetail, DomainError> {
    let id = which.parse::<DomainId>().ok();
    let hostname = which.parse::<Hostname>().ok();
    let is = |detail: &DomainDetail| {
        Some(detail.domain.id) == id || hostname.as_ref().is_some_and(|name| name.as_str() == detail.domain.hostname)
    };
    list(control, app).await?.into_iter().find(is).ok_or(DomainError::NoSuchDomain)
}

/// Adds one; requests with that host reach the app from now on.
///
/// # Errors
/// A name that is none, the platform's, or an app's already; an unknown certificate; too many.
pub async fn create(
    control: &Control,
    app: &Authorized<App>,
    hostname: &str,
    sni_endpoint: Option<&str>,
) -> Result<DomainDetail, DomainError> {
    let hostname: Hostname = hostname.parse()?;
    if hostname.as_str() == control.settings.host(&app.name) {
        return Err(DomainError::Already(hostname));
    }
    if [&control.settings.domain, &control.settings.dns_target].into_iter().any(|ours| hostname.takes_from(ours)) {
        return Err(DomainError::Reserved(hostname));
    }
    let sni_endpoint = match sni_endpoint {
        Some(which) => Some(endpoint(control, app, which).await?.id),
        None => None,
    };
    let now = control.now();
    let domain = Domain {
        id: control.world.new_id(),
        app: app.id,
        hostname: hostname.to_string(),
        kind: DomainKind::Custom { target: control.world.secret::<TARGET_BYTES>(), sni_endpoint },
        created_at: now,
        updated_at: now,
    };
    insert(control, app, &domain, hostname).await?;
    let said = format!("Add domain {} by user {}", domain.hostname, app.by().email);
    journal::api(control, app.id, now, said).await;
    control.supervisor.seen(app.id).await;
    find(control, app, &domain.id.to_string()).await
}

/// Enough that nobody guesses the target of another's domain.
const TARGET_BYTES: usize = 8;

async fn insert(
    control: &Control,
    app: &Authorized<App>,
    domain: &Domain,
    hostname: Hostname,
) -> Result<(), DomainError> {
    let mut tx = control.store.begin().await?;
    match store::domain::owner(tx.db(), &domain.hostname).await? {
        Some(owner) if owner == domain.app => return Err(DomainError::Already(hostname)),
        Some(_) => return Err(DomainError::Taken(hostname)),
        None => {}
    }
    if store::domain::count(tx.db(), domain.app).await? >= DOMAINS_LIMIT {
        return Err(DomainError::TooMany);
    }
    store::domain::insert(&mut tx, domain).await?;
    let made = detail_in(control, &mut tx, domain.clone()).await?;
    event::note(control, &mut tx, app.by().id, &Change::create(Resource::Domain(app, &made))).await?;
    Ok(tx.commit().await?)
}

async fn endpoint(control: &Control, app: &Authorized<App>, which: &str) -> Result<SniEndpoint, DomainError> {
    let all = store::sni_endpoint::list(control.store.db(), app.id).await?;
    let is = |endpoint: &SniEndpoint| endpoint.name == which || endpoint.id.to_string() == which;
    all.into_iter().find(is).ok_or(DomainError::NoSuchSniEndpoint)
}

/// Gives it another certificate, or none.
///
/// # Errors
/// An unknown domain or certificate, the app's own domain.
pub async fn set_sni_endpoint(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
    sni_endpoint: Option<&str>,
) -> Result<DomainDetail, DomainError> {
    let found = custom(control, app, which).await?;
    let served_with = match sni_endpoint {
        Some(which) => Some(endpoint(control, app, which).await?.id),
        None => None,
    };
    let mut tx = control.store.begin().await?;
    if !store::domain::set_sni_endpoint(&mut tx, found.domain.id, served_with, control.now()).await? {
        return Err(DomainError::NoSuchDomain);
    }
    let changed = store::domain::list(tx.db(), app.id).await?.into_iter().find(|domain| domain.id == found.domain.id);
    let now = detail_in(control, &mut tx, changed.ok_or(DomainError::NoSuchDomain)?).await?;
    let change = Change::update(Resource::Domain(app, &found), Resource::Domain(app, &now));
    event::note(control, &mut tx, app.by().id, &change).await?;
    tx.commit().await?;
    Ok(now)
}

/// Removes it; its requests meet no app from now on. What it was.
///
/// # Errors
/// An unknown domain, the app's own.
pub async fn delete(control: &Control, app: &Authorized<App>, which: &str) -> Result<DomainDetail, DomainError> {
    let found = custom(control, app, which).await?;
    let mut tx = control.store.begin().await?;
    if !store::domain::delete(&mut tx, found.domain.id).await? {
        return Err(DomainError::NoSuchDomain);
    }
    event::note(control, &mut tx, app.by().id, &Change::destroy(Resource::Domain(app, &found))).await?;
    tx.commit().await?;
    let said = format!("Remove domain {} by user {}", found.domain.hostname, app.by().email);
    journal::api(control, app.id, control.now(), said).await;
    control.supervisor.seen(app.id).await;
    Ok(found)
}

async fn custom(control: &Control, app: &Authorized<App>, which: &str) -> Result<DomainDetail, DomainError> {
    let found = find(control, app, which).await?;
    match found.domain.kind {
        DomainKind::Default => Err(DomainError::Own(found.domain.hostname)),
        DomainKind::Custom { .. } => Ok(found),
    }
}
