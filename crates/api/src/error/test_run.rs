//! What could not be done with test runs, as HTTP.

use super::ApiError;
use control::test_gate::TestGateError;
use control::test_run::TestRunError;

impl From<TestRunError> for ApiError {
    fn from(error: TestRunError) -> Self {
        match error {
            TestRunError::NoSuchRun => Self::not_found("test_run"),
            TestRunError::NoSource
            | TestRunError::BadUrl(_)
            | TestRunError::BadCommit(_)
            | TestRunError::BadStatus(_)
            | TestRunError::NoDebug => Self::invalid_params(error),
            TestRunError::Over { .. } | TestRunError::Busy(_) => Self::conflict(error),
            TestRunError::Short(_) => Self::full(error),
            TestRunError::Gate(error) => error.into(),
            TestRunError::Output(_) | TestRunError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<TestGateError> for ApiError {
    fn from(error: TestGateError) -> Self {
        match error {
            TestGateError::TimeLimit(_) => Self::invalid_params(error),
            TestGateError::Store(_) => Self::internal(&error),
        }
    }
}
