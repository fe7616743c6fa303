//! From a client's request to its response.

use crate::client::{Came, Client, Stream};
use crate::dispatch::{Answered, dispatch};
use crate::download::Download;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::head::line;
use crate::page::{self, Page};
use crate::request::{self, Refused};
use crate::response::{Asked, SWITCHING_PROTOCOLS};
use crate::upload::{Upload, Uploaded};
use crate::watch::{Turn, Watch};
use crate::worker::Worker;
use crate::{affinity, head, host, tunnel};
use bytes::Buf;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Who asks, on which connection.
pub(crate) struct Visitor {
    pub(crate) worker: Rc<Worker>,
    pub(crate) watch: Rc<Watch>,
    /// Its address, as `X-Forwarded-For` says it.
    pub(crate) ip: Vec<u8>,
}

/// What becomes of a connection after a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It takes another request.
    Next,
    /// It ends.
    Close,
    /// It ends when the client had time to read the response.
    Linger,
}

/// A request that was read.
struct Read {
    asked: Asked,
    keep_alive: bool,
    upload: Upload,
    /// Whose it is, and why it is not passed on; or what is answered to a request of nobody's.
    of: Result<(Exchange, Result<(), Failure>), Page>,
}

/// Answers a request; there always is a response, unless the client left.
pub(crate) async fn answer<S: Stream>(visitor: &Visitor, client: &mut Client<S>, came: Came) -> After {
    let (length, complete) = match came {
        Came::Head(length) => (length, true),
        Came::Nonsense | Came::Nothing => (client.buffer.len(), false),
    };
    let Read { asked, keep_alive, mut upload, of } = read(visitor, &client.buffer[..length], complete);
    client.buffer.advance(length);
    let turn = Turning { visitor, asked, keep_alive };
    let after = match of {
        Err(page) => turn.give(client, &upload, &page).await,
        Ok((mut exchange, verdict)) => {
            let answered = match verdict {
                Ok(()) => dispatch(&mut exchange, client, &mut upload).await,
                Err(failure) => Err(failure),
            };
            match answered {
                Ok(answered) if answered.answer.status == SWITCHING_PROTOCOLS => {
                    turn.switch(exchange, client, answered).await
                }
                Ok(answered) => turn.pass_back(exchange, client, &mut upload, answered).await,
                Err(failure) => turn.fail(exchange, client, &upload, failure).await,
            }
        }
    };
    if after == After::Next && !upload.is_taken() {
        let skipped = upload.skip(client, &visitor.watch, &visitor.worker.buffers).await;
        return if skipped { After::Next } else { After::Linger };
    }
    after
}

/// Reads a head. `complete` is false for something that only begins like one.
fn read(visitor: &Visitor, bytes: &[u8], complete: bool) -> Read {
    let Visitor { worker, watch, ip } = visitor;
    let mut request = request::read(bytes, worker.fields.take());
    if !complete {
        request.refused = Some(Refused::Malformed);
    }
    let asked = Asked { bodyless: request.method == b"HEAD", http_1_0: request.http_1_0 };
    let found = host::with_host(request.host, |host| worker.table.find(host));
    let of = match (request.refused, found) {
        (Some(Refused::Method), _) => Err(page::refused(405)),
        (_, Err(host::NoHost)) | (Some(Refused::Malformed), Ok(None)) => Err(page::refused(400)),
        (Some(Refused::Expectation) | None, Ok(None)) => Err(page::no_such_app()),
        (refused, Ok(Some(found))) => {
            let received_at = worker.world.now();
            let head = head::write(&request, worker, ip, received_at);
            let mut exchange = Exchange::open(worker, watch, found, head, received_at);
            exchange.asked = asked;
            if exchange.app.has_affinity() {
                exchange.affinity = affinity::wished(&request);
            }
            let verdict = match refused {
                None => Ok(()),
                Some(Refused::Expectation) => Err(Failure::UnsupportedExpect),
                Some(Refused::Malformed | Refused::Method) => Err(Failure::BadRequest("bad header")),
            };
            Ok((exchange, verdict))
        }
    };
    if of.is_err() {
        worker.count_nobodys();
    }
    let keep_alive = request.keep_alive && request.refused.is_none();
    let upload = Upload::new(request.length, request.expects);
    worker.fields.replace({
        let mut fields = request.fields;
        fields.clear();
        fields
    });
    Read { asked, keep_alive, upload, of }
}

/// The turning point from a request to its response.
struct Turning<'a> {
    visitor: &'a Visitor,
    asked: Asked,
    keep_alive: bool,
}

