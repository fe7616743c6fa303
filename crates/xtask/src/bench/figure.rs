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

    /// Reads `name value unit`, or with the ratio behind it.
    ///
    /// # Errors
    /// Any other line.
    pub fn parse(line: &str) -> Result<Self, BenchError> {
        let bad = || BenchError::Unexpected(format!("`{line}` is not `name value unit [ratio]`"));
        let number = |word: &str| word.parse().map_err(|_| bad());
        let (name, value, unit, ratio) = match line.split_whitespace().collect::<Vec<_>>()[..] {
            [name, value, unit] => (name, value, unit, None),
            [name, value, unit, ratio] => (name, value, unit, Some(number(ratio)?)),
            _ => return Err(bad()),
        };
        Ok(Self { ratio, ..Self::new(name, number(value)?, unit) })
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

    fn json(&self) -> String {
        let (most, of) = match self.aim {
            Some(Aim::Value(most)) => (Some(most), "value"),
            Some(Aim::Ratio(most)) => (Some(most), "ratio"),
            None => (None, ""),
        };
        let met = self.is_met().map_or_else(|| "null".to_owned(), |met| met.to_string());
        format!(
            "{{\"name\":{},\"value\":{},\"unit\":{},\"ratio\":{},\"aim\":{},\"aim_of\":{},\"met\":{met}}}",
            quoted(&self.name),
            number(Some(self.value)),
            quoted(&self.unit),
            number(self.ratio),
            number(most),
            quoted(of),
        )
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

/// An object of JSON: the benchmark's name and its figures.
pub(super) fn json(bench: &str, figures: &[Figure]) -> String {
    let rows: Vec<_> = figures.iter().map(Figure::json).collect();
    format!("{{\"bench\":{},\"figures\":[{}]}}", quoted(bench), rows.join(","))
}

/// What is no number in JSON either (nothing measured) is null.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "null".to_owned(), |value| value.to_string())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
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
        assert_eq!(Figure::parse("cpu.router 2 us 1.5").unwrap().ratio, Some(1.5));
        assert!(Figure::parse("flowline fast ms").is_err() && Figure::parse("flowline 2").is_err());
    }

    #[test]
    fn figures_are_json_for_other_programs() {
        let figures = [Figure::new("p50", 2.5, "ms").aiming_at(Aim::Value(3.0)), Figure::new("none", f64::NAN, "")];
        let text = r#"{"bench":"b","figures":[{"name":"p50","value":2.5,"unit":"ms","ratio":null,"aim":3,"aim_of":"value","met":true},"#;
        assert!(json("b", &figures).starts_with(text), "{}", json("b", &figures));
        assert!(json("b", &figures).contains(r#""name":"none","value":null"#));
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
