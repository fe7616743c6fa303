//! `/metrics`: the server's figures for Prometheus. Sums only: whoever has a token may read them, whatever apps they may see.

use crate::error::ApiError;
use crate::exposition::{self, Exposition, Kind};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use control::Control;
use control::metrics::{self, ByStatus, CLASSES_S, Figures};

/// GET /metrics - text format 0.0.4.
pub(crate) async fn show(State(control): State<Control>) -> Result<Response, ApiError> {
    let figures = metrics::figures(&control).await.map_err(|error| ApiError::internal(&error))?;
    Ok(([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text(&figures)).into_response())
}

fn text(figures: &Figures) -> String {
    let mut all = Exposition::default();
    all.family("flowline_apps", Kind::Gauge, "Apps that there are").sample(&[], figures.apps);
    let mut dynos = all.family("flowline_dynos", Kind::Gauge, "Dynos that there are, by state");
    for (state, count) in &figures.dynos {
        dynos.sample(&[("state", state)], count);
    }
    let pending = "Builds that run or wait for their turn";
    all.family("flowline_pending_builds", Kind::Gauge, pending).sample(&[], figures.pending_builds);
    let pending = "Releases whose release command runs";
    all.family("flowline_pending_releases", Kind::Gauge, pending).sample(&[], figures.pending_releases);
    let help = "Builds that ended since the start of the server, by status, from begin to end";
    durations(&mut all, "flowline_build_duration_seconds", help, &figures.builds);
    let help = "Releases decided since the start of the server, by status, from being made to being decided";
    durations(&mut all, "flowline_release_duration_seconds", help, &figures.releases);
    let help = "Lines written to the logs of apps since the start of the server";
    all.family("flowline_log_lines_total", Kind::Counter, help).sample(&[], figures.log_lines);
    if let Some(space) = figures.disk {
        let mut disk =
            all.family("flowline_disk_bytes", Kind::Gauge, "The data folder's disk; below the floor nothing is built");
        disk.sample(&[("what", "total")], space.total_bytes);
        disk.sample(&[("what", "free")], space.free_bytes);
        disk.sample(&[("what", "floor")], space.floor_bytes());
    }
    let help = "What dynos and builds had written when they were measured last";
    all.family("flowline_dyno_disk_bytes", Kind::Gauge, help).sample(&[], figures.written_bytes);
    if let Some(bytes) = figures.resident_bytes {
        all.family("process_resident_memory_bytes", Kind::Gauge, "Memory of the control plane").sample(&[], bytes);
    }
    if let Some(files) = figures.open_files {
        all.family("process_open_fds", Kind::Gauge, "Open files and sockets of the control plane").sample(&[], files);
    }
    all.into_text()
}

fn durations(all: &mut Exposition, name: &'static str, help: &str, by_status: &ByStatus) {
    let mut family = all.family(name, Kind::Histogram, help);
    for (status, took) in by_status {
        family.histogram(&[("status", status)], &CLASSES_S, &took.classes, took.count, took.sum_s);
    }
}
