//! `/apps/{app}/reservations`, which the official command line knows as its own host's `/api/v2`: ways into dynos by SSH; and the
//! tunnel by which SSH comes over the API's own port.

use crate::body::JsonBody;
use crate::door::Door;
use crate::error::ApiError;
use crate::link::Links;
use crate::platform::{By, ForApp};
use crate::settings::SshDoor;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue, UPGRADE};
use axum::response::{IntoResponse, Response};
use control::reservation;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

/// Where clients are told to connect to, at port 80, when nothing listens there: `flowline heroku` leads this name through
/// the tunnel. No name of the world ends like this.
const TUNNEL_HOST: &str = "exec.flowline.internal";

/// The port that the official command line connects to, whatever it is told.
const SSH_PORT: u16 = 80;

/// What a tunnel is asked for with.
const SSH: HeaderValue = HeaderValue::from_static("ssh");

/// Body of `PUT /apps/{app}/reservations/{dyno}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Reserve {
    /// Clients send a key that they have just made. The user name is a secret already, so it is not needed.
    #[serde(rename = "client_key")]
    _client_key: Option<String>,
}

/// How to come in.
#[derive(Debug, Serialize)]
pub(crate) struct ReservedView {
    tunnel_host: String,
    client_user: String,
    /// The server's key, as in a file of known hosts.
    proxy_public_key: String,
    /// Where the dyno's own ports are, seen from inside.
    dyno_ip: &'static str,
}

/// A dyno that somebody could come into.
#[derive(Debug, Serialize)]
pub(crate) struct ReservationView {
    dyno_name: String,
}

/// GET /apps/{app}/reservations - the dynos that can be come into by SSH.
pub(crate) async fn list(State(door): State<Door>, ForApp(app): ForApp) -> Json<Vec<ReservationView>> {
    let dynos = reservation::list(&door.control, &app);
    Json(dynos.iter().map(|dyno| ReservationView { dyno_name: dyno.name.to_string() }).collect())
}

/// PUT /apps/{app}/reservations/{dyno} - a way into a dyno by SSH: for one program or file, or for its ports.
pub(crate) async fn reserve(
    State(door): State<Door>,
    ForApp(app): ForApp,
    Path((_, which)): Path<(String, String)>,
    by: By,
    links: Links,
    JsonBody(Reserve { .. }): JsonBody<Reserve>,
) -> Result<Json<ReservedView>, ApiError> {
    let ssh = ssh_door(&door)?;
    let reserved = reservation::reserve(&door.control, &app, &which, &by.token).await?;
    let direct = ssh.listens.filter(|listens| listens.port() == SSH_PORT);
    Ok(Json(ReservedView {
        tunnel_host: direct.map_or_else(|| TUNNEL_HOST.to_owned(), |listens| links.rendezvous_host(listens)),
        client_user: reserved.client_user,
        proxy_public_key: ssh.host_key.to_string(),
        dyno_ip: "127.0.0.1",
    }))
}

/// GET /ssh - with `Upgrade: ssh`, the SSH door over this connection.
pub(crate) async fn tunnel(State(door): State<Door>, mut request: Request) -> Result<Response, ApiError> {
    let ssh = ssh_door(&door)?;
    if request.headers().get(UPGRADE).is_none_or(|upgrade| !upgrade.as_bytes().eq_ignore_ascii_case(SSH.as_bytes())) {
        let message = "This is the way to the SSH door: ask for it with `Connection: upgrade` and `Upgrade: ssh`.";
        return Err(ApiError::invalid_params(message));
    }
    let full = |_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Too many SSH connections are on their way; try again.",
        )
    };
    let place = ssh.tunnels.clone().try_reserve_owned().map_err(full)?;
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that leaves now needs no door.
        if let Ok(upgraded) = upgrade.await {
            place.send(TokioIo::new(upgraded));
        }
    });
    Ok((StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, HeaderValue::from_static("upgrade")), (UPGRADE, SSH)])
        .into_response())
}

fn ssh_door(door: &Door) -> Result<&SshDoor, ApiError> {
    let none = || ApiError { message: "This server has no SSH door.".to_owned(), ..ApiError::no_such_path() };
    door.ssh.as_ref().ok_or_else(none)
}
