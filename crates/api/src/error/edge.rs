//! What could not be done with the edge of an app: domains, certificates, drains.

use super::ApiError;
use control::domain::DomainError;
use control::log_drain::LogDrainError;
use control::sni_endpoint::SniEndpointError;
use control::telemetry_drain::TelemetryDrainError;

impl From<DomainError> for ApiError {
    fn from(error: DomainError) -> Self {
        match error {
            DomainError::NoSuchDomain => Self::not_found("domain"),
            DomainError::NoSuchSniEndpoint => Self { message: error.to_string(), ..Self::not_found("sni_endpoint") },
            DomainError::BadHostname(_)
            | DomainError::Reserved(_)
            | DomainError::Already(_)
            | DomainError::Taken(_)
            | DomainError::TooMany
            | DomainError::Own(_) => Self::invalid_params(error),
            DomainError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<LogDrainError> for ApiError {
    fn from(error: LogDrainError) -> Self {
        match error {
            LogDrainError::NoSuchDrain => Self::not_found("log_drain"),
            LogDrainError::BadUrl(_) | LogDrainError::Already | LogDrainError::TooMany => Self::invalid_params(error),
            LogDrainError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<TelemetryDrainError> for ApiError {
    fn from(error: TelemetryDrainError) -> Self {
        match error {
            TelemetryDrainError::NoSuchDrain => Self::not_found("telemetry_drain"),
            TelemetryDrainError::Bad(_) | TelemetryDrainError::TooMany => Self::invalid_params(error),
            TelemetryDrainError::Gate(error) => error.into(),
            TelemetryDrainError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<SniEndpointError> for ApiError {
    fn from(error: SniEndpointError) -> Self {
        match error {
            SniEndpointError::NoSuchEndpoint => Self { message: error.to_string(), ..Self::not_found("sni_endpoint") },
            SniEndpointError::BadChain(_)
            | SniEndpointError::BadKey(_)
            | SniEndpointError::Mismatch
            | SniEndpointError::TooMany => Self::invalid_params(error),
            SniEndpointError::Store(_) => Self::internal(&error),
        }
    }
}
