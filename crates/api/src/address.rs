//! GET /addresses: where this server answers, for clients that know one of its addresses only.

use crate::door::Door;
use crate::link::Links;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// Addresses as this client can reach them.
#[derive(Debug, Serialize)]
pub(crate) struct AddressView {
    /// The API and git, by the address that the client came by.
    api: String,
    /// The same by TLS, with a certificate of the authority of `/ca.pem`.
    tls: Option<String>,
}

/// GET /addresses - no secret: a port scan finds as much.
pub(crate) async fn show(State(door): State<Door>, links: Links) -> Json<AddressView> {
    Json(AddressView { api: links.api().to_owned(), tls: door.tls.map(|listens| links.secure(listens)) })
}
