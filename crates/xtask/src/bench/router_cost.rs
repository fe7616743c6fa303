//! CPU time of the router per request against nginx, without and with an access log (`proxy_cost` of the router).

use super::figure::compare;
use super::{Aim, BenchError, Checkout, Figure};

/// As cheap as nginx, within what one run can tell apart.
const AIM: f64 = 1.05;

/// Ours and what it is compared with, by the name of the figure.
const PAIRS: [(&str, &str); 2] = [("flowline", "nginx"), ("flowline_log", "nginx_log")];

pub(super) fn run(checkout: &Checkout) -> Result<Vec<Figure>, BenchError> {
    let figures = checkout.example("router", "proxy_cost")?;
    let mut rows = Vec::new();
    for (ours, base) in PAIRS {
        let mut pair: Vec<Figure> =
            figures.iter().filter(|figure| figure.name == ours || figure.name == base).cloned().collect();
        compare(&mut pair, base);
        rows.extend(pair.into_iter().map(
            |figure| {
                if figure.name == ours { figure.aiming_at(Aim::Ratio(AIM)) } else { figure }
            },
        ));
    }
    rows.extend(
        figures.into_iter().filter(|figure| !PAIRS.iter().any(|(a, b)| figure.name == *a || figure.name == *b)),
    );
    Ok(rows)
}
