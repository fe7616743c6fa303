//! From a client's request to its response.

use crate::body::{Reply, RequestBody};
use crate::dispatch::{Answered, dispatch};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::log_line::Asked;
use crate::watch::Watch;
use crate::worker::Worker;
use crate::{forward, host, page, tunnel};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::rc::Rc;

/// Who asks, on which connection.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) watch: Rc<Watch>,
    /// Its address, as `X-Forwarded-For` says it.
    pub(crate) ip: HeaderValue,
}

/// The response to a client's request; there always is one.
pub(crate) async fn answer(client: Rc<Client>, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let worker = &client.worker;
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Ok(page::refused(StatusCode::METHOD_NOT_ALLOWED));
    }
    let (name, app) = match host::with_host(&parts, |host| worker.table.find(host)) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(page::no_such_app()),
        Err(host::NoHost) => return Ok(page::refused(StatusCode::BAD_REQUEST)),
    };
    let received_at = worker.world.now();
    let mut exchange = Exchange::open(worker, &client.watch, app, received_at);
    let (passed, verdict) = forward::request(&mut parts, worker, &client.ip, received_at);
    if worker.lines.is_some() {
        exchange.ask(Asked {
            method: parts.method.clone(),
            target: parts.uri.path_and_query().cloned(),
            host: name,
            request_id: passed.request_id,
            forwarded_for: passed.forwarded_for,
        });
    }
    let body = RequestBody::new(body, &client.watch);
    exchange.uploads(body.passed());
    let mut request = Request::from_parts(parts, body);
    let upgrade = passed.upgrade.then(|| hyper::upgrade::on(&mut request));
    let answered = match verdict {
        Ok(()) => dispatch(&mut exchange, request).await,
        Err(failure) => Err(failure),
    };
    Ok(match answered {
        Ok(answered) => pass_back(exchange, answered, upgrade),
        Err(failure) => fail(exchange, failure),
    })
}

fn fail(mut exchange: Exchange, failure: Failure) -> Response<Reply> {
    exchange.fail(failure);
    page::failed(failure)
}

fn pass_back(
    mut exchange: Exchange,
    answered: Answered,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Response<Reply> {
    let Answered { mut response, line } = answered;
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let from_dyno = switched.then(|| hyper::upgrade::on(&mut response));
    let (mut parts, body) = response.into_parts();
    let head_bytes = match forward::response(&mut parts, switched && upgrade.is_some()) {
        Ok(head_bytes) => head_bytes,
        Err(failure) => return fail(exchange, failure),
    };
    exchange.answered(parts.status, head_bytes);
    match (from_dyno, upgrade) {
        (Some(from_dyno), Some(from_client)) => {
            tunnel::open(exchange, from_client, from_dyno);
            Response::from_parts(parts, Reply::empty())
        }
        // Nobody asked for another protocol.
        (Some(_), None) => fail(exchange, Failure::PoorlyFormattedResponse),
        (None, _) => Response::from_parts(parts, Reply::stream(body, exchange, line)),
    }
}
