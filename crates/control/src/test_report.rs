//! The lines of a test run: kept in two outputs, sent on to whoever pushed, and read for its cases.

use crate::build_queue::Listener;
use crate::output::OutputWriter;
use async_trait::async_trait;
use model::tap::{Tap, TestCase};
use tokio::sync::mpsc;

/// Where the lines go.
pub(crate) struct TestReport {
    /// What is printed before the tests; `None` when they have begun.
    setup: Option<OutputWriter>,
    tests: OutputWriter,
    tap: Tap,
    watcher: Option<mpsc::Sender<String>>,
}

impl TestReport {
    pub(crate) fn new(setup: OutputWriter, tests: OutputWriter, watcher: Option<mpsc::Sender<String>>) -> Self {
        Self { setup: Some(setup), tests, tap: Tap::default(), watcher }
    }

    /// What comes now is of the tests: the output before them is complete.
    pub(crate) fn begin_tests(&mut self) {
        self.setup = None;
    }

    /// The end, also where an output is full or no tests began: who looks at the push sees it, and it stands in the last output.
    pub(crate) async fn close(mut self, lines: &[String]) -> Vec<TestCase> {
        for line in lines {
            self.setup.as_mut().unwrap_or(&mut self.tests).last_line(line);
            self.show(line).await;
        }
        self.tap.cases()
    }

    /// A watcher that left is not missed: the run goes on.
    async fn show(&mut self, text: &str) {
        if let Some(watcher) = &self.watcher
            && watcher.send(text.to_owned()).await.is_err()
        {
            self.watcher = None;
        }
    }
}

#[async_trait]
impl Listener for TestReport {
    /// One line of the platform or a program.
    async fn line(&mut self, text: &str) {
        let writer = match &mut self.setup {
            Some(setup) => setup,
            None => {
                self.tap.line(text);
                &mut self.tests
            }
        };
        let was_full = writer.is_full();
        writer.line(text);
        if was_full {
            return;
        }
        // Whoever pushed sees no more than what is kept.
        let shown = if writer.is_full() { "[The output is too long; the rest is not shown]" } else { text };
        self.show(shown).await;
    }
}
