//! The build's own lines, in the layout that users of buildpacks know.

use crate::failure::BuildFailure;
use tokio::sync::mpsc::Sender;

/// Where the lines go. A watcher who leaves does not stop the build.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    lines: Sender<String>,
}

impl Output {
    pub(crate) fn new(lines: Sender<String>) -> Self {
        Self { lines }
    }

    /// `-----> Compressing...`
    pub(crate) async fn topic(&self, text: &str) {
        self.line(format!("-----> {text}")).await;
    }

    /// `       Done: 12.3M`
    pub(crate) async fn detail(&self, text: &str) {
        self.line(format!("       {text}")).await;
    }

    /// As it is.
    pub(crate) async fn line(&self, line: String) {
        // The receiver is gone: nobody is watching.
        let _ = self.lines.send(line).await;
    }

    pub(crate) async fn failure(&self, failure: &BuildFailure) {
        for line in failure.lines() {
            self.line(line).await;
        }
    }

    /// Where a step writes.
    pub(crate) fn sender(&self) -> Sender<String> {
        self.lines.clone()
    }
}
