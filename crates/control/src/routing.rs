//! What the router is told of each app, and when.

use crate::registry::Routed;
use crate::supervisor::wanted;
use crate::{Control, receipt};
use model::app::App;
use model::config_var::ConfigVars;
use model::dyno::Dyno;
use model::feature::Feature;
use model::formation::Wanted;
use model::id::ReleaseId;
use model::route::{self, Route, Web};
use router::Entry;
use store::StoreError;

/// The page that visitors see instead of the router's own errors (ROUTE-61).
const ERROR_PAGE: &str = "ERROR_PAGE_URL";

/// The page that visitors see during maintenance (ROUTE-61).
const MAINTENANCE_PAGE: &str = "MAINTENANCE_PAGE_URL";

/// Why what runs was not brought to what should run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Router(#[from] router::RouterError),
}

/// What requests to the app meet now.
async fn routed(control: &Control, app: &App, wanted: Option<&Wanted>) -> Result<Routed, StoreError> {
    let dynos = control.registry.of_app(app.id);
    let web = match route::web(app.maintenance, wanted, &dynos) {
        Web::Up { .. } | Web::Starting | Web::Crashed if control.registry.asleep(app.id).is_some() => Web::Asleep,
        web => web,
    };
    let config = match wanted {
        Some(wanted) => store::release::config(&control.store, wanted.release).await?,
        None => ConfigVars::new(),
    };
    let session_affinity = store::feature::enabled(control.store.db(), app.id, Feature::SessionAffinity).await?;
    let serving = serving(&web, &dynos);
    let mut hosts = vec![control.settings.host(&app.name)];
    hosts.extend(store::domain::hostnames(control.store.db(), app.id).await?);
    let entry = Entry {
        route: Route { app: app.id, name: app.name.clone(), hosts, web },
        error_page: config.get(ERROR_PAGE).cloned(),
        maintenance_page: config.get(MAINTENANCE_PAGE).cloned(),
        session_affinity,
    };
    Ok(Routed { release: wanted.map(|wanted| wanted.release), serving, entry })
}

/// The release whose dynos answer.
fn serving(web: &Web, dynos: &[Dyno]) -> Option<ReleaseId> {
    let first = backends(web).first()?.dyno;
    dynos.iter().find(|dyno| dyno.id == first).map(|dyno| dyno.release)
}

/// The dynos that get requests.
pub(crate) fn backends(web: &Web) -> &[route::Backend] {
    match web {
        Web::Up { backends } => backends,
        Web::Blank | Web::Maintenance | Web::NoWeb | Web::Starting | Web::Asleep | Web::Crashed => &[],
    }
}

/// Gives the router its whole table: a living one may still serve an app that is gone.
pub(crate) async fn sync(control: &Control) -> Result<(), SyncError> {
    let mut all = Vec::new();
    for app in store::app::list(control.store.db()).await? {
        let wanted = wanted(control, app.id).await?;
        all.push((app.id, routed(control, &app, wanted.as_ref()).await?));
    }
    control.router.sync(all.iter().map(|(_, routed)| routed.entry.clone()).collect()).await?;
    for (app, routed) in all {
        control.registry.set_routed(app, routed);
    }
    Ok(())
}

/// Tells the router what requests to the app meet now, unless it knows.
pub(crate) async fn publish(control: &Control, app: &App, wanted: Option<&Wanted>) -> Result<(), SyncError> {
    // What was worked out first must be said first.
    let turn = control.registry.routing_turn(app.id);
    let _turn = turn.lock().await;
    let routed = routed(control, app, wanted).await?;
    let before = control.registry.routed(app.id);
    if before.as_ref() == Some(&routed) {
        return Ok(());
    }
    let began = tokio::time::Instant::now();
    control.router.set(routed.entry.clone()).await?;
    receipt::switched(control, before.as_ref(), &routed, began.elapsed());
    control.registry.set_routed(app.id, routed);
    Ok(())
}
