//! Asking for what nobody may see: on a terminal without its echo, else a line of stdin.

use crate::console::Console;
use crate::error::CliError;
use crate::session::Session;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, Read};

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];

/// Longer than every token and password.
const SECRET_LIMIT_BYTES: usize = 16 * 1024;

/// Asks for it, if a person is there to be asked; else reads the next line of stdin.
pub(crate) fn ask(session: &mut Session<'_>, question: &str) -> Result<String, CliError> {
    if session.env.terminal.stdin { unseen(session.console, question) } else { session.console.input_line() }
}

/// A password that is not empty.
pub(crate) fn password(session: &mut Session<'_>, question: &str) -> Result<String, CliError> {
    let typed = ask(session, question)?;
    if typed.is_empty() {
        let next = "Type it at the question, or send it on stdin, in a line of its own.";
        return Err(CliError::usage("There is no password.", next));
    }
    Ok(typed)
}

/// The terminal as it was, given back when this is dropped.
struct Quiet(Termios);

impl Quiet {
    /// No echo, byte by byte, and Ctrl-C as a byte: a signal would end us with the echo still off.
    fn begin() -> rustix::io::Result<Self> {
        let was = tcgetattr(io::stdin())?;
        let mut quiet = was.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(was))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn unseen(console: &mut Console, question: &str) -> Result<String, CliError> {
    let quiet = Quiet::begin().map_err(|error| CliError::local("turn the terminal's echo off", error.into()))?;
    console.prompt(question)?;
    let typed = typed(&mut console.input);
    drop(quiet);
    console.prompt("\n")?;
    let typed = typed.map_err(|error| CliError::local("read the answer from the terminal", error))?;
    typed.ok_or_else(|| CliError::usage("It was given up, and nothing was changed.", "Type the command to try again."))
}

/// What was typed until Enter; `None` when it was given up.
fn typed(input: &mut dyn Read) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        if input.read(&mut byte)? == 0 || matches!(byte[0], CTRL_C | CTRL_D) {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            other if BACKSPACE.contains(&other) => rub_out(&mut text),
            _ if text.len() == SECRET_LIMIT_BYTES => return Ok(None),
            other => text.push(other),
        }
    }
}

/// The last letter, which may be several bytes.
fn rub_out(text: &mut Vec<u8>) {
    while let Some(last) = text.pop() {
        if last & 0xc0 != 0x80 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_typed() {
        assert_eq!(typed(&mut &b"s3x\x7fcret\rmore"[..]).unwrap().as_deref(), Some("s3cret"));
        assert_eq!(typed(&mut "ä\x7fb \n".as_bytes()).unwrap().as_deref(), Some("b "));
        assert_eq!(typed(&mut &b"s3\x03"[..]).unwrap(), None);
        assert_eq!(typed(&mut &b"s3"[..]).unwrap(), None);
    }
}
