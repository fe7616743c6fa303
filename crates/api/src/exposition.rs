//! Prometheus' text format, version 0.0.4: families of samples with labels.

use std::fmt::{Display, Write};

/// What the answer says of itself.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by families.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

/// What a family's samples mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up while the server runs.
    Counter,
    /// Counts in classes.
    Histogram,
}

/// The samples of one name; added one by one.
pub(crate) struct Family<'e> {
    exposition: &'e mut Exposition,
    name: &'static str,
}

/// A label's name and value.
pub(crate) type Label<'l> = (&'static str, &'l str);

impl Exposition {
    /// Begins a family.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        Family { exposition: self, name }
    }

    /// All of it.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: impl Display) {
        // Writing to memory has no way to fail.
        let _ = writeln!(self.text, "{line}");
    }
}

impl Family<'_> {
    /// One sample.
    pub(crate) fn sample(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.write("", labels, value);
    }

    /// One histogram: the upper ends of its classes, how many are in each and not in the one before, all, and their sum.
    pub(crate) fn histogram(&mut self, labels: &[Label<'_>], ends: &[f64], classes: &[u64], count: u64, sum: f64) {
        let mut so_far = 0;
        for (end, class) in ends.iter().zip(classes) {
            so_far += class;
            let end = end.to_string();
            self.write("_bucket", &[labels, &[("le", &end)]].concat(), so_far);
        }
        self.write("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
        self.write("_sum", labels, sum);
        self.write("_count", labels, count);
    }

    fn write(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        let name = self.name;
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.exposition.line(format_args!("{name}{suffix}{labels} {value}"));
    }
}

/// A label's value as it stands between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_with_labels_that_need_care() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("dynos", Kind::Gauge, "Dynos \\ by\nstate");
        family.sample(&[], 3);
        family.sample(&[("state", "a\"b\\c\nd"), ("size", "Eco")], 1.5);
        let want = "# HELP dynos Dynos \\\\ by\\nstate\n# TYPE dynos gauge\ndynos 3\n\
                    dynos{state=\"a\\\"b\\\\c\\nd\",size=\"Eco\"} 1.5\n";
        assert_eq!(exposition.into_text(), want);
    }

    #[test]
    fn classes_of_a_histogram_add_up() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("took_seconds", Kind::Histogram, "Time");
        family.histogram(&[("status", "ok")], &[0.5, 10.0], &[2, 3], 6, 99.25);
        let text = exposition.into_text();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "took_seconds_bucket{status=\"ok\",le=\"0.5\"} 2",
                "took_seconds_bucket{status=\"ok\",le=\"10\"} 5",
                "took_seconds_bucket{status=\"ok\",le=\"+Inf\"} 6",
                "took_seconds_sum{status=\"ok\"} 99.25",
                "took_seconds_count{status=\"ok\"} 6",
            ]
        );
    }
}
