//! One POST to a drain's server, on a connection that is kept.

use crate::drain::kept::{Kept, NoAnswer, basic};
use crate::drain::stream::Inside;
use crate::drain::trust::Trust;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use model::log_drain::LogDrain;
use std::sync::Arc;

/// Receivers look for the first word.
const AGENT: &str = concat!("Logplex/v100 (flowline ", env!("CARGO_PKG_VERSION"), ")");

/// A batch on its way.
pub(crate) struct Parcel {
    /// The same at every try (LOG-26).
    pub(crate) id: String,
    pub(crate) messages: usize,
    pub(crate) frames: Bytes,
}

/// Sends it once; the status of the answer.
pub(crate) async fn post(
    kept: &mut Kept,
    drain: &LogDrain,
    trust: &Arc<Trust>,
    parcel: &Parcel,
) -> Result<StatusCode, NoAnswer> {
    let request = request(drain, parcel)?;
    Ok(kept.send(&drain.url, Inside::Anything, trust, request).await?.status)
}

/// LOG-25, LOG-26.
fn request(drain: &LogDrain, parcel: &Parcel) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let url = &drain.url;
    let mut request = Request::post(url.target())
        .header(HOST, url.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/logplex-1")
        .header("Logplex-Msg-Count", parcel.messages)
        .header("Logplex-Frame-Id", &parcel.id)
        .header("Logplex-Drain-Token", &drain.token);
    if let Some(basic) = basic(url) {
        request = request.header(AUTHORIZATION, basic);
    }
    request.body(Full::new(parcel.frames.clone()))
}
