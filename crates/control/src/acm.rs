//! Whether an app wants its certificates made for it (ROUTE-5). The wish is kept; what has become of it, each domain says.

use crate::app::{AppDetail, AppError};
use crate::gate::Authorized;
use crate::{Control, app, journal};
use model::app::App;

/// Switches it on or off; the app as it is then.
///
/// # Errors
/// When the database fails.
pub async fn switch(control: &Control, app: &Authorized<App>, enabled: bool) -> Result<AppDetail, AppError> {
    let now = control.now();
    let mut tx = control.store.begin().await?;
    let changed = if enabled {
        store::acm::enable(&mut tx, app.id, now).await?
    } else {
        store::acm::disable(&mut tx, app.id).await?
    };
    tx.commit().await?;
    if changed {
        let verb = if enabled { "Enable" } else { "Disable" };
        let said = format!("{verb} automated certificates by user {}", app.by().email);
        journal::api(control, app.id, now, said).await;
    }
    app::find(control, app).await
}
