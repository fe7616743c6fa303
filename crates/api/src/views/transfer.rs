//! Offers of apps as clients see them.

use crate::views::app::NameOrObject;
use crate::views::{AppRef, UserRef};
use control::transfer::TransferDetail;
use model::id::AppTransferId;
use serde::{Deserialize, Serialize};

/// An offer.
#[derive(Debug, Clone, Serialize)]
pub struct TransferView {
    id: AppTransferId,
    app: AppRef,
    owner: UserRef,
    recipient: UserRef,
    state: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<&TransferDetail> for TransferView {
    fn from(detail: &TransferDetail) -> Self {
        Self {
            id: detail.transfer.id,
            app: (&detail.app).into(),
            owner: (&detail.owner).into(),
            recipient: (&detail.recipient).into(),
            state: detail.transfer.state.word(),
            created_at: detail.transfer.created_at.rfc3339(),
            updated_at: detail.transfer.updated_at.rfc3339(),
        }
    }
}

/// Body of `POST /account/app-transfers`.
#[derive(Debug, Deserialize)]
pub struct CreateTransfer {
    /// Which app.
    pub app: NameOrObject,
    /// To whom.
    pub recipient: NameOrObject,
}

/// Body of `PATCH /account/app-transfers/{transfer}`.
#[derive(Debug, Deserialize)]
pub struct AnswerTransfer {
    /// `accepted` or `declined`.
    pub state: String,
}
