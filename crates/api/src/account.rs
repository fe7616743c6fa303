//! `/account`: who the token belongs to, and how often they may still call.

use crate::door::Door;
use crate::platform::Caller;
use crate::views::account::AccountView;
use crate::views::rate_limit::RateLimitView;
use axum::Json;
use axum::extract::State;

/// GET /account.
pub(crate) async fn show(Caller(who): Caller) -> Json<AccountView> {
    Json((&who).into())
}

/// GET /account/rate-limits; free of charge (API-9).
pub(crate) async fn rate_limits(Caller(who): Caller, State(door): State<Door>) -> Json<RateLimitView> {
    Json(RateLimitView { remaining: door.limits.left(who.id) })
}
