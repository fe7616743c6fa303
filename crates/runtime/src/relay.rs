//! A dyno's output on its way from the keeper to whoever reads it in `serve`.

use crate::dyno::{Output, Stopped};
use crate::folder::Folder;
use crate::meeting::Incoming;
use crate::wire::{Ended, FromKeeper, Frost, Line};
use model::dyno::Exit;
use model::time::Timestamp;
use tokio::sync::{mpsc, watch};

/// From the keeper's socket to the channel.
pub(crate) struct Relay {
    pub(crate) to: mpsc::Sender<Output>,
    pub(crate) end: watch::Sender<Option<Stopped>>,
    pub(crate) frost: watch::Sender<Frost>,
    /// The last line that came.
    pub(crate) last: u64,
}

impl Relay {
    pub(crate) async fn run(mut self, mut incoming: Incoming, folder: Folder) {
        loop {
            match incoming.next().await {
                Ok(FromKeeper::Line(line)) => self.line(line).await,
                Ok(FromKeeper::Over(ended)) => self.over(ended),
                Ok(FromKeeper::Ended(ended)) => break self.exit(ended).await,
                Ok(FromKeeper::Frost(frost)) => drop(self.frost.send_replace(frost)),
                Ok(FromKeeper::Hello(_) | FromKeeper::Failed(_)) => {}
                // Killed, most likely; the dyno went with it. It may have come to writing the end down.
                Err(_) => return self.finish_from_disk(&folder).await,
            }
        }
        // Keeps the connection open: when it closes, the keeper leaves what is unacknowledged on disk.
        while let Ok(message) = incoming.next().await {
            if let FromKeeper::Frost(frost) = message {
                self.frost.send_replace(frost);
            }
        }
    }

    /// The keeper has gone; its folder tells the rest.
    pub(crate) async fn finish_from_disk(mut self, folder: &Folder) {
        folder.thaw();
        for line in folder.read_lines() {
            self.line(line).await;
        }
        let lost =
            Ended { exit: Exit::Lost, killed: false, out_of_memory: None, last_seq: self.last, acked: self.last };
        self.exit(folder.read_ended().unwrap_or(lost)).await;
    }

    async fn line(&mut self, line: Line) {
        if line.seq <= self.last {
            return;
        }
        self.gap(line.seq - 1).await;
        self.last = line.seq;
        let text = String::from_utf8_lossy(&line.text).into_owned();
        self.send(Output::Line { seq: line.seq, at: Timestamp(line.at), text }).await;
    }

    async fn exit(&mut self, ended: Ended) {
        self.gap(ended.last_seq).await;
        self.over(ended);
        self.send(Output::Exited(ended.exit)).await;
    }

    fn over(&self, ended: Ended) {
        let _nobody_waits =
            self.end.send(Some(Stopped { exit: ended.exit, killed: ended.killed, out_of_memory: ended.out_of_memory }));
    }

    /// Numbers have no gaps but for dropped lines.
    async fn gap(&mut self, up_to: u64) {
        if up_to > self.last {
            let count = up_to - self.last;
            self.last = up_to;
            self.send(Output::Dropped { count }).await;
        }
    }

    async fn send(&self, output: Output) {
        // Nobody reads: the keeper's own buffer then bounds what is kept.
        let _dropped = self.to.send(output).await;
    }
}
