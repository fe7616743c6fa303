//! A command that a person sits in front of: what it asks, what is typed.

use crate::within;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{self, Write};
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// One command and its terminal.
pub struct Terminal {
    child: Child,
    keys: File,
    screen: tokio::fs::File,
    said: String,
    /// So far it was looked at.
    seen: usize,
}

impl Terminal {
    /// Starts the command with the terminal as its three streams. It takes the command: nobody else may hold the terminal
    /// open.
    ///
    /// # Panics
    /// When there is no terminal, or no such command.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::from(open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap());
        tcsetwinsize(&slave, Winsize { ws_row: 40, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let stream = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).env("TERM", "dumb").spawn().unwrap();
        let keys = File::from(master);
        let screen = tokio::fs::File::from_std(keys.try_clone().unwrap());
        Self { child, keys, screen, said: String::new(), seen: 0 }
    }

    /// Waits for a question; all that was said so far.
    ///
    /// # Panics
    /// When it ends before it asks.
    pub async fn sees(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.said[self.seen..].find(words) {
                self.seen += at + words.len();
                return self.said.clone();
            }
            let more = within(&format!("`{words}` on the terminal"), self.read()).await;
            assert!(more, "it ended before it said `{words}`: {}", self.said);
        }
    }

    /// Types a line.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub async fn types(&mut self, line: &str) {
        self.presses(&format!("{line}\r"));
    }

    /// Presses these keys.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn presses(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a question and types a line.
    pub async fn answers(&mut self, question: &str, line: &str) {
        self.sees(question).await;
        self.types(line).await;
    }

    /// Waits for its end; all that was said, in lines as elsewhere.
    ///
    /// # Panics
    /// When it does not end, or with another status.
    pub async fn ends(self, code: i32) -> String {
        let (status, said) = self.end().await;
        assert_eq!(status, Some(code), "{said}");
        said
    }

    /// Waits for its end; its status, and all that was said, in lines as elsewhere.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(mut self) -> (Option<i32>, String) {
        while within("the command's end", self.read()).await {}
        let status = within("the command's end", self.child.wait()).await.unwrap();
        (status.code(), self.said.replace("\r\n", "\n"))
    }

    /// More of what it says; `false` at its end.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.screen.read(&mut bytes).await {
            Ok(0) => false,
            // The last one has closed the terminal.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => false,
            read => {
                self.said +=
                    &String::from_utf8_lossy(&bytes[..read.unwrap_or_else(|error: io::Error| panic!("{error}"))]);
                true
            }
        }
    }
}
