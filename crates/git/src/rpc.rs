//! Smart HTTP: the two requests of a fetch or a push, as streams in both directions.

use crate::{Git, GitError, Output, output};
use model::id::AppId;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

/// A request body that brings nothing for so long is treated as broken off.
const BODY_STALL_LIMIT: Duration = Duration::from_secs(600);

/// Read on after git has stopped listening, so that the client finishes sending and then reads why it was refused.
const UNHEARD_LIMIT_BYTES: usize = 256 * 1024 * 1024;

/// `Git-Protocol` values are a few words such as `version=2`.
const PROTOCOL_LIMIT_BYTES: usize = 256;

/// The two services of smart HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Fetch and clone.
    UploadPack,
    /// Push.
    ReceivePack,
}

/// A service that is not offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a git service: expected git-upload-pack or git-receive-pack (a newer git client speaks them)")]
pub struct UnknownService(pub String);

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        match text {
            "git-upload-pack" => Ok(Self::UploadPack),
            "git-receive-pack" => Ok(Self::ReceivePack),
            other => Err(UnknownService(other.chars().take(64).collect())),
        }
    }
}

impl Service {
    /// As in URLs and content types: `git-upload-pack`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    /// Content type of the answer to `info/refs`.
    #[must_use]
    pub fn advertisement_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-advertisement",
            Self::ReceivePack => "application/x-git-receive-pack-advertisement",
        }
    }

    /// Content type of the request body.
    #[must_use]
    pub fn request_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-request",
            Self::ReceivePack => "application/x-git-receive-pack-request",
        }
    }

    /// Content type of the answer to the request.
    #[must_use]
    pub fn result_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-result",
            Self::ReceivePack => "application/x-git-receive-pack-result",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }

    /// The packet that opens an advertisement, and the flush after it.
    fn opening(self) -> &'static [u8] {
        match self {
            Self::UploadPack => b"001e# service=git-upload-pack\n0000",
            Self::ReceivePack => b"001f# service=git-receive-pack\n0000",
        }
    }
}

/// What the client asked for, where we pass it on: a push has no newer protocol, and git itself ignores it there.
fn offered(service: Service, protocol: Option<&str>) -> Option<&str> {
    let plain = |text: &&str| text.len() <= PROTOCOL_LIMIT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    match service {
        Service::UploadPack => protocol.filter(plain),
        Service::ReceivePack => None,
    }
}

impl Git {
    /// The body of `GET /<app>.git/info/refs?service=…`. `protocol` is the request's `Git-Protocol` header.
    ///
    /// # Errors
    /// When there is no repository, too much is going on, or git cannot be started.
    pub async fn advertise(&self, app: AppId, service: Service, protocol: Option<&str>) -> Result<Output, GitError> {
        let protocol = offered(service, protocol);
        let repository = self.existing(app).await?;
        let mut command = self.serving(service, protocol, &repository);
        command.arg("--http-backend-info-refs").arg(&repository);
        let refs = self.stream(service.verb(), command)?;
        let version_2 = protocol.is_some_and(|words| words.split(':').any(|word| word == "version=2"));
        Ok(if version_2 { refs } else { refs.prefixed(service.opening()) })
    }

