//! What could not be done with sources, builds, slugs and pushes, as HTTP.

use super::ApiError;
use axum::http::StatusCode;
use control::app_setup::AppSetupError;
use control::build::BuildError;
use control::image_release::ImageReleaseError;
use control::objects::ObjectError;
use control::push::PushRefused;
use control::slug::SlugDoorError;
use control::source::SourceError;

impl From<BuildError> for ApiError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Busy(_) | BuildError::Over { .. } => Self::conflict(error),
            BuildError::NoSuchBuild => Self::not_found("build"),
            BuildError::Short(_) => Self::full(error),
            BuildError::NoSource | BuildError::BadUrl(_) | BuildError::Container(_) => Self::invalid_params(error),
            BuildError::Override(error) => error.into(),
            BuildError::Output(_) | BuildError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<ImageReleaseError> for ApiError {
    fn from(error: ImageReleaseError) -> Self {
        match error {
            ImageReleaseError::NoSuchImage { .. } => {
                Self { message: error.to_string(), ..Self::not_found("docker_image") }
            }
            ImageReleaseError::NoSuchType(_) => Self { message: error.to_string(), ..Self::not_found("formation") },
            ImageReleaseError::NotContainer(_)
            | ImageReleaseError::BadDigest(_)
            | ImageReleaseError::BadType(_)
            | ImageReleaseError::NotRunnable(_)
            | ImageReleaseError::NoCommand(_) => Self::invalid_params(error),
            ImageReleaseError::NotAdmitted(error) => error.into(),
            ImageReleaseError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<AppSetupError> for ApiError {
    fn from(error: AppSetupError) -> Self {
        match error {
            AppSetupError::NoSuchSetup => Self::not_found("app_setup"),
            AppSetupError::Override(_) => Self::invalid_params(error),
            AppSetupError::Build(error) => error.into(),
            AppSetupError::App(error) => error.into(),
            AppSetupError::Gate(error) => error.into(),
            AppSetupError::Coupling(error) => error.into(),
            AppSetupError::Short(_) => Self::full(error),
            AppSetupError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<PushRefused> for ApiError {
    fn from(error: PushRefused) -> Self {
        match error {
            PushRefused::TooMany => Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", error),
            PushRefused::Short(_) => Self::full(error),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unknown => Self { message: error.to_string(), ..Self::not_found("source") },
            SourceError::Object(error) => error.into(),
            SourceError::Short(_) => Self::full(error),
            SourceError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<SlugDoorError> for ApiError {
    fn from(error: SlugDoorError) -> Self {
        match error {
            SlugDoorError::NoSuchSlug => Self::not_found("slug"),
            SlugDoorError::Expired => Self { message: error.to_string(), ..Self::not_found("slug") },
            SlugDoorError::NoCommand(_)
            | SlugDoorError::BadChecksum
            | SlugDoorError::OtherChecksum { .. }
            | SlugDoorError::BadType(_)
            | SlugDoorError::Stack(_)
            | SlugDoorError::Archive(_) => Self::invalid_params(error),
            SlugDoorError::Object(error) => error.into(),
            SlugDoorError::Short(_) | SlugDoorError::DiskFull => Self::full(error),
            SlugDoorError::Gone => Self::conflict(error),
            SlugDoorError::Slug(_) | SlugDoorError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<ObjectError> for ApiError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing => Self { message: error.to_string(), ..Self::not_found("blob") },
            ObjectError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", error),
            ObjectError::BrokeOff(_) => Self::bad_request(error),
            ObjectError::Failed(_) => Self::internal(&error),
        }
    }
}
