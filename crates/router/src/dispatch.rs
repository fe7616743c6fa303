//! From an app to a dyno's answer: hold, choose, connect, send, and what to do when that fails (section 9.2).

use crate::body::RequestBody;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::forward;
use crate::pool::{Backend, Line, Seat};
use crate::table::{Held, Meets};
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use std::rc::Rc;
use tokio::time::{Instant, timeout_at};

/// ROUTE-12
const ATTEMPT_LIMIT: usize = 10;

/// A dyno's answer, and the connection that it came on.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) line: Line,
}

/// The answer of one of the app's dynos to `request`.
pub(crate) async fn dispatch(exchange: &mut Exchange, mut request: Request<RequestBody>) -> Result<Answered, Failure> {
    let mut search = Search::default();
    loop {
        let line = search.line(exchange).await?;
        match send(exchange, line, request).await {
            Ok(answered) => return Ok(answered),
            Err(Unanswered::Failed(failure)) => return Err(failure),
            Err(Unanswered::Repeat(unsent)) if search.attempts < ATTEMPT_LIMIT => request = *unsent,
            Err(Unanswered::Repeat(_)) => return Err(Failure::ClosedWithoutResponse),
        }
        search.fresh_only = true;
    }
}

/// The search for a dyno that can be connected to.
#[derive(Default)]
struct Search {
    tried: Vec<Rc<Backend>>,
    attempts: usize,
    last: Option<Failure>,
    looked_twice: bool,
    /// A kept connection failed: take a new one.
    fresh_only: bool,
}

impl Search {
    /// An open connection to a dyno of the app, chosen at random (ROUTE-10).
    async fn line(&mut self, exchange: &mut Exchange) -> Result<Line, Failure> {
        loop {
            let backends = self.backends(exchange).await?;
            let Some(backend) = self.choose(&backends, exchange) else {
                self.look_again(exchange, backends.len()).await?;
                continue;
            };
            exchange.sit_down(Seat::take(&backend));
            if let Some(line) = self.connect(exchange, &backend).await {
                return Ok(line);
            }
            self.tried.push(backend);
        }
    }

    async fn connect(&mut self, exchange: &mut Exchange, backend: &Backend) -> Option<Line> {
        let worker = Rc::clone(&exchange.worker);
        let began = Instant::now();
        if !self.fresh_only
            && let Some(line) = backend.kept_line(began, &worker.limits)
        {
            exchange.connected(began.duration_since(began), began);
            return Some(line);
        }
        self.attempts += 1;
        let line = backend.connect(&worker.limits).await;
        let now = Instant::now();
        match line {
            Ok(line) => {
                exchange.connected(now.duration_since(began), now);
                Some(line)
            }
            Err(failure) => {
                self.last = Some(failure);
                exchange.not_connected(now.duration_since(began));
                backend.quarantine(now + worker.limits.quarantine);
                None
            }
        }
    }

    /// The app's dynos; waits while they start (ROUTE-15).
    async fn backends(&self, exchange: &Exchange) -> Result<Rc<[Rc<Backend>]>, Failure> {
        let app = Rc::clone(&exchange.app);
        let limits = &exchange.worker.limits;
        let mut held = None;
        loop {
            let changed = app.changed();
            match app.meets() {
                Meets::Up(backends) => return Ok(backends),
                Meets::NoWeb | Meets::Gone => return Err(Failure::NoWebProcesses),
                Meets::Crashed => return Err(Failure::AppCrashed),
                Meets::Maintenance => return Err(Failure::Maintenance),
                Meets::Blank => return Err(Failure::BlankApp),
                Meets::Starting => {}
            }
            if held.is_none() {
                held = Some(Held::take(&app, limits.held_per_app).ok_or(Failure::BacklogTooDeep)?);
            }
            let until = exchange.started() + limits.held;
            timeout_at(until, changed).await.map_err(|_| Failure::BootTimeout)?;
        }
    }

