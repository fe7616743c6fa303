//! What the platform says into an app's log (LOG-2). A log that cannot be written never stops the work it tells of.

use crate::{Control, traffic};
use model::dyno::DynoName;
use model::id::AppId;
use model::log::{LogLine, LogSource};
use model::time::Timestamp;

/// `app[api]: …`: what people did.
pub(crate) async fn api(control: &Control, app: AppId, at: Timestamp, text: String) {
    append(control, app, LogLine { at, source: LogSource::App, ps: "api".to_owned(), text }).await;
}

/// `heroku[web.1]: …`: what the dyno manager did or saw.
pub(crate) async fn dyno(control: &Control, app: AppId, name: &DynoName, text: impl Into<String>) {
    let line = LogLine { at: control.now(), source: LogSource::Platform, ps: name.to_string(), text: text.into() };
    append(control, app, line).await;
}

/// `heroku[router]: …`: one request.
pub(crate) async fn router(control: &Control, app: AppId, at: Timestamp, text: String) {
    traffic::note(control, app, at, &text);
    append(control, app, LogLine { at, source: LogSource::Platform, ps: "router".to_owned(), text }).await;
}

/// `heroku[autoscale]: …`: what was scaled by itself, and why.
pub(crate) async fn autoscale(control: &Control, app: AppId, text: String) {
    let line = LogLine { at: control.now(), source: LogSource::Platform, ps: "autoscale".to_owned(), text };
    append(control, app, line).await;
}

/// `app[web.1]: …`: a line that a dyno printed.
pub(crate) async fn printed(control: &Control, app: AppId, name: &DynoName, at: Timestamp, text: String) {
    append(control, app, LogLine { at, source: LogSource::App, ps: name.to_string(), text }).await;
}

async fn append(control: &Control, app: AppId, line: LogLine) {
    control.counters.log_line(app, &line);
    control.logs.append(app, line).await;
}
