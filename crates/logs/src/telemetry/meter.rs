//! Figures: how long an app's requests took, since its exporter began, and what its dynos use.

use crate::telemetry::otlp::{
    Histogram, HistogramPoint, KeyValue, Metric, Number, NumberPoint, Points, Sum, Temporality, int, text,
};
use crate::telemetry::record::nanoseconds;
use model::request_line::RequestLine;
use model::sample::Measured;
use model::time::Timestamp;
use std::collections::BTreeMap;

/// In seconds: what the semantic conventions advise for `http.server.request.duration`.
const BOUNDS_S: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Methods, statuses and codes are few; whoever asks with others must not fill the memory.
const SERIES_LIMIT: usize = 200;

/// A connection that became a WebSocket lasts as long as both sides like.
const SWITCHING_PROTOCOLS: u16 = 101;

/// Methods that are told apart (RFC 9110, RFC 5789); others are `_OTHER`, as the semantic conventions want it.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What is counted together. `None`: everything beyond [`SERIES_LIMIT`].
type Series = Option<(&'static str, u16, Option<String>)>;

/// Since when, and how many.
pub(crate) struct Meter {
    since: Timestamp,
    requests: BTreeMap<Series, Counts>,
    changed: bool,
}

#[derive(Default)]
struct Counts {
    buckets: [u64; BOUNDS_S.len() + 1],
    sum_s: f64,
}

impl Meter {
    pub(crate) fn new(since: Timestamp) -> Self {
        Self { since, requests: BTreeMap::new(), changed: false }
    }

    /// Counts a request.
    pub(crate) fn note(&mut self, line: &RequestLine) {
        if line.status == SWITCHING_PROTOCOLS {
            return;
        }
        self.changed = true;
        let method = METHODS.into_iter().find(|method| *method == line.method).unwrap_or("_OTHER");
        let series = Some((method, line.status, line.code.clone()));
        let room = self.requests.len() < SERIES_LIMIT || self.requests.contains_key(&series);
        let counts = self.requests.entry(series.filter(|_| room)).or_default();
        let took_s = line.took().as_secs_f64();
        counts.buckets[BOUNDS_S.partition_point(|bound| *bound < took_s)] += 1;
        counts.sum_s += took_s;
    }

    /// What is to be told now; nothing when nothing has happened.
    pub(crate) fn tell(&mut self, measured: &[Measured], now: Timestamp) -> Vec<Metric> {
        let mut metrics = Vec::new();
        if std::mem::take(&mut self.changed) {
            metrics.push(self.durations(now));
        }
        if !measured.is_empty() {
            metrics.extend(usage(measured, now));
        }
        metrics
    }

    fn durations(&self, now: Timestamp) -> Metric {
        let points = self.requests.iter().map(|(series, counts)| counts.point(series, self.since, now)).collect();
        Metric {
            name: "http.server.request.duration".to_owned(),
            description: "How long dynos took to answer requests".to_owned(),
            unit: "s".to_owned(),
            points: Some(Points::Histogram(Histogram {
                points,
                aggregation_temporality: Temporality::Cumulative.into(),
            })),
        }
    }
}

impl Counts {
    fn point(&self, series: &Series, since: Timestamp, now: Timestamp) -> HistogramPoint {
        HistogramPoint {
            start_time_unix_nano: nanoseconds(since),
            time_unix_nano: nanoseconds(now),
            count: self.buckets.iter().sum(),
            sum: Some(self.sum_s),
            bucket_counts: self.buckets.to_vec(),
            explicit_bounds: BOUNDS_S.to_vec(),
            attributes: attributes(series),
        }
    }
}

fn attributes(series: &Series) -> Vec<KeyValue> {
    let Some((method, status, code)) = series else {
        return vec![text("http.request.method", "_OTHER"), text("otel.metric.overflow", "true")];
    };
    let mut all = vec![text("http.request.method", *method), int("http.response.status_code", i64::from(*status))];
    all.extend(code.as_ref().map(|code| text("error.type", code.as_str())));
    all
}

fn usage(measured: &[Measured], now: Timestamp) -> [Metric; 3] {
    let whole = |count: u64| Number::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let seconds = |us: u64| Number::Double(std::time::Duration::from_micros(us).as_secs_f64());
    let points = |value: &dyn Fn(&Measured) -> Number| {
        let point = |dyno: &Measured| NumberPoint {
            start_time_unix_nano: nanoseconds(dyno.since),
            time_unix_nano: nanoseconds(now),
            value: Some(value(dyno)),
            attributes: vec![text("dyno.name", &*dyno.dyno)],
        };
        measured.iter().map(point).collect::<Vec<_>>()
    };
    let metric = |name: &str, description: &str, unit: &str, is_monotonic, points| Metric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: unit.to_owned(),
        points: Some(Points::Sum(Sum {
            points,
            aggregation_temporality: Temporality::Cumulative.into(),
            is_monotonic,
        })),
    };
    [
        metric(
            "dyno.memory.usage",
            "Memory that counts against the quota",
            "By",
            false,
            points(&|dyno| whole(dyno.memory_bytes)),
        ),
        metric("dyno.memory.quota", "The dyno's memory quota", "By", false, points(&|dyno| whole(dyno.quota_bytes))),
        metric("dyno.cpu.time", "CPU time since the dyno's start", "s", true, points(&|dyno| seconds(dyno.cpu_us))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line(method: &str, status: u16, took_ms: u64) -> RequestLine {
        let service = Some(Duration::from_millis(took_ms));
        RequestLine { method: method.to_owned(), status, service, ..RequestLine::default() }
    }

    fn points(metric: &Metric) -> Vec<HistogramPoint> {
        match metric.points.clone() {
            Some(Points::Histogram(histogram)) => histogram.points,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_told_stays_in_the_sum_and_nothing_new_is_not_told() {
        let mut meter = Meter::new(Timestamp(1_000_000));
        for (method, status, took_ms) in
            [("GET", 200, 5), ("GET", 200, 6), ("GET", 500, 20_000), ("BREW", 200, 1), ("GET", 101, 9)]
        {
            meter.note(&line(method, status, took_ms));
        }
        let told = meter.tell(&[], Timestamp(2_000_000));
        let first = points(&told[0]);
        assert_eq!(first.iter().map(|point| point.count).collect::<Vec<_>>(), [2, 1, 1], "WebSockets are not counted");
        assert_eq!((first[0].bucket_counts[0], first[0].bucket_counts[1]), (1, 1), "a bound is the last of its bucket");
        assert_eq!(first[1].bucket_counts[BOUNDS_S.len()], 1);
        assert!(first[2].attributes.contains(&text("http.request.method", "_OTHER")));
        assert_eq!(meter.tell(&[], Timestamp(3_000_000)), []);
        meter.note(&line("GET", 200, 5));
        let later = points(&meter.tell(&[], Timestamp(4_000_000))[0]);
        assert_eq!((later[0].count, later[0].start_time_unix_nano), (3, 1_000_000_000));
    }

    #[test]
    fn series_beyond_the_limit_are_one() {
        let mut meter = Meter::new(Timestamp(0));
        for status in 200..500 {
            meter.note(&line("GET", status, 1));
        }
        let told = points(&meter.tell(&[], Timestamp(1))[0]);
        assert_eq!(told.len(), SERIES_LIMIT + 1);
        assert_eq!(told.iter().map(|point| point.count).sum::<u64>(), 300);
    }
}
