//! What a dyno's keeper and init hold of the memory (`keeper_memory` of the runtime).

use super::{Aim, BenchError, Checkout, Figure};

/// There is one for each dyno of the machine.
const AIM_KIB: f64 = 1536.0;
const AIMED: [&str; 2] = ["keeper", "keeper_resident"];

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let flowline = checkout.binary()?;
    let figures = checkout.example("runtime", "keeper_memory", &["50", &flowline.to_string_lossy()])?;
    let aim = |figure: Figure| {
        if AIMED.contains(&figure.name.as_str()) { figure.aiming_at(Aim::Value(AIM_KIB)) } else { figure }
    };
    Ok(figures.into_iter().map(aim).collect())
}
