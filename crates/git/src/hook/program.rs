//! `flowline hook pre-receive`: started by git inside a push, so it is plain and synchronous and needs no settings.

use super::frame::{self, FRAME_LIMIT_BYTES, Kind};
use super::socket::with_short_path;
use super::{OPTION_LIMIT_BYTES, OPTIONS_LIMIT, UPDATES_LIMIT};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

/// The hook of a push. Reads the updates from stdin, shows what serve says on stdout, exits as serve decides.
///
/// A client that is gone is no reason to stop: writing to it fails and is let be. (Rust programs ignore SIGPIPE.)
#[must_use]
pub fn pre_receive() -> ExitCode {
    match converse() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            show(b"");
            show(format!(" !     {why}").as_bytes());
            show(b"");
            ExitCode::FAILURE
        }
    }
}

/// `true`: accepted.
fn converse() -> Result<bool, String> {
    let setting = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let (Some(socket), Some(token)) = (setting("FLOWLINE_HOOK_SOCK"), setting("FLOWLINE_PUSH_TOKEN")) else {
        return Err("Push to Flowline's address (see `git remote -v`), not to its folder.".to_owned());
    };
    let updates = updates()?;
    let mut serve = with_short_path(socket.as_ref(), |path| UnixStream::connect(path))
        .map_err(|error| format!("Flowline does not answer ({error}): is it running? Then push again."))?;
    tell(&mut serve, token, &updates).and_then(|()| listen(serve)).map_err(|_| {
        "Flowline stopped during this push, so it was not accepted. Push again when it is back.".to_owned()
    })
}

/// What the client said with `git push -o`, as git hands it over.
fn push_options() -> Vec<String> {
    let setting = |name: &str| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let count = setting("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    let one = |at: usize| setting(&format!("GIT_PUSH_OPTION_{at}"));
    (0..count).take(OPTIONS_LIMIT).filter_map(one).filter(|text| text.len() <= OPTION_LIMIT_BYTES).collect()
}

/// The lines that git gives the hook.
fn updates() -> Result<Vec<Vec<u8>>, String> {
    let lines: Result<Vec<_>, _> = io::stdin().lock().split(b'\n').take(UPDATES_LIMIT + 1).collect();
    let lines = lines.map_err(|error| format!("The refs of this push could not be read: {error}"))?;
    if lines.len() > UPDATES_LIMIT {
        return Err(format!("This push changes more than {UPDATES_LIMIT} refs: push them in parts."));
    }
    Ok(lines)
}

fn tell(serve: &mut UnixStream, token: OsString, updates: &[Vec<u8>]) -> io::Result<()> {
    frame::write(serve, Kind::Token, token.as_encoded_bytes())?;
    for option in push_options() {
        frame::write(serve, Kind::PushOption, option.as_bytes())?;
    }
    for update in updates {
        frame::write(serve, Kind::Update, update)?;
    }
    frame::write(serve, Kind::Ready, b"")
}

/// Does what serve says until it decides.
fn listen(serve: UnixStream) -> io::Result<bool> {
    let to_serve = serve.try_clone()?;
    let mut from_serve = BufReader::new(serve);
    loop {
        let (kind, content) = frame::read(&mut from_serve)?;
        match kind {
            Kind::Line => show(&content),
            Kind::Tree => {
                // Beside, not in turn: lines keep flowing while the tree is sent.
                let mut to_serve = to_serve.try_clone()?;
                let commit = String::from_utf8_lossy(&content).into_owned();
                std::thread::spawn(move || {
                    let end = send_tree(&commit, &mut to_serve).err().map(|error| error.to_string());
                    // When serve is gone, the loop above notices as well.
                    let _gone = frame::write(&mut to_serve, Kind::TarEnd, end.unwrap_or_default().as_bytes());
                });
            }
            Kind::Message => {
                let commit = String::from_utf8_lossy(&content).into_owned();
                // Without one it goes on as well.
                let message = message(&commit).unwrap_or_default();
                frame::write(&mut to_serve.try_clone()?, Kind::MessageIs, &message)?;
            }
            Kind::Ask => {
                let told = tell_of(&String::from_utf8_lossy(&content)).unwrap_or_default();
                frame::write(&mut &to_serve, Kind::Told, &told)?;
            }
            Kind::Accept => return Ok(true),
            Kind::Decline => return Ok(false),
            Kind::Token
            | Kind::Update
            | Kind::Ready
            | Kind::Tar
            | Kind::TarEnd
            | Kind::MessageIs
            | Kind::Told
            | Kind::PushOption => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not for the hook"));
            }
        }
    }
}

/// The environment that git gave us lets `git archive` see the objects that are not accepted yet.
fn send_tree(commit: &str, serve: &mut UnixStream) -> io::Result<()> {
    let mut command = Command::new("git");
    command.args(["archive", "--format=tar", "--end-of-options", commit]);
    let mut archive = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (archive.stdout.take(), archive.stderr.take());

    let mut buffer = vec![0; FRAME_LIMIT_BYTES];
    if let Some(mut stdout) = stdout {
        loop {
            let len = stdout.read(&mut buffer)?;
            if len == 0 {
                break;
            }
            frame::write(serve, Kind::Tar, &buffer[..len])?;
        }
    }
    // What git archive complains about is a line or two: a pipe holds it until here.
    let mut complaint = String::new();
    if let Some(stderr) = stderr {
        stderr.take(FRAME_LIMIT_BYTES as u64 / 2).read_to_string(&mut complaint)?;
    }
    if archive.wait()?.success() { Ok(()) } else { Err(io::Error::other(complaint.trim().to_owned())) }
}

/// What the author says about a commit that is not accepted yet, as far as a frame holds it.
fn message(commit: &str) -> io::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(["log", "-1", "--format=%B", "--end-of-options", commit]);
    let mut log = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut message = Vec::new();
    if let Some(stdout) = log.stdout.take() {
        stdout.take(FRAME_LIMIT_BYTES as u64 / 2).read_to_end(&mut message)?;
    }
    log.wait()?;
    Ok(message)
}

/// What a commit says of itself, as [`crate::commit::FORMAT`] has it; as much as one frame holds.
fn tell_of(commit: &str) -> io::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(["log", "-1", "--no-show-signature", crate::commit::FORMAT, "--end-of-options", commit]);
    let mut log = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut told = Vec::new();
    if let Some(stdout) = log.stdout.take() {
        stdout.take(FRAME_LIMIT_BYTES as u64).read_to_end(&mut told)?;
    }
    if log.wait()?.success() { Ok(told) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// One line for the client, at once.
fn show(line: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _gone = stdout.write_all(&[line, b"\n"].concat()).and_then(|()| stdout.flush());
}
