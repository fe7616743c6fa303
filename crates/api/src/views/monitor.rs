//! A monitor as clients see and wish it: the shape of the metrics service beside the Platform API.

use crate::views::AppRef;
use model::app::App;
use model::id::MonitorId;
use model::monitor::{ACTION_TYPE, CHANNEL, Monitor, OP, PERIOD, Wish};
use serde::{Deserialize, Serialize};

/// One monitor.
#[derive(Debug, Clone, Serialize)]
pub struct MonitorView {
    id: MonitorId,
    app: AppRef,
    process_type: String,
    action_type: &'static str,
    is_active: bool,
    min_quantity: u32,
    max_quantity: u32,
    /// The 95th percentile of response times that is too slow, in milliseconds.
    value: u32,
    op: &'static str,
    period: i64,
    name: String,
    notification_channels: Vec<&'static str>,
    notification_period: u32,
    created_at: String,
    updated_at: String,
}

impl MonitorView {
    /// The monitor of this app.
    #[must_use]
    pub fn new(app: &App, monitor: &Monitor) -> Self {
        Self {
            id: monitor.id,
            app: app.into(),
            process_type: monitor.process_type.to_string(),
            action_type: ACTION_TYPE,
            is_active: monitor.is_active,
            min_quantity: monitor.min_quantity,
            max_quantity: monitor.max_quantity,
            value: monitor.p95_ms,
            op: OP,
            period: PERIOD,
            name: monitor.name.clone(),
            notification_channels: monitor.reminds.then_some(CHANNEL).into_iter().collect(),
            notification_period: monitor.notification_period_min,
            created_at: monitor.created_at.rfc3339(),
            updated_at: monitor.updated_at.rfc3339(),
        }
    }
}

/// What should become of a monitor; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MonitorWish {
    action_type: Option<String>,
    op: Option<String>,
    period: Option<i64>,
    is_active: Option<bool>,
    min_quantity: Option<i64>,
    max_quantity: Option<i64>,
    value: Option<i64>,
    name: Option<String>,
    notification_channels: Option<Vec<String>>,
    notification_period: Option<i64>,
}

impl From<MonitorWish> for Wish {
    fn from(body: MonitorWish) -> Self {
        Self {
            action_type: body.action_type,
            op: body.op,
            period: body.period,
            is_active: body.is_active,
            min_quantity: body.min_quantity,
            max_quantity: body.max_quantity,
            value: body.value,
            name: body.name,
            notification_channels: body.notification_channels,
            notification_period: body.notification_period,
        }
    }
}
