//! `/apps/{app}/log-sessions`, and the streams that they open: plain text, or server-sent events when asked (LOG-12).

use crate::answer::Created;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::link::Links;
use crate::output::{self, Chunk};
use crate::platform::ForApp;
use crate::views::log_session::{CreateLogSession, LogSessionView};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use control::Control;
use control::log_session::{self, LogReading, NewLogSession};
use futures_util::stream::{self, Stream, StreamExt};
use model::id::LogSessionId;
use model::log::{LogFilter, LogLine};

/// Lines sent at once when many are there; keeps one write below some 64 KiB for ordinary lines.
const LINES_AT_ONCE: usize = 200;

/// POST /apps/{app}/log-sessions - 201 with an address (LOG-10).
pub(crate) async fn create(
    State(control): State<Control>,
    ForApp(app): ForApp,
    links: Links,
    JsonBody(body): JsonBody<CreateLogSession>,
) -> Created<LogSessionView> {
    let ps = body.dyno.or(body.dyno_name).or(body.process_type).filter(|ps| !ps.is_empty());
    let source = body.source.filter(|source| !source.is_empty());
    let wish =
        NewLogSession { filter: LogFilter { source, ps }, lines: body.lines, tail: body.tail.unwrap_or_default() };
    let session = log_session::create(&control, &app, wish);
    Created(LogSessionView::new(&session, &links))
}

/// GET /streams/logs/{session}/{secret} - whoever holds the address may read (LOG-11).
pub(crate) async fn stream(
    State(control): State<Control>,
    Path((id, secret)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: LogSessionId = id.parse().map_err(|_| ApiError::from(log_session::LogSessionError::Unknown))?;
    let reading = log_session::open(&control, id, &secret).await?;
    Ok(output::respond(&headers, chunks(reading), false))
}

fn chunks(reading: LogReading) -> impl Stream<Item = Chunk> + Send + 'static {
    match reading {
        LogReading::History(lines) => {
            let chunks: Vec<Chunk> = lines.chunks(LINES_AT_ONCE).map(chunk).collect();
            stream::iter(chunks).left_stream()
        }
        LogReading::Tail(tail) => stream::unfold(tail, |mut tail| async move {
            let mut lines = vec![tail.next().await?];
            while lines.len() < LINES_AT_ONCE
                && let Some(line) = tail.next_now()
            {
                lines.push(line);
            }
            Some((chunk(&lines), tail))
        })
        .right_stream(),
    }
}

fn chunk(lines: &[LogLine]) -> Chunk {
    Ok(lines.iter().map(|line| format!("{line}\n")).collect::<String>().into())
}
