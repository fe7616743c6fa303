//! The one mapping from what could not be done to HTTP: `{id, message}` with the statuses of API-3.

mod access;
mod alarm;
mod artifact;
mod edge;
mod pipeline;
mod test_run;

use crate::range::RangeError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use control::app::AppError;
use control::buildpack_installation::BuildpackError;
use control::config_var::ConfigVarError;
use control::delivery::DeliveryError;
use control::dyno::DynoError;
use control::feature::FeatureError;
use control::formation::ScaleError;
use control::idempotency::IdempotencyError;
use control::idle::IdleError;
use control::log_session::LogSessionError;
use control::monitor::MonitorError;
use control::release::ReleaseError;
use control::release_phase::PhaseError;
use control::verification::VerificationError;
use control::webhook::WebhookError;
use model::app::AppName;
use model::formation::FormationError;
use serde::Serialize;
use std::error::Error;
use std::fmt::Display;

/// An answer that is no success.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The word that clients act on (`not_found`, `invalid_params` …).
    pub id: &'static str,
    /// What people read; says what to do next.
    pub message: String,
    /// What kind of thing was not found.
    pub resource: Option<&'static str>,
    /// The app that asks for a second factor: clients send the code there (API-14).
    pub app: Option<AppName>,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<NamedApp<'a>>,
}

#[derive(Serialize)]
struct NamedApp<'a> {
    name: &'a AppName,
}

impl ApiError {
    /// Any error.
    pub fn new(status: StatusCode, id: &'static str, message: impl Display) -> Self {
        Self { status, id, message: message.to_string(), resource: None, app: None }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: no token, or one that is not known.
    #[must_use]
    pub fn unauthorized() -> Self {
        let message =
            "Invalid credentials provided: send `Authorization: Bearer <token>`, or Basic with the token as password.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403: known, but may not do this.
    pub fn forbidden(message: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: it is not there, or not for this caller (CLI-21).
    #[must_use]
    pub fn not_found(resource: &'static str) -> Self {
        let message = format!("Couldn't find that {}.", resource.replace('_', " "));
        Self { resource: Some(resource), ..Self::new(StatusCode::NOT_FOUND, "not_found", message) }
    }

    /// 404: no such address.
    #[must_use]
    pub fn no_such_path() -> Self {
        let message = "There is nothing at this path; the paths are those of the Platform API, version 3.";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 422: readable, but not acceptable.
    pub fn invalid_params(message: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message)
    }

    /// 416: beyond the end of what is complete.
    #[must_use]
    pub fn beyond(size_bytes: u64) -> Self {
        let message = format!("There is nothing more: the output is complete and has {size_bytes} bytes.");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "requested_range_not_satisfiable", message)
    }

    /// 429: the bucket is empty (API-9).
    #[must_use]
    pub fn rate_limit() -> Self {
        let message = "Your account reached the API rate limit. Please wait a few seconds before making new requests.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", message)
    }

    /// 409: not now.
    pub fn conflict(message: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 507: no room on the server's disk, and nothing was changed.
    pub fn full(message: impl Display) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage", message)
    }

    /// 500: ours. The cause goes to the log, once, here; the client learns only that it happened. 507 when the disk is full,
    /// which the client's people can do something about.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |&cause| cause.source()).map(ToString::to_string);
        let causes = causes.collect::<Vec<_>>().join(": ");
        tracing::error!(error = causes, "A request failed inside: {error}");
        if ["No space left", "disk is full"].iter().any(|full| causes.contains(full)) {
            let message = "The server's disk is full, so nothing was changed; free some space and try again.";
            return Self::full(message);
        }
        let message = "The server failed at this request; its log has the cause. Try again, and report it if it stays.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", message)
    }
}

