//! Start of a dyno against a bare process, bubblewrap and runc (`start_cost` of the runtime).

use super::figure::compare;
use super::{Aim, BenchError, Checkout, Figure};

/// From the order to the end of `true` in its sandbox: below what a person or a router could notice.
const AIM_MS: f64 = 5.0;
const OURS: &str = "dyno";
const BASE: &str = "bare";

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let mut figures = checkout.example("runtime", "start_cost", &[])?;
    compare(&mut figures, BASE);
    let aim = |figure: Figure| if figure.name == OURS { figure.aiming_at(Aim::Value(AIM_MS)) } else { figure };
    Ok(figures.into_iter().map(aim).collect())
}
