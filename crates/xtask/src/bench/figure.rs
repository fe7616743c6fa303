//! One measured number, and the table of several.

use super::BenchError;

/// A measured number with its unit, what it is compared with, and its aim.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was measured, in one word.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// The value as a multiple of another figure of the same run.
    pub ratio: Option<f64>,
    /// The most that we aim for.
    pub aim: Option<Aim>,
}

/// The most that a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// In its own unit.
    Value(f64),
    /// As a multiple of what it is compared with.
    Ratio(f64),
}

impl Figure {
    /// A number by itself.
    #[must_use]
    pub fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.to_owned(), value, unit: unit.to_owned(), ratio: None, aim: None }
    }

    /// Reads `name value unit`.
    ///
    /// # Errors
    /// Any other line.
    pub fn parse(line: &str) -> Result<Self, BenchError> {
        let bad = || BenchError::Unexpected(format!("`{line}` is not `name value unit`"));
        let [name, value, unit] = line.split_whitespace().collect::<Vec<_>>()[..] else { return Err(bad()) };
        Ok(Self::new(name, value.parse().map_err(|_| bad())?, unit))
    }

    /// Sets the aim.
    #[must_use]
    pub fn aiming_at(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Whether the aim is met; `None` where there is none, or nothing to compare with.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        match self.aim? {
            Aim::Value(most) => Some(self.value <= most),
            Aim::Ratio(most) => Some(self.ratio? <= most),
        }
    }

    fn verdict(&self) -> String {
        let Some(aim) = self.aim else { return String::new() };
        let aim = match aim {
            Aim::Value(most) => format!("aim {most} {}", self.unit),
            Aim::Ratio(most) => format!("aim {most} x"),
        };
        match self.is_met() {
            Some(true) => format!("{aim}: met"),
            Some(false) => format!("{aim}: MISSED"),
            None => format!("{aim}: nothing to compare with"),
        }
    }
}

/// Gives every figure its multiple of the one named `base`.
pub(super) fn compare(figures: &mut [Figure], base: &str) {
    let Some(base) = figures.iter().find(|figure| figure.name == base).map(|figure| figure.value) else { return };
    for figure in figures.iter_mut().filter(|_| base > 0.0) {
        figure.ratio = Some(figure.value / base);
    }
}

/// Lines with aligned columns.
pub(super) fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
    let rows = figures.iter().map(|figure| {
        let ratio = figure.ratio.map(|ratio| format!("{ratio:6.2} x")).unwrap_or_default();
        let row =
            format!("  {:width$} {:>10.2} {:8} {ratio:8} {}", figure.name, figure.value, figure.unit, figure.verdict());
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// The middle value, which one slow run does not move.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses_lines() {
        assert_eq!(Figure::parse("flowline 2.25 ms").unwrap(), Figure::new("flowline", 2.25, "ms"));
        assert!(Figure::parse("flowline fast ms").is_err() && Figure::parse("flowline 2").is_err());
    }

    #[test]
    fn compares_and_says_whether_the_aim_is_met() {
        let mut figures =
            [Figure::new("nginx", 2.0, "s"), Figure::new("flowline", 2.2, "s").aiming_at(Aim::Ratio(1.05))];
        compare(&mut figures, "nginx");
        assert_eq!(figures[1].is_met(), Some(false));
        assert_eq!(
            table(&figures),
            "  nginx          2.00 s          1.00 x\n  flowline       2.20 s          1.10 x aim 1.05 x: MISSED"
        );
        compare(&mut figures, "caddy");
        assert_eq!(median(vec![3.0, 1.0, 9.0]), 3.0);
    }
}
