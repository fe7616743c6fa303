//! The figures: medians over the rounds; ratios are taken round by round, and then the median of them.

use crate::rounds::{Measured, Measurements};
use crate::scenario::Scenario;

/// A column of the comparison.
struct Column {
    name: &'static str,
    unit: &'static str,
    of: fn(&Measured) -> f64,
}

const COLUMNS: [Column; 4] = [
    Column { name: "cpu", unit: "us", of: |round| round.cpu_us },
    Column { name: "p50", unit: "ms", of: |round| round.p50_ms },
    Column { name: "p99", unit: "ms", of: |round| round.p99_ms },
    Column { name: "speed", unit: "1/s", of: |round| round.per_second },
];

/// With what each is compared: logs on with logs on, off with off.
fn base(name: &str) -> &'static str {
    if name.ends_with("_silent") { "nginx_silent" } else { "nginx" }
}

pub(crate) fn print(scenario: &Scenario, all: &[Measurements], logged: &[(&'static str, u64)]) {
    println!("# {} visitors; p50 and p99 at {} visits a second", scenario.visitors, scenario.per_second);
    for column in &COLUMNS {
        for program in all {
            if column.name == "cpu" && program.target.pids.is_empty() {
                continue;
            }
            let value = median(program.rounds.iter().map(column.of).collect());
            println!(
                "{}.{} {value:.3} {}{}",
                column.name,
                program.target.name,
                column.unit,
                ratio(column, program, all)
            );
        }
    }
    for program in all.iter().filter(|program| !program.target.pids.is_empty()) {
        if let Some(kib) = program.connection_kib {
            println!("memory.{} {kib:.1} KiB", program.target.name);
        }
    }
    for (name, lines) in logged {
        println!("# {name} wrote {lines} log lines");
    }
}

fn ratio(column: &Column, program: &Measurements, all: &[Measurements]) -> String {
    let Some(base) = all.iter().find(|other| other.target.name == base(program.target.name)) else {
        return String::new();
    };
    let pairs = program.rounds.iter().zip(&base.rounds);
    format!(" {:.3}", median(pairs.map(|(own, other)| (column.of)(own) / (column.of)(other)).collect()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
