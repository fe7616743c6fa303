//! What could not be done with pipelines, as HTTP.

use super::ApiError;
use control::pipeline::PipelineError;
use control::pipeline_coupling::CouplingError;
use control::pipeline_transfer::PipelineTransferError;
use control::promotion::PromotionError;

impl From<PipelineError> for ApiError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::BadName(_)
            | PipelineError::TooMany
            | PipelineError::OtherOwner
            | PipelineError::OwnerType
            | PipelineError::OwnerId
            | PipelineError::Stage(_)
            | PipelineError::NoConfigVars(_)
            | PipelineError::Config(_) => Self::invalid_params(error),
            PipelineError::Gone => Self::not_found("pipeline"),
            PipelineError::Gate(error) => error.into(),
            PipelineError::Release(error) => error.into(),
            PipelineError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<CouplingError> for ApiError {
    fn from(error: CouplingError) -> Self {
        match error {
            CouplingError::Uncoupled(_) => Self { message: error.to_string(), ..Self::not_found("pipeline_coupling") },
            CouplingError::NoSuchCoupling => Self::not_found("pipeline_coupling"),
            CouplingError::Already { .. } | CouplingError::TooMany | CouplingError::Stage(_) => {
                Self::invalid_params(error)
            }
            CouplingError::Gate(error) => error.into(),
            CouplingError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<PipelineTransferError> for ApiError {
    fn from(error: PipelineTransferError) -> Self {
        match error {
            PipelineTransferError::NoSuchOwner => Self { message: error.to_string(), ..Self::not_found("owner") },
            PipelineTransferError::OwnerType | PipelineTransferError::Stranger { .. } => Self::invalid_params(error),
            PipelineTransferError::Gone => Self::not_found("pipeline"),
            PipelineTransferError::Gate(error) => error.into(),
            PipelineTransferError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<PromotionError> for ApiError {
    fn from(error: PromotionError) -> Self {
        match error {
            PromotionError::NoSuchPromotion => Self::not_found("promotion"),
            PromotionError::ToItself(_)
            | PromotionError::NoTargets
            | PromotionError::TooManyTargets
            | PromotionError::Outside { .. }
            | PromotionError::NoCode(_)
            | PromotionError::NotPassed { .. }
            | PromotionError::Expired { .. } => Self::invalid_params(error),
            PromotionError::Busy { .. } => Self::conflict(error),
            PromotionError::Release(error) => error.into(),
            PromotionError::Gate(error) => error.into(),
            PromotionError::Store(_) => Self::internal(&error),
        }
    }
}
