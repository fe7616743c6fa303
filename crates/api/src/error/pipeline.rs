//! What could not be done with pipelines, as HTTP.

use super::ApiError;
use axum::http::StatusCode;
use control::build_gate::NotAdmitted;
use control::pipeline::PipelineError;
use control::pipeline_coupling::CouplingError;
use control::pipeline_transfer::PipelineTransferError;
use control::promotion::PromotionError;
use control::stage_gate::StageGateError;
use control::test_override::NotOverridden;

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
            | PromotionError::Override
            | PromotionError::TooManyTargets
            | PromotionError::Outside { .. }
            | PromotionError::NoCode(_)
            | PromotionError::NotPassed { .. }
            | PromotionError::Held { .. }
            | PromotionError::Expired { .. } => Self::invalid_params(error),
            PromotionError::Shut(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "gates_shut", error),
            PromotionError::Busy { .. } => Self::conflict(error),
            PromotionError::Release(error) => error.into(),
            PromotionError::Gate(error) => error.into(),
            PromotionError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<StageGateError> for ApiError {
    fn from(error: StageGateError) -> Self {
        match error {
            StageGateError::NotLocked(_) => Self { message: error.to_string(), ..Self::not_found("lock") },
            StageGateError::NotApproved(_) => Self { message: error.to_string(), ..Self::not_found("approval") },
            StageGateError::OwnWork(_) => Self::forbidden(error),
            StageGateError::Locked(..) => Self::conflict(error),
            StageGateError::Stage(_)
            | StageGateError::Ungated(_)
            | StageGateError::Gates(_)
            | StageGateError::Reason
            | StageGateError::WrongStage { .. }
            | StageGateError::NotInPipeline(_)
            | StageGateError::NothingThere(_)
            | StageGateError::Commit
            | StageGateError::Check
            | StageGateError::CheckState => Self::invalid_params(error),
            StageGateError::Gate(error) => error.into(),
            StageGateError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<NotOverridden> for ApiError {
    fn from(error: NotOverridden) -> Self {
        match error {
            NotOverridden::Reason => Self::invalid_params(error),
            NotOverridden::Gate(error) => error.into(),
        }
    }
}

impl From<NotAdmitted> for ApiError {
    fn from(error: NotAdmitted) -> Self {
        match error {
            NotAdmitted::Shut(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "gates_shut", error),
            NotAdmitted::Untested { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "untested", error),
            NotAdmitted::Override(error) => error.into(),
            NotAdmitted::File(_) | NotAdmitted::NoFile => Self::invalid_params(error),
            NotAdmitted::Unreadable(_) | NotAdmitted::Store(_) => Self::internal(&error),
        }
    }
}
