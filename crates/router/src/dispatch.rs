//! From an app to a dyno's answer: hold, choose, connect, send, and what to do when that fails (section 9.2).

use crate::affinity::Affinity;
use crate::client::{Client, Stream};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::line::{Line, NoAnswer, Reader};
use crate::pool::{Backend, Seat};
use crate::response::Answer;
use crate::table::{Held, Meets};
use crate::upload::{Upload, Uploaded};
use crate::wanted::Wanted;
use crate::worker::Worker;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::{Instant, timeout_at};

/// ROUTE-12
const ATTEMPT_LIMIT: usize = 10;

/// A dyno's answer, and the connection that it came on.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    pub(crate) line: Line,
}

/// The answer of one of the app's dynos.
pub(crate) async fn dispatch<S: Stream>(
    exchange: &mut Exchange,
    client: &mut Client<S>,
    upload: &mut Upload,
) -> Result<Answered, Failure> {
    let worker = Rc::clone(&exchange.worker);
    if exchange.app.counts.open() > worker.limits.open_per_app {
        return Err(Failure::ConnectionLimit);
    }
    let mut search = Search::default();
    loop {
        let line = while_there(client, &worker, search.line(exchange)).await?;
        match send(exchange, client, upload, line).await {
            Ok(answered) => return Ok(answered),
            Err(Unanswered::Failed(failure)) => return Err(failure),
            Err(Unanswered::Repeat) => {
                search.fresh_only = true;
                upload.start_again();
            }
        }
    }
}

/// `work`, unless the client leaves before it is done.
async fn while_there<S: Stream, T>(
    client: &mut Client<S>,
    worker: &Worker,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Pending => client.poll_gone(cx, &worker.buffers).map(|()| Err(Failure::ClientInterrupted)),
        done => done,
    })
    .await
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

async fn send<S: Stream>(
    exchange: &Exchange,
    client: &mut Client<S>,
    upload: &mut Upload,
    mut line: Line,
) -> Result<Answered, Unanswered> {
    let worker = &exchange.worker;
    let reader = Reader { buffers: &worker.buffers, date: &worker.date, world: &*worker.world, asked: exchange.asked };
    let bodyless = upload.is_bodyless();
    let answer = std::future::poll_fn(|cx| poll_answer(cx, exchange, client, upload, &mut line, &reader)).await;
    match answer {
        Ok(answer) => Ok(Answered { answer, line }),
        // The head did not get out whole, so no app can have acted on it.
        Err(NotAnswered::NoHead) => Err(again_or(line.is_reused(), Failure::ClosedWithoutResponse)),
        // Only what may be done twice, and only because the dyno may have closed before it saw the request. A body
        // can be sent only once.
        Err(NotAnswered::Line(NoAnswer::Closed)) => {
            let again = line.is_reused() && exchange.head.repeatable && bodyless;
            Err(again_or(again, Failure::ClosedWithoutResponse))
        }
        Err(NotAnswered::Line(NoAnswer::Bad(failure)) | NotAnswered::Failed(failure)) => {
            Err(Unanswered::Failed(failure))
        }
    }
}

fn again_or(again: bool, failure: Failure) -> Unanswered {
    if again { Unanswered::Repeat } else { Unanswered::Failed(failure) }
}

/// What came instead of an answer.
enum NotAnswered {
    NoHead,
    Line(NoAnswer),
    Failed(Failure),
}

/// The request goes out while the response is waited for: an app may answer before it has all of it.
fn poll_answer<S: Stream>(
    cx: &mut Context<'_>,
    exchange: &Exchange,
    client: &mut Client<S>,
    upload: &mut Upload,
    line: &mut Line,
    reader: &Reader<'_>,
) -> Poll<Result<Answer, NotAnswered>> {
    let watch = exchange.watch();
    if !upload.is_over() {
        let around = (&**watch, reader.buffers, false);
        match upload.poll(cx, client, line, exchange.head.bytes(), around) {
            Poll::Ready(Uploaded::NoHead) => return Poll::Ready(Err(NotAnswered::NoHead)),
            Poll::Ready(Uploaded::Broken(failure)) => return Poll::Ready(Err(NotAnswered::Failed(failure))),
            Poll::Ready(Uploaded::All | Uploaded::NotTaken) | Poll::Pending => {}
        }
    }
    if let Poll::Ready(answer) = line.poll_answer(cx, reader) {
        return Poll::Ready(answer.map_err(NotAnswered::Line));
    }
    if let Some(failure) = watch.expired() {
        return Poll::Ready(Err(NotAnswered::Failed(failure)));
    }
    if upload.is_over() && client.poll_gone(cx, reader.buffers).is_ready() {
        return Poll::Ready(Err(NotAnswered::Failed(Failure::ClientInterrupted)));
    }
    Poll::Pending
}