    /// One that was not tried yet; those in quarantine only when there is no other and none was tried.
    fn choose(&self, backends: &[Rc<Backend>], exchange: &Exchange) -> Option<Rc<Backend>> {
        let chance = &exchange.worker.chance;
        // The usual case without a look at each: the first draw will do.
        let drawn = backends.get(chance.below(backends.len()))?;
        let now = Instant::now();
        let untried = |backend: &Rc<Backend>| !self.tried.iter().any(|tried| Rc::ptr_eq(tried, backend));
        if untried(drawn) && !drawn.is_quarantined(now) {
            return Some(Rc::clone(drawn));
        }
        let open = |backend: &&Rc<Backend>| untried(backend) && !backend.is_quarantined(now);
        let good: Vec<&Rc<Backend>> = backends.iter().filter(open).collect();
        match good.get(chance.below(good.len())) {
            Some(backend) => Some(Rc::clone(backend)),
            None if self.tried.is_empty() => Some(Rc::clone(drawn)),
            None => None,
        }
    }

    /// Nobody could be reached. The control plane may be about to say so: wait for its news once, then give up.
    async fn look_again(&mut self, exchange: &Exchange, dynos: usize) -> Result<(), Failure> {
        let failure = match self.last {
            Some(_) if dynos > 1 && self.tried.len() < dynos => Failure::AllQuarantined,
            Some(failure) => failure,
            None => Failure::ConnectRefused,
        };
        if self.looked_twice || self.attempts >= ATTEMPT_LIMIT {
            return Err(failure);
        }
        let news = exchange.app.changed();
        let limits = &exchange.worker.limits;
        let changed = tokio::time::timeout(limits.second_look, news).await.is_ok();
        self.looked_twice = !changed;
        self.tried.clear();
        Ok(())
    }
}

/// Why there is no answer.
enum Unanswered {
    /// And there will be none.
    Failed(Failure),
    /// The dyno had closed the connection: this copy of the request may go out on another one.
    Repeat(Box<Request<RequestBody>>),
}

async fn send(exchange: &Exchange, mut line: Line, request: Request<RequestBody>) -> Result<Answered, Unanswered> {
    let watch = exchange.watch();
    let spare = spare(&request, &line);
    let sent = watch.limited(line.sender.try_send_request(request)).await;
    let mut error = match sent {
        Ok(Ok(response)) => return Ok(Answered { response, line }),
        Ok(Err(error)) => error,
        Err(failure) => return Err(Unanswered::Failed(failure)),
    };
    if let Some(unsent) = error.take_message() {
        return Err(Unanswered::Repeat(Box::new(unsent)));
    }
    let error = error.into_error();
    match spare {
        Some(spare) if is_closed(&error) => Err(Unanswered::Repeat(Box::new(spare))),
        Some(_) | None => Err(Unanswered::Failed(watch.broken_body().unwrap_or_else(|| unanswered(&error)))),
    }
}

/// A copy to send again if the dyno closes a kept connection just when it is used. Only what may be done twice
/// and has no body; only where it can happen, because the copy costs.
fn spare(request: &Request<RequestBody>, line: &Line) -> Option<Request<RequestBody>> {
    let wanted = line.is_doubtful(Instant::now()) && request.body().is_end_stream();
    (wanted && forward::is_repeatable(request.method())).then(|| {
        let mut spare = Request::new(RequestBody::None);
        request.method().clone_into(spare.method_mut());
        request.uri().clone_into(spare.uri_mut());
        request.headers().clone_into(spare.headers_mut());
        spare
    })
}

fn is_closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || is_broken_pipe(error)
}

fn is_broken_pipe(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionReset))
}

fn unanswered(error: &hyper::Error) -> Failure {
    if error.is_parse_too_large() {
        Failure::ResponseRestriction("HTTP restriction: oversized header")
    } else if error.is_parse() && error.to_string().contains("content-length") {
        Failure::ResponseRestriction("HTTP restriction: invalid content length")
    } else if error.is_parse() {
        Failure::PoorlyFormattedResponse
    } else {
        Failure::ClosedWithoutResponse
    }
}
