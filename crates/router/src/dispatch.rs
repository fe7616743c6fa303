//! From an app to a dyno's answer: hold, choose, connect, send, and what to do when that fails (section 9.2).

use crate::affinity::Affinity;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::line::{Line, NoAnswer};
use crate::pool::{Backend, Seat};
use crate::response::Answer;
use crate::table::{Held, Meets};
use crate::upload::{Uploading, upload};
use crate::wanted::Wanted;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use std::rc::Rc;
use tokio::time::{Instant, timeout_at};

/// ROUTE-12
const ATTEMPT_LIMIT: usize = 10;

/// A dyno's answer, and the connection that it came on.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    pub(crate) line: Line,
}

/// What is left of the request beside its head.
pub(crate) struct Rest {
    pub(crate) body: Option<Incoming>,
    /// Empty; its room is used again for the response.
    pub(crate) headers: HeaderMap,
}

/// The answer of one of the app's dynos.
pub(crate) async fn dispatch(exchange: &mut Exchange, mut rest: Rest) -> Result<Answered, Failure> {
    if exchange.app.counts.open() > exchange.worker.limits.open_per_app {
        return Err(Failure::ConnectionLimit);
    }
    let mut search = Search::default();
    loop {
        let line = search.line(exchange).await?;
        match send(exchange, line, &mut rest).await {
            Ok(answered) => return Ok(answered),
            Err(Unanswered::Failed(failure)) => return Err(failure),
            Err(Unanswered::Repeat) => search.fresh_only = true,
        }
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
            && let Some(line) = backend.kept_line(began, &worker.limits, exchange.head.repeatable)
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
            let asleep = match app.meets() {
                Meets::Up(backends) => return Ok(backends),
                Meets::Gone => return Err(Failure::AppGone),
                Meets::NoWeb => return Err(Failure::NoWebProcesses),
                Meets::Crashed => return Err(Failure::AppCrashed),
                Meets::Maintenance => return Err(Failure::Maintenance),
                Meets::Blank => return Err(Failure::BlankApp),
                Meets::Starting => false,
                Meets::Asleep => true,
            };
            if held.is_none() {
                held = Some(Held::take(&app, limits.held_per_app).ok_or(Failure::BacklogTooDeep)?);
            }
            let _wish = asleep.then(|| Wanted::wish(&exchange.worker.wanted, app.id));
            let until = exchange.started() + limits.held;
            timeout_at(until, changed).await.map_err(|_| Failure::BootTimeout)?;
        }
    }

    /// One that was not tried yet; those in quarantine only when there is no other and none was tried.
    fn choose(&self, backends: &[Rc<Backend>], exchange: &Exchange) -> Option<Rc<Backend>> {
        let chance = &exchange.worker.chance;
        if let Affinity::To(tag) = exchange.affinity
            && let Some(backend) = backends.iter().find(|backend| exchange.worker.affinity.tag(backend.dyno) == tag)
            && !self.tried.iter().any(|tried| Rc::ptr_eq(tried, backend))
            && !backend.is_quarantined(Instant::now())
        {
            return Some(Rc::clone(backend));
        }
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
    /// The dyno had closed a kept connection: the request may go out again on a new one.
    Repeat,
}

async fn send(exchange: &Exchange, mut line: Line, rest: &mut Rest) -> Result<Answered, Unanswered> {
    let (watch, head) = (exchange.watch(), &exchange.head);
    let written = watch.limited(line.send(head.bytes())).await.map_err(Unanswered::Failed)?;
    if written.is_err() {
        // The head did not get out whole, so no app can have acted on it.
        return Err(again_or(line.is_reused(), Failure::ClosedWithoutResponse));
    }
    if let Some(body) = rest.body.take() {
        return send_body(exchange, line, body, &mut rest.headers).await;
    }
    let answer = line.answer(&mut rest.headers, head.bodyless);
    match watch.limited(answer).await.map_err(Unanswered::Failed)? {
        Ok(answer) => Ok(Answered { answer, line }),
        // Only what may be done twice, and only because the dyno may have closed before it saw the request.
        Err(NoAnswer::Closed) => Err(again_or(line.is_reused() && head.repeatable, Failure::ClosedWithoutResponse)),
        Err(NoAnswer::Bad(failure)) => Err(Unanswered::Failed(failure)),
    }
}

fn again_or(again: bool, failure: Failure) -> Unanswered {
    if again { Unanswered::Repeat } else { Unanswered::Failed(failure) }
}

/// A body can be sent only once, so there is no second attempt.
async fn send_body(
    exchange: &Exchange,
    mut line: Line,
    body: Incoming,
    headers: &mut HeaderMap,
) -> Result<Answered, Unanswered> {
    let (watch, head) = (exchange.watch(), &exchange.head);
    let closed = Unanswered::Failed(Failure::ClosedWithoutResponse);
    let Some(to) = line.lend_writer() else { return Err(closed) };
    let mut uploading: Option<Uploading> = Some(Box::pin(upload(body, to, head.chunked, Rc::clone(watch))));
    let answer = watch.limited(line.answer_to_body(headers, head.bodyless, &mut uploading)).await;
    let answer = answer.map_err(Unanswered::Failed)?;
    if let (Some(rest), Ok(_)) = (uploading, &answer) {
        // Answered before all of it was there: the rest still goes out, but the connection is not kept.
        tokio::task::spawn_local(rest);
    }
    match answer {
        Ok(answer) => Ok(Answered { answer, line }),
        Err(NoAnswer::Closed) => Err(closed),
        Err(NoAnswer::Bad(failure)) => Err(Unanswered::Failed(failure)),
    }
}
