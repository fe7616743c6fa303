//! Other people on the same Flowline.

use crate::flow::Flow;
use crate::within;
use tokio::process::Command;

/// There is no verb that makes accounts yet, so the row is written beside the running server.
const INSERT: &str = "\
import hashlib, sqlite3, sys, time, uuid
path, email, token = sys.argv[1:]
now = int(time.time() * 1_000_000)
with sqlite3.connect(path, timeout=30) as base:
    base.execute('INSERT INTO account (id, email, token_sha256, created_at, updated_at) VALUES (?, ?, ?, ?, ?)',
                 (str(uuid.uuid4()), email, hashlib.sha256(token.encode()).hexdigest(), now, now))
";

impl Flow {
    /// Another account; its token.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn account(&self, email: &str) -> String {
        let token = format!("token-of-{email}");
        let mut python = Command::new("python3");
        python.args(["-c", INSERT]).arg(self.dir().join("flowline.db")).args([email, &token]);
        let made = within("the account", python.output()).await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        token
    }
}
