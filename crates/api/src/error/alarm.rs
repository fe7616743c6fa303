//! What could not be done about alarms, their routes, notifications and deployments, as HTTP.

use super::ApiError;
use control::deployment::DeploymentError;
use control::notification_route::NotificationRouteError;
use control::user_notification::UserNotificationError;

impl From<NotificationRouteError> for ApiError {
    fn from(error: NotificationRouteError) -> Self {
        match error {
            NotificationRouteError::NoSuchRoute => Self::not_found("notification_route"),
            NotificationRouteError::Refused(_) | NotificationRouteError::TooMany | NotificationRouteError::NoMail => {
                Self::invalid_params(error)
            }
            NotificationRouteError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<DeploymentError> for ApiError {
    fn from(error: DeploymentError) -> Self {
        match error {
            DeploymentError::Period(_) | DeploymentError::TooMany => Self::invalid_params(error),
            DeploymentError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<UserNotificationError> for ApiError {
    fn from(error: UserNotificationError) -> Self {
        match error {
            UserNotificationError::NoSuchNotification => Self::not_found("notification"),
            UserNotificationError::Store(_) => Self::internal(&error),
        }
    }
}
