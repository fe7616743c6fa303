//! Trying whether notices arrive: by one route, or by all that the alarms of an app can take.

use crate::gate::Authorized;
use crate::notification_route::{NotificationRouteError, find};
use crate::telling::{Telling, place};
use crate::{Control, journal};
use model::alarm::{Alarm, AlarmKey, AlarmKind, Turn};
use model::app::App;
use model::id::PipelineId;
use model::notice::Notice;
use model::notification_route::{Addressee, Channel, Recipient, Scope};
use model::pipeline::Stage;
use std::time::Duration;

/// Tells a drill to everybody who would be told if anything of the app broke, whichever kinds and severities their routes ask for,
/// and at once; to the author means the caller. What is on its way.
///
/// # Errors
/// When the database fails.
pub async fn drill(control: &Control, app: &Authorized<App>) -> Result<Vec<Notice>, NotificationRouteError> {
    let what = format!("A drill by {}: it proves that this reaches you. Nothing is broken.", app.by().email);
    let mut tx = control.store.begin().await?;
    let place = place(&mut tx, app.id).await?;
    let told = telling(control, app, place, &alarm(control, app), what).tell(control, &mut tx).await?;
    tx.commit().await?;
    let said = format!("Drill of notifications by user {}: {} on their way", app.by().email, told.len());
    journal::api(control, app.id, control.now(), said).await;
    Ok(told)
}

/// Tells a test to everybody whom a route tells; to the author means the caller. What is on its way.
///
/// # Errors
/// [`NotificationRouteError::NoSuchRoute`].
pub async fn test(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
) -> Result<Vec<Notice>, NotificationRouteError> {
    let route = find(control, Scope::App(app.id), which).await?;
    let to = match &route.channel {
        Channel::Author => vec![Addressee::Email(app.by().email.clone())],
        Channel::Email(addresses) => addresses.iter().map(|one| Addressee::Email(one.to_string())).collect(),
        Channel::Webhook(_) => vec![Addressee::Webhook(route.id)],
        Channel::Log => vec![Addressee::Log],
    };
    let what = "Somebody tries whether this reaches you. Nothing is broken.".to_owned();
    let recipient = |addressee| Recipient { route: Some(route.id), addressee, delay: Duration::ZERO };
    let mut tx = control.store.begin().await?;
    let place = place(&mut tx, app.id).await?;
    let to = to.into_iter().map(recipient).collect();
    let told = telling(control, app, place, &alarm(control, app), what).tell_to(control, &mut tx, to).await?;
    tx.commit().await?;
    Ok(told)
}

fn alarm(control: &Control, app: &App) -> Alarm {
    Alarm::new(AlarmKey { app: app.id, kind: AlarmKind::Drill, thing: String::new() }, control.now())
}

fn telling<'a>(
    control: &Control,
    app: &'a Authorized<App>,
    place: Option<(PipelineId, Stage)>,
    alarm: &'a Alarm,
    what: String,
) -> Telling<'a> {
    Telling { app, place, alarm, turn: Turn::Test, since: control.now(), what, author: Some(app.by()) }
}
