//! Somebody else's OpenTelemetry receiver: a program of its own, which decodes what it is sent by the protocol's own messages.

use crate::{Identity, within};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const PROGRAM: &str = include_str!("otlp_target.py");

/// A receiver on 127.0.0.1. It ends when this is dropped.
pub struct OtlpTarget {
    /// Where it takes OTLP by HTTP.
    pub http: String,
    /// Where it takes OTLP by gRPC.
    pub grpc: String,
    said: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _dir: TempDir,
}

impl OtlpTarget {
    /// Starts it; `answers` come first: statuses of HTTP (`503`) or of gRPC (`UNAVAILABLE`), with commas.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(identity: Option<&Identity>, answers: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("flowline-otlp-").tempdir().unwrap();
        let mut command = Command::new(python());
        command.env_clear().args(["-c", PROGRAM, answers]);
        if let Some(identity) = identity {
            for (name, text) in [("chain.pem", &identity.chain_pem), ("key.pem", &identity.key_pem)] {
                let path = dir.path().join(name);
                std::fs::write(&path, text).unwrap();
                command.arg(path);
            }
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = within("an OpenTelemetry receiver", said.next_line()).await.unwrap().unwrap();
        let ports: Value = serde_json::from_str(&first).unwrap();
        let scheme = if identity.is_some() { "https" } else { "http" };
        let url = |which: &str| format!("{scheme}://127.0.0.1:{}", ports[which]);
        Self { http: url("http"), grpc: url("grpc"), said, _child: child, _dir: dir }
    }

    /// The next export, whatever it is of.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&mut self) -> Value {
        let line = within("an export", self.said.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The next export of this signal; others are passed over.
    pub async fn next_of(&mut self, signal: &str) -> Value {
        loop {
            let export = self.next().await;
            if export["signal"] == signal {
                return export;
            }
        }
    }
}

/// Where `scripts/services` keeps what tests need of PyPI.
///
/// # Panics
/// When it is not installed.
pub(crate) fn python() -> PathBuf {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services");
    let said = std::process::Command::new(setup).arg("--where").output().unwrap();
    let python = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()).join("python/bin/python");
    assert!(python.exists(), "{} is not there: type `scripts/setup test`", python.display());
    python
}