impl Turning<'_> {
    /// Will the connection take another request?
    fn goes_on(&self, upload: &Upload) -> bool {
        let Visitor { worker, watch, .. } = self.visitor;
        // Who took too long with a body gets no more time for it.
        let body = upload.is_taken() || (upload.can_be_skipped() && watch.expired().is_none());
        self.keep_alive && body && !worker.is_leaving() && !watch.is_closing()
    }

    /// Ends a head: what becomes of the connection, and the empty line.
    fn end_head(&self, head: &mut Vec<u8>, goes_on: bool) {
        if !goes_on {
            line(head, b"connection", b"close");
        } else if self.asked.http_1_0 {
            line(head, b"connection", b"keep-alive");
        }
        head.extend_from_slice(b"\r\n");
    }

    /// Answers with a page of the router's own.
    async fn give<S: Stream>(&self, client: &mut Client<S>, upload: &Upload, page: &Page) -> After {
        let Visitor { worker, watch, .. } = self.visitor;
        let goes_on = self.goes_on(upload) && !page.ends;
        let mut out = worker.buffers.take_written();
        page.write_head(&mut out, self.asked, &worker.date.text(worker.world.now()));
        self.end_head(&mut out, goes_on);
        if !self.asked.bodyless {
            out.extend_from_slice(&page.text);
        }
        watch.pass(Turn::ClientRead, Instant::now());
        let written = client.write_all(&out).await;
        watch.pass(Turn::Idle, Instant::now());
        worker.buffers.give_written(out);
        match written {
            Ok(()) if goes_on => After::Next,
            Ok(()) => After::Linger,
            Err(_) => After::Close,
        }
    }

    async fn fail<S: Stream>(
        &self,
        mut exchange: Exchange,
        client: &mut Client<S>,
        upload: &Upload,
        failure: Failure,
    ) -> After {
        exchange.fail(failure);
        if failure == Failure::ClientInterrupted {
            return After::Close;
        }
        let page = page::failed(failure, exchange.app.page(failure));
        drop(exchange);
        self.give(client, upload, &page).await
    }

    /// The dyno's response.
    async fn pass_back<S: Stream>(
        &self,
        mut exchange: Exchange,
        client: &mut Client<S>,
        upload: &mut Upload,
        Answered { answer, line: dyno }: Answered,
    ) -> After {
        let goes_on = self.goes_on(upload) && !answer.closes;
        let mut head = answer.head;
        if let Some(cookie) = exchange.new_cookie() {
            line(&mut head, b"set-cookie", &cookie);
        }
        self.end_head(&mut head, goes_on);
        exchange.answered(answer.status);
        let form = (answer.framing, answer.keep_alive, self.asked.http_1_0);
        let mut download = Download::new(&exchange.worker, dyno, head, form);
        let sent = std::future::poll_fn(|cx| poll_both(cx, client, upload, &mut download, &mut exchange)).await;
        let (mut dyno, keep_alive) = download.into_line();
        if let Err(failure) = sent {
            // What was sent of the response is no whole one; the client must see that.
            exchange.fail(failure);
            return After::Close;
        }
        if let Some(dyno) = dyno.as_mut().filter(|_| !upload.is_all()) {
            dyno.spoil();
        }
        upload.give_up();
        exchange.succeed(dyno, keep_alive);
        match goes_on {
            true => After::Next,
            false if client.buffer.is_empty() && upload.is_taken() => After::Close,
            false => After::Linger,
        }
    }

    /// The dyno speaks another protocol from now on.
    async fn switch<S: Stream>(&self, mut exchange: Exchange, client: &mut Client<S>, answered: Answered) -> After {
        if !exchange.head.upgrade {
            // Nobody asked for it.
            let upload = Upload::new(request::Length::Bytes(0), false);
            return self.fail(exchange, client, &upload, Failure::PoorlyFormattedResponse).await;
        }
        let mut head = answered.answer.head;
        head.extend_from_slice(b"\r\n");
        exchange.answered(SWITCHING_PROTOCOLS);
        tunnel::run(exchange, client, answered.line, head).await;
        After::Close
    }
}

/// The response goes out, and what is left of the request's body at the same time.
fn poll_both<S: Stream>(
    cx: &mut Context<'_>,
    client: &mut Client<S>,
    upload: &mut Upload,
    download: &mut Download,
    exchange: &mut Exchange,
) -> Poll<Result<(), Failure>> {
    let worker = Rc::clone(&exchange.worker);
    if !upload.is_over() {
        let around = (&**exchange.watch(), &worker.buffers, true);
        match download.line() {
            Some(dyno) => match upload.poll(cx, client, dyno, exchange.head.bytes(), around) {
                Poll::Ready(Uploaded::Broken(failure)) => return Poll::Ready(Err(failure)),
                Poll::Ready(Uploaded::All | Uploaded::NoHead | Uploaded::NotTaken) | Poll::Pending => {}
            },
            None => upload.give_up(),
        }
    }
    match download.poll(cx, client, exchange) {
        Poll::Pending if upload.is_over() => {
            client.poll_gone(cx, &worker.buffers).map(|()| Err(Failure::ClientInterrupted))
        }
        sent => sent,
    }
}
