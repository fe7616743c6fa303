//! The task of one telemetry drain: batch by batch, with tries, until the drain is removed.

use crate::drain::{About, Buffer, Complaints, Kept, NoAnswer, Trust};
use crate::telemetry::meter::Meter;
use crate::telemetry::otlp::{
    KeyValue, Logs, Metric, Metrics, Resource, ResourceLogs, ResourceMetrics, ResourceSpans, ScopeLogs, ScopeMetrics,
    ScopeSpans, Span, Traces, scope, text,
};
use crate::telemetry::record::Read;
use crate::telemetry::sender::{SendError, send};
use crate::telemetry::{Latest, Telemetry};
use crate::writer::Order;
use crate::{RETRY_PAUSE, TRIES};
use model::log::LogLine;
use model::telemetry_drain::{Signal, TelemetryDrain};
use model::world::World;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// One drain, its connection, and what it counts.
pub(crate) struct Exporter {
    drain: TelemetryDrain,
    resource: Resource,
    every: Duration,
    trust: Arc<Trust>,
    world: Arc<dyn World>,
    kept: Kept,
    meter: Meter,
    complaints: Complaints,
}

impl Exporter {
    pub(crate) fn new(drain: TelemetryDrain, telemetry: Telemetry, log: mpsc::WeakSender<Order>) -> Self {
        let Telemetry { service, every, trust, world } = telemetry;
        let shown = drain.exporter.endpoint.shown();
        let about = About { what: "telemetry drain", id: drain.id.0, app: drain.app, shown };
        Self {
            resource: Resource { attributes: resource(&drain, service) },
            complaints: Complaints::new(about, Arc::clone(&world), log),
            meter: Meter::new(world.now()),
            kept: Kept::default(),
            drain,
            every,
            trust,
            world,
        }
    }

    /// Until the drain is removed.
    pub(crate) async fn run(mut self, buffer: &Buffer, latest: &Latest) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let batch = tokio::select! {
                batch = buffer.batch() => match batch {
                    Some(batch) => batch,
                    None => return,
                },
                _ = ticks.tick() => Vec::new(),
            };
            let told = async {
                if batch.is_empty() {
                    self.tell_figures(latest).await;
                } else {
                    self.tell_lines(&batch).await;
                }
            };
            tokio::select! {
                () = buffer.closed() => return,
                () = told => {}
            }
        }
    }

    async fn tell_lines(&mut self, batch: &[Arc<LogLine>]) {
        let read: Vec<Read<'_>> = batch.iter().map(|line| Read::of(line, &*self.world)).collect();
        let requests = || read.iter().filter_map(|read| read.request.as_ref().map(|request| (read.line.at, request)));
        requests().for_each(|(_, request)| self.meter.note(&request.line));
        if self.drain.signals.has(Signal::Traces) {
            let spans: Vec<Span> = requests().map(|(at, request)| request.span(at)).collect();
            if !spans.is_empty() {
                self.export(Signal::Traces, &self.traces(spans)).await;
            }
        }
        if self.drain.signals.has(Signal::Logs) {
            let now = self.world.now();
            let log_records = read.iter().map(|read| read.record(now)).collect();
            let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records }];
            let resource_logs = vec![ResourceLogs { resource: Some(self.resource.clone()), scope_logs }];
            self.export(Signal::Logs, &Logs { resource_logs }.encode_to_vec()).await;
        }
    }

    async fn tell_figures(&mut self, latest: &Latest) {
        if !self.drain.signals.has(Signal::Metrics) {
            return;
        }
        let metrics = self.meter.tell(&latest.take(), self.world.now());
        if !metrics.is_empty() {
            self.export(Signal::Metrics, &self.metrics(metrics)).await;
        }
    }

    fn traces(&self, spans: Vec<Span>) -> Vec<u8> {
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
        let resource_spans = vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans }];
        Traces { resource_spans }.encode_to_vec()
    }

    fn metrics(&self, metrics: Vec<Metric>) -> Vec<u8> {
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
        let resource_metrics = vec![ResourceMetrics { resource: Some(self.resource.clone()), scope_metrics }];
        Metrics { resource_metrics }.encode_to_vec()
    }

    /// Three tries, as for log drains (LOG-27); then what comes next has its turn.
    async fn export(&mut self, signal: Signal, message: &[u8]) {
        for tried in 1..=TRIES {
            let error = match send(&mut self.kept, &self.drain.exporter, &self.trust, signal, message).await {
                Ok(()) => return self.complaints.healthy(),
                Err(error) => error,
            };
            if let SendError::NoAnswer(NoAnswer::Connect(error)) = &error {
                self.complaints.note(error).await;
            }
            if error.is_final() || tried == TRIES {
                return self.complaints.unhealthy(&error.to_string());
            }
            tokio::time::sleep(RETRY_PAUSE * tried).await;
        }
    }
}

/// Which app it is (semantic conventions, "Service").
fn resource(drain: &TelemetryDrain, service: String) -> Vec<KeyValue> {
    vec![text("service.name", service), text("app.id", drain.app.to_string())]
}