    /// The body of `POST /<app>.git/git-upload-pack` and `…/git-receive-pack`: `body` goes in, the output comes out.
    ///
    /// `body` is the request body as git sent it (already without `Content-Encoding`). A body that breaks off ends the
    /// request; nothing is stored then. A receive-pack whose body is complete goes on to its end when the output is
    /// dropped; an upload-pack ends with its reader. `push_token` comes back as [`crate::hook::PushSession::token`].
    ///
    /// # Errors
    /// When there is no repository, too much is going on, or git cannot be started.
    pub async fn rpc(
        &self,
        app: AppId,
        service: Service,
        protocol: Option<&str>,
        push_token: Option<&str>,
        body: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<Output, GitError> {
        let repository = self.existing(app).await?;
        let permit = self.processes.clone().try_acquire_owned().map_err(|_| GitError::Busy)?;
        let mut command = self.serving(service, offered(service, protocol), &repository);
        command.arg("--stateless-rpc").arg(&repository).stdin(Stdio::piped());
        if let Some(token) = push_token {
            command.env("FLOWLINE_PUSH_TOKEN", token);
        }
        let pushing = match service {
            Service::ReceivePack => Some(self.pushing(app).await),
            Service::UploadPack => None,
        };
        let mut child = command.spawn().map_err(GitError::Start)?;
        if let Some(stdin) = child.stdin.take() {
            tokio::spawn(feed(body, stdin));
        }
        let (sender, reader) = output::channel();
        tokio::spawn(async move {
            attend(child, service, sender, repository, app).await;
            drop((permit, pushing));
        });
        Ok(reader)
    }

    fn serving(&self, service: Service, protocol: Option<&str>, repository: &Path) -> Command {
        let mut command = self.command();
        if let Some(protocol) = protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
        command.current_dir(repository).arg(service.verb());
        command
    }
}

/// Stays with one git process until it has ended.
async fn attend(mut child: Child, service: Service, sender: output::Sender, repository: PathBuf, app: AppId) {
    let Some(stdout) = child.stdout.take() else { return };
    let complaint = output::complaint(child.stderr.take());
    let complaint = match service {
        Service::UploadPack => tokio::join!(sender.carry(stdout), complaint).1,
        // The client's connection is not the push: the build behind the hook goes on without it.
        Service::ReceivePack => {
            // The last word is sent only after HEAD is right, so that a clone that follows finds it so.
            let (sender, complaint) = tokio::join!(sender.carry_on(stdout), complaint);
            point_head(&repository).await;
            drop(sender);
            complaint
        }
    };
    match child.wait().await {
        Ok(status) if status.success() => {}
        Ok(status) => {
            tracing::info!(app.id = %app, git.service = service.word(), %status, "git ended early for {app}: {complaint}");
        }
        Err(error) => {
            tracing::warn!(app.id = %app, git.service = service.word(), %error, "Lost sight of git for {app}")
        }
    }
}

/// HEAD, which a clone checks out, names the branch that is built: `main`, or `master` while there is no `main`.
async fn point_head(repository: &Path) {
    // Maintenance moves refs from files of their own into this one.
    let packed = tokio::fs::read_to_string(repository.join("packed-refs")).await.unwrap_or_default();
    let there = async |name: &str| {
        let loose = tokio::fs::try_exists(repository.join(name)).await.unwrap_or(false);
        loose || packed.lines().any(|line| line.split_once(' ').is_some_and(|(_, packed)| packed == name))
    };
    let wanted = match (there("refs/heads/main").await, there("refs/heads/master").await) {
        (true, _) => "ref: refs/heads/main\n",
        (false, true) => "ref: refs/heads/master\n",
        (false, false) => return,
    };
    let (head, new) = (repository.join("HEAD"), repository.join("HEAD.new"));
    let written = async {
        if tokio::fs::read_to_string(&head).await? != wanted {
            tokio::fs::write(&new, wanted).await?;
            tokio::fs::rename(&new, &head).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "HEAD of {} could not be written", repository.display());
    }
}

/// Request body into git. Ends with the body, when it breaks off, or when git has heard enough.
async fn feed(mut body: impl AsyncRead + Unpin, stdin: ChildStdin) {
    let mut stdin = Some(stdin);
    let (mut unheard, mut buffer) = (0, vec![0; 64 * 1024]);
    while unheard < UNHEARD_LIMIT_BYTES {
        let len = match tokio::time::timeout(BODY_STALL_LIMIT, body.read(&mut buffer)).await {
            Ok(Ok(len)) if len > 0 => len,
            Ok(Ok(_)) => return,
            Ok(Err(error)) => return tracing::info!(%error, "A git request broke off"),
            Err(_) => return tracing::info!("A git request brought nothing for {BODY_STALL_LIMIT:?} and was ended"),
        };
        let heard = match &mut stdin {
            Some(pipe) => pipe.write_all(&buffer[..len]).await.is_ok(),
            None => false,
        };
        if !heard {
            stdin = None;
            unheard += len;
        }
    }
}
