//! `/user/notifications`: what broke of the apps that somebody sees, and which of it they have read; a service beside the platform's
//! API, answered at the same place.

use crate::answer::NewestFirst;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::platform::Caller;
use crate::range::{Field, Key};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use control::{Control, user_notification};
use model::id::{AppId, UserNotificationId};
use model::user_notification::UserNotification;
use serde::{Deserialize, Serialize};

const FIELDS: &[Field<UserNotification>] =
    &[("created_at", |one| Key::Time(one.created_at)), ("id", |one| Key::Text(one.id.to_string()))];

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct UserNotificationView {
    id: UserNotificationId,
    title: String,
    body: String,
    created_at: String,
    read: bool,
    target: TargetView,
    followup: Vec<FollowupView>,
}

#[derive(Debug, Serialize)]
struct TargetView {
    #[serde(rename = "type")]
    kind: &'static str,
    id: AppId,
}

#[derive(Debug, Serialize)]
struct FollowupView {
    body: String,
    created_at: String,
}

/// Body of `PATCH /user/notifications/{notification}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Mark {
    read: bool,
}

impl From<&UserNotification> for UserNotificationView {
    fn from(one: &UserNotification) -> Self {
        let followup = one.followup().map(|(body, at)| FollowupView { body, created_at: at.rfc3339() });
        Self {
            id: one.id,
            title: one.title(),
            body: one.body(),
            created_at: one.created_at.rfc3339(),
            read: one.read,
            target: TargetView { kind: "app", id: one.key.app },
            followup: followup.into_iter().collect(),
        }
    }
}

/// GET /user/notifications - what broke of the apps that one sees, newest first: 50 that one has not read, and 50 that one has.
pub(crate) async fn list(
    State(control): State<Control>,
    Caller(who): Caller,
    NewestFirst(range): NewestFirst,
) -> Result<Response, ApiError> {
    let all = user_notification::list(&control, &who).await?;
    range.answer(all, FIELDS, |one| UserNotificationView::from(one))
}

/// PATCH /user/notifications/{notification} - with `read`: marks it for oneself; 200.
pub(crate) async fn update(
    State(control): State<Control>,
    Caller(who): Caller,
    Path(which): Path<String>,
    JsonBody(Mark { read }): JsonBody<Mark>,
) -> Result<Json<UserNotificationView>, ApiError> {
    Ok(Json((&user_notification::mark(&control, &who, &which, read).await?).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;
    use model::alarm::{AlarmKey, AlarmKind};
    use model::time::Timestamp;
    use model::user_notification::Mended;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn a_notification_has_what_the_official_command_line_reads() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        let mut one = UserNotification {
            id: UserNotificationId(Uuid::from_u128(1)),
            key: AlarmKey { app: AppId(Uuid::from_u128(2)), kind: AlarmKind::Build, thing: String::new() },
            app_name: "shop".parse().unwrap(),
            stage: None,
            what: "The build of c0ffee failed".into(),
            first_line: None,
            author: None,
            created_at: at(0),
            mended: None,
            read: false,
        };
        let view = |one: &UserNotification| serde_json::to_value(UserNotificationView::from(one)).unwrap();
        let expected = json!({
            "id": "00000000-0000-0000-0000-000000000001",
            "title": "shop: build broken",
            "body": "The build of c0ffee failed\nSee: flowline builds -a shop",
            "created_at": "1970-01-01T00:00:00Z",
            "read": false,
            "target": { "type": "app", "id": "00000000-0000-0000-0000-000000000002" },
            "followup": [],
        });
        assert_eq!(view(&one), expected);
        one.mended = Some(Mended { what: "The build of f00d succeeded".into(), failures: 2, at: at(90) });
        let followup = &view(&one)["followup"];
        assert_eq!(followup[0]["created_at"], "1970-01-01T00:01:30Z");
        let said = "shop: build fixed\nThe build of f00d succeeded\nIt was broken for 1 min 30 s, failed 2 times.";
        assert_eq!(followup[0]["body"], said);
    }

    #[test]
    fn a_mark_says_yes_or_no() {
        let status = |text: &str| body::read::<Mark>(text.as_bytes()).map_err(|error| error.status.as_u16());
        assert!(status(r#"{"read": true}"#).unwrap().read && !status(r#"{"read": false}"#).unwrap().read);
        for (text, refused) in [("", 422), ("{}", 422), (r#"{"read": "yes"}"#, 422), ("[true]", 422), ("{read}", 400)] {
            assert_eq!(status(text).unwrap_err(), refused, "{text}");
        }
    }
}
