//! From a client's request to its response.

use crate::body::Reply;
use crate::dispatch::{Answered, Rest, dispatch};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::response::Answer;
use crate::watch::Watch;
use crate::worker::Worker;
use crate::{affinity, head, host, page, tunnel};
use hyper::body::{Body, Incoming};
use hyper::header::SET_COOKIE;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::rc::Rc;

/// Who asks, on which connection.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) watch: Rc<Watch>,
    /// Its address, as `X-Forwarded-For` says it.
    pub(crate) ip: Vec<u8>,
}

/// The response to a client's request; there always is one.
pub(crate) async fn answer(client: Rc<Client>, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let worker = &client.worker;
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Ok(page::refused(StatusCode::METHOD_NOT_ALLOWED));
    }
    let found = match host::with_host(&parts, |host| worker.table.find(host)) {
        Ok(Some(found)) => found,
        Ok(None) => {
            worker.count_nobodys();
            return Ok(page::no_such_app());
        }
        Err(host::NoHost) => {
            worker.count_nobodys();
            return Ok(page::refused(StatusCode::BAD_REQUEST));
        }
    };
    let received_at = worker.world.now();
    let (head, verdict) = head::write(&parts, worker, &client.ip, received_at);
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| head.upgrade);
    let mut exchange = Exchange::open(worker, &client.watch, found, head, received_at);
    if exchange.app.has_affinity() {
        exchange.affinity = affinity::wished(&parts.headers);
    }
    parts.headers.clear();
    let rest = Rest { body: (!body.is_end_stream()).then_some(body), headers: parts.headers };
    let answered = match verdict {
        Ok(()) => dispatch(&mut exchange, rest).await,
        Err(failure) => Err(failure),
    };
    let mut response = match answered {
        Ok(answered) => pass_back(exchange, answered, upgrade),
        Err(failure) => fail(exchange, failure),
    };
    if worker.is_leaving() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        page::end_after(&mut response);
    }
    Ok(response)
}

fn fail(mut exchange: Exchange, failure: Failure) -> Response<Reply> {
    exchange.fail(failure);
    page::failed(failure, exchange.app.page(failure))
}

fn pass_back(mut exchange: Exchange, answered: Answered, upgrade: Option<OnUpgrade>) -> Response<Reply> {
    let Answered { mut answer, line } = answered;
    if let Some(cookie) = exchange.new_cookie() {
        answer.response.headers_mut().append(SET_COOKIE, cookie);
    }
    let status = answer.response.status();
    exchange.answered(status, answer.head_bytes);
    match (status, upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(client)) => {
            tunnel::open(exchange, client, line);
            answer.response.map(|()| Reply::empty())
        }
        // Nobody asked for another protocol.
        (StatusCode::SWITCHING_PROTOCOLS, None) => fail(exchange, Failure::PoorlyFormattedResponse),
        (_, _) => {
            let Answer { response, framing, keep_alive, .. } = answer;
            response.map(|()| Reply::from_dyno(exchange, line, framing, keep_alive))
        }
    }
}
