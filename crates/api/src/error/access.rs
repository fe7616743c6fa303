//! What could not be done with accounts, tokens, teams and people, as HTTP.

use super::ApiError;
use axum::http::StatusCode;
use control::account::AccountError;
use control::authorization::AuthorizationError;
use control::collaborator::CollaboratorError;
use control::favorite::FavoriteError;
use control::gate::GateError;
use control::password_reset::PasswordResetError;
use control::second_factor::SecondFactorError;
use control::ssh_key::SshKeyError;
use control::team::TeamError;
use control::transfer::TransferError;

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::WrongToken | AccountError::WrongPassword => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthorized", error)
            }
            // Clients read the id, ask for a code and send it in a header (API-14).
            AccountError::TwoFactor => Self::new(StatusCode::FORBIDDEN, "two_factor", error),
            AccountError::WrongCode => Self::new(StatusCode::FORBIDDEN, "invalid_two_factor_code", error),
            AccountError::TooManyTries => Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", error),
            AccountError::NoSuchAccount => Self { message: error.to_string(), ..Self::not_found("user") },
            AccountError::TwoFactorOn
            | AccountError::TwoFactorOff
            | AccountError::EmailTaken(_)
            | AccountError::BadEmail(_)
            | AccountError::BadName
            | AccountError::BadPassword
            | AccountError::InUse(_)
            | AccountError::LastOperator => Self::invalid_params(error),
            AccountError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<SecondFactorError> for ApiError {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Wanted(ref app) => {
                Self { app: Some(app.clone()), ..Self::new(StatusCode::FORBIDDEN, "two_factor", &error) }
            }
            SecondFactorError::Off(_) => Self::forbidden(error),
            SecondFactorError::Code(error) => error.into(),
            SecondFactorError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<PasswordResetError> for ApiError {
    fn from(error: PasswordResetError) -> Self {
        match error {
            PasswordResetError::NoSuchReset => Self { message: error.to_string(), ..Self::not_found("password_reset") },
            PasswordResetError::NoMail | PasswordResetError::BadEmail(_) | PasswordResetError::Differ => {
                Self::invalid_params(error)
            }
            PasswordResetError::Account(error) => error.into(),
            PasswordResetError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<AuthorizationError> for ApiError {
    fn from(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::NoSuchAuthorization => Self::not_found("authorization"),
            AuthorizationError::NoSuchSession => Self::not_found("session"),
            AuthorizationError::NoSuchClient => Self { message: error.to_string(), ..Self::not_found("oauth_client") },
            AuthorizationError::TooMuch => Self::forbidden(error),
            AuthorizationError::WrongGrant => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", error),
            AuthorizationError::Scope(_)
            | AuthorizationError::NoScope
            | AuthorizationError::BadDescription
            | AuthorizationError::BadLife
            | AuthorizationError::TooMany
            | AuthorizationError::TooManyClients
            | AuthorizationError::BadClientName
            | AuthorizationError::BadRedirect => Self::invalid_params(error),
            AuthorizationError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<GateError> for ApiError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::NoSuchApp => Self::not_found("app"),
            GateError::NoSuchTeam => Self::not_found("team"),
            GateError::NoSuchPipeline => Self::not_found("pipeline"),
            GateError::Ambiguous { .. } => Self::invalid_params(error),
            GateError::Forbidden { .. }
            | GateError::PipelineForbidden { .. }
            | GateError::NotAdmin(_)
            | GateError::NotOperator => Self::forbidden(error),
            GateError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<FavoriteError> for ApiError {
    fn from(error: FavoriteError) -> Self {
        match error {
            FavoriteError::NoSuchFavorite => Self::not_found("favorite"),
            FavoriteError::Already(_) | FavoriteError::TooMany => Self::invalid_params(error),
            FavoriteError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<SshKeyError> for ApiError {
    fn from(error: SshKeyError) -> Self {
        match error {
            SshKeyError::NoSuchKey => Self::not_found("key"),
            SshKeyError::Bad(_) | SshKeyError::Taken(_) | SshKeyError::TooMany => Self::invalid_params(error),
            SshKeyError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<CollaboratorError> for ApiError {
    fn from(error: CollaboratorError) -> Self {
        match error {
            CollaboratorError::NoSuchUser => Self { message: error.to_string(), ..Self::not_found("user") },
            CollaboratorError::NoSuchCollaborator => Self::not_found("collaborator"),
            CollaboratorError::Already(_)
            | CollaboratorError::Owner(_)
            | CollaboratorError::Permission(_)
            | CollaboratorError::NoPermission
            | CollaboratorError::Personal(_)
            | CollaboratorError::TooMany => Self::invalid_params(error),
            CollaboratorError::Gate(error) => error.into(),
            CollaboratorError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<TeamError> for ApiError {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::NoSuchUser => Self { message: error.to_string(), ..Self::not_found("user") },
            TeamError::NoSuchMember => Self::not_found("member"),
            TeamError::NoSuchInvitation => Self { message: error.to_string(), ..Self::not_found("invitation") },
            TeamError::BadName(_)
            | TeamError::NameTaken(_)
            | TeamError::HasApps(_)
            | TeamError::TooMany
            | TeamError::TooManyMembers
            | TeamError::Already(_)
            | TeamError::LastAdmin(_)
            | TeamError::Role(_)
            | TeamError::Email(_) => Self::invalid_params(error),
            TeamError::Gate(error) => error.into(),
            TeamError::App(error) => error.into(),
            TeamError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<TransferError> for ApiError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::NoSuchTransfer => Self::not_found("app_transfer"),
            TransferError::NoSuchRecipient => Self { message: error.to_string(), ..Self::not_found("user") },
            TransferError::NotRecipient(_) => Self::forbidden(error),
            TransferError::Already(_)
            | TransferError::Pending
            | TransferError::Answered
            | TransferError::State(_)
            | TransferError::OfTeam => Self::invalid_params(error),
            TransferError::Gate(error) => error.into(),
            TransferError::App(error) => error.into(),
            TransferError::Store(_) => Self::internal(&error),
        }
    }
}