impl From<RangeError> for ApiError {
    fn from(error: RangeError) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "requested_range_not_satisfiable", error)
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::BadName(_) | AppError::NameTaken(_) | AppError::NoSuchStack(_) | AppError::TooMany => {
                Self::invalid_params(error)
            }
            AppError::Gone => Self::not_found("app"),
            AppError::Gate(error) => error.into(),
            AppError::Git(_) | AppError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<ConfigVarError> for ApiError {
    fn from(error: ConfigVarError) -> Self {
        match error {
            ConfigVarError::Config(_) | ConfigVarError::TooManyHidden => Self::invalid_params(error),
            ConfigVarError::Release(error) => error.into(),
            ConfigVarError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<BuildpackError> for ApiError {
    fn from(error: BuildpackError) -> Self {
        match error {
            BuildpackError::Bad(_) | BuildpackError::TooMany => Self::invalid_params(error),
            BuildpackError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<ReleaseError> for ApiError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::NoSuchRelease => Self::not_found("release"),
            ReleaseError::NoSuchSlug => Self::not_found("slug"),
            ReleaseError::NoOutput => Self { message: error.to_string(), ..Self::not_found("release_output") },
            ReleaseError::EmptySlug
            | ReleaseError::NotEligible(_)
            | ReleaseError::Expired(_)
            | ReleaseError::ExpiredSlug
            | ReleaseError::NothingBefore => Self::invalid_params(error),
            ReleaseError::NotAdmitted(error) => error.into(),
            ReleaseError::Output(_) | ReleaseError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<FeatureError> for ApiError {
    fn from(error: FeatureError) -> Self {
        match error {
            FeatureError::NoSuchFeature(_) => Self { message: error.to_string(), ..Self::not_found("feature") },
            FeatureError::OwnFactor => Self::invalid_params(error),
            FeatureError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<ScaleError> for ApiError {
    fn from(error: ScaleError) -> Self {
        match error {
            // CLI-37: 404 with the type's name.
            ScaleError::Formation(FormationError::NoSuchType(_)) => {
                Self { message: error.to_string(), ..Self::not_found("formation") }
            }
            ScaleError::Formation(_) | ScaleError::Size(_) => Self::invalid_params(error),
            ScaleError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<MonitorError> for ApiError {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::NoSuchMonitor => Self { message: error.to_string(), ..Self::not_found("monitor") },
            MonitorError::Bad(_)
            | MonitorError::BadProcessType(_)
            | MonitorError::Formation(_)
            | MonitorError::Taken(_) => Self::invalid_params(error),
            MonitorError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<DynoError> for ApiError {
    fn from(error: DynoError) -> Self {
        match error {
            DynoError::NoSuchDyno => Self::not_found("dyno"),
            DynoError::NoSuchType(_) => Self { message: error.to_string(), ..Self::not_found("formation") },
            DynoError::NoCode(_)
            | DynoError::NoCommand
            | DynoError::CommandTooLong
            | DynoError::TooMany(_)
            | DynoError::TooManySessions
            | DynoError::BadTimeToLive
            | DynoError::BadEnvironment(_)
            | DynoError::BadType(_)
            | DynoError::Size(_) => Self::invalid_params(error),
            DynoError::ExecOff(_) => Self::forbidden(error),
            DynoError::Unusable(_) | DynoError::NotRunning(_) => Self::new(StatusCode::CONFLICT, "conflict", error),
            DynoError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<IdempotencyError> for ApiError {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::BadKey | IdempotencyError::OtherRequest => Self::invalid_params(error),
            IdempotencyError::Unanswered => Self::conflict(error),
            IdempotencyError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<IdleError> for ApiError {
    fn from(error: IdleError) -> Self {
        match error {
            IdleError::BadSleepAfter(_) | IdleError::NoWeb(_) => Self::invalid_params(error),
            IdleError::Busy(_) => Self::conflict(error),
            IdleError::Failed(_) | IdleError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<LogSessionError> for ApiError {
    fn from(error: LogSessionError) -> Self {
        match error {
            LogSessionError::Unknown => Self { message: error.to_string(), ..Self::not_found("log_session") },
            LogSessionError::Logs(_) => Self::internal(&error),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NoSuchWebhook => Self::not_found("webhook"),
            WebhookError::NoSuchEvent => Self::not_found("webhook_event"),
            WebhookError::TooMany(_) | WebhookError::Refused(_) => Self::invalid_params(error),
            WebhookError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<PhaseError> for ApiError {
    fn from(error: PhaseError) -> Self {
        match error {
            PhaseError::BadLimit(_) => Self::invalid_params(error),
            PhaseError::Decided { .. } => Self::conflict(error),
            PhaseError::Release(error) => error.into(),
            PhaseError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<VerificationError> for ApiError {
    fn from(error: VerificationError) -> Self {
        let missing = |resource| Self { message: error.to_string(), ..Self::not_found(resource) };
        match error {
            VerificationError::NoSuchVerification => missing("verification"),
            VerificationError::NoSuchArtifact => missing("artifact"),
            VerificationError::NoOutput => missing("verification_output"),
            VerificationError::NoCode(_)
            | VerificationError::NotDeclared(_)
            | VerificationError::BadStage(_)
            | VerificationError::BadPolicy(_)
            | VerificationError::BadLimit(_) => Self::invalid_params(error),
            VerificationError::Busy(_) | VerificationError::Over(..) => Self::conflict(error),
            VerificationError::File(_) | VerificationError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<DeliveryError> for ApiError {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::NoSuchDelivery => Self::not_found("webhook_delivery"),
            DeliveryError::Store(_) => Self::internal(&error),
        }
    }
}

/// The longest message, in characters: what is repeated of a request must not fill a terminal.
const MESSAGE_LIMIT_CHARS: usize = 2000;

/// Messages repeat what was sent, and end in terminals: control characters are written out.
pub(crate) fn tame(message: &str) -> String {
    let written = |c: char| if c.is_control() && c != '\n' { c.escape_default().collect() } else { c.to_string() };
    message.chars().take(MESSAGE_LIMIT_CHARS).map(written).collect()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let message = tame(&self.message);
        let app = self.app.as_ref().map(|name| NamedApp { name });
        let body = Body { id: self.id, message: &message, resource: self.resource, app };
        (self.status, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::build::BuildError;
    use control::push::PushRefused;
    use control::slug::SlugDoorError;
    use control::source::SourceError;
    use model::disk::Short;

    #[test]
    fn a_message_moves_no_cursor() {
        assert_eq!(tame("no type `a\u{1b}[2J\r`\nnext"), "no type `a\\u{1b}[2J\\r`\nnext");
    }

    #[test]
    fn a_full_disk_is_507_wherever_it_is_met() {
        let short = || Short { free_bytes: 1, floor_bytes: 2 };
        for error in [
            ApiError::from(SlugDoorError::DiskFull),
            SlugDoorError::Short(short()).into(),
            SourceError::Short(short()).into(),
            BuildError::Short(short()).into(),
            PushRefused::Short(short()).into(),
        ] {
            assert_eq!((error.status, error.id), (StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage"));
            assert!(error.message.contains("free some space"), "{}", error.message);
        }
        assert_eq!(ApiError::from(SlugDoorError::Gone).status, StatusCode::CONFLICT);
        assert_eq!(ApiError::from(PushRefused::TooMany).status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ApiError::from(SlugDoorError::Expired).status, StatusCode::NOT_FOUND);
    }
}
