//! The router beside nginx and haproxy (`proxy_compare` of the router), one benchmark for each way to visit.

use super::{Aim, BenchError, Checkout, Figure};

/// CPU per request as low as nginx's, within what one run can tell apart.
const AIM: f64 = 1.05;

/// What the aim is for. nginx is in the figures with its log written line by line, as the router's is.
const AIMED: [&str; 2] = ["cpu.router", "cpu.router_silent"];

pub(super) fn keep_alive(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    compared(checkout, "keep_alive")
}

pub(super) fn connections(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    compared(checkout, "connections")
}

pub(super) fn downloads(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    compared(checkout, "downloads")
}

pub(super) fn uploads(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    compared(checkout, "uploads")
}

pub(super) fn websockets(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    compared(checkout, "websockets")
}

fn compared(checkout: &Checkout, scenario: &str) -> Result<Vec<Figure>, BenchError> {
    let figures = checkout.example("router", "proxy_compare", &[scenario])?;
    let aim = |figure: Figure| {
        if AIMED.contains(&figure.name.as_str()) { figure.aiming_at(Aim::Ratio(AIM)) } else { figure }
    };
    Ok(figures.into_iter().map(aim).collect())
}
