//! CPU time of the router per request against nginx, without and with an access log (`proxy_cost` of the router).

use super::{Aim, BenchError, Checkout, Figure};

/// As cheap as nginx, within what one run can tell apart.
const AIM: f64 = 1.05;

/// The figures that the aim is for: both logs written line by line, and none at all.
const AIMED: [&str; 2] = ["router_cpu_ratio", "router_log_cpu_ratio"];

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let figures = checkout.example("router", "proxy_cost")?;
    let aim = |figure: Figure| {
        if AIMED.contains(&figure.name.as_str()) { figure.aiming_at(Aim::Value(AIM)) } else { figure }
    };
    Ok(figures.into_iter().map(aim).collect())
}
