//! From an image to the program that a dyno runs: its words, its environment, its place.

use crate::image::{Image, ImageConfig, Images};
use crate::procfile::ProcessType;
use std::collections::BTreeMap;

/// Where programs are looked for when the image does not say: what container runtimes use.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const SHELL: &str = "/bin/sh";

/// What a one-off dyno without a command of its own runs, and whoever enters a dyno.
const BASH: &str = "bash";

/// What is known of an image's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Is there a `/bin/sh`?
    pub shell: bool,
    /// Is there a `bash` where shells are?
    pub bash: bool,
    /// `/etc/passwd`; empty: none.
    pub passwd: String,
}

/// What a dyno of an image is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish<'a> {
    /// What the image says.
    Own,
    /// This, by the image's shell.
    Command(&'a str),
}

/// The image of a dyno of this process type, and whether it runs what that image says. A one-off dyno is named after its `--type`
/// or `run`; where no image is called that, it has the files of `web`, or of the first type. A command that is a process type's name
/// stands for that type (DYNO-51).
#[must_use]
pub fn choose<'a>(
    images: &'a Images,
    process_type: &ProcessType,
    one_off: Option<&'a str>,
) -> Option<(&'a Image, Wish<'a>)> {
    let Some(command) = one_off else { return images.get(process_type).map(|image| (image, Wish::Own)) };
    if let Some(image) = command.parse::<ProcessType>().ok().and_then(|named| images.get(&named)) {
        return Some((image, Wish::Own));
    }
    let own = images.get(process_type).or_else(|| images.get(&ProcessType::web()));
    own.or_else(|| images.values().next()).map(|image| (image, Wish::Command(command)))
}

/// The program and its arguments; empty where the image says nothing.
#[must_use]
pub fn argv(config: &ImageConfig, wish: Wish<'_>, files: &Files) -> Vec<String> {
    match wish {
        Wish::Own => own(config, files),
        Wish::Command(command) => by_shell(command, files),
    }
}

fn own(config: &ImageConfig, files: &Files) -> Vec<String> {
    if !config.entrypoint.is_empty() {
        return [config.entrypoint.as_slice(), &config.cmd].concat();
    }
    let shells = matches!(config.cmd.as_slice(), [shell, flag, ..] if shell == SHELL && flag == "-c");
    if config.cmd.is_empty() || shells || !files.shell {
        return config.cmd.clone();
    }
    // As on Heroku, where CMD always goes through a shell: $PORT in it means the port.
    let quoted: Vec<String> = config.cmd.iter().map(|word| quoted(word)).collect();
    [SHELL, "-c", &format!("exec {}", quoted.join(" "))].map(str::to_owned).to_vec()
}

/// In double quotes, with nothing left to the shell but `$`.
fn quoted(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn by_shell(command: &str, files: &Files) -> Vec<String> {
    let command = if command == BASH && !files.bash && files.shell { "sh" } else { command };
    if files.shell {
        return [SHELL, "-c", command].map(str::to_owned).to_vec();
    }
    words(command)
}

/// A command's words, quoted and escaped as for a shell; nothing is expanded.
fn words(command: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, c) if c.is_whitespace() => all.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

/// The image's own command as people read it: in the formation, and where a dyno starts.
#[must_use]
pub fn shown(config: &ImageConfig) -> String {
    let words = [config.entrypoint.as_slice(), &config.cmd].concat();
    if let [shell, flag, command] = words.as_slice()
        && shell == SHELL
        && flag == "-c"
    {
        return command.clone();
    }
    let plain = |word: &String| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c));
    let shown = |word: &String| if plain(word) { word.clone() } else { quoted(word) };
    words.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// The environment that the image gives; config vars come over it.
#[must_use]
pub fn environment(config: &ImageConfig, files: &Files) -> BTreeMap<String, String> {
    let mut env =
        BTreeMap::from([("PATH".to_owned(), PATH.to_owned()), ("HOME".to_owned(), home(&config.user, &files.passwd))]);
    let pairs = config.env.iter().filter_map(|pair| pair.split_once('='));
    env.extend(pairs.filter(|(name, _)| !name.is_empty()).map(|(name, value)| (name.to_owned(), value.to_owned())));
    env
}

/// Where the image's user is at home; `/` where nobody says.
fn home(user: &str, passwd: &str) -> String {
    let user = user.split(':').next().unwrap_or_default();
    let user = if user.is_empty() { "root" } else { user };
    let home = passwd.lines().find_map(|line| match line.split(':').collect::<Vec<_>>().as_slice() {
        [name, _, uid, _, _, home, ..] if *name == user || *uid == user => Some((*home).to_owned()),
        _ => None,
    });
    home.filter(|home| home.starts_with('/')).unwrap_or_else(|| "/".to_owned())
}

/// The folder that the program begins in: absolute, without `.` and `..`.
#[must_use]
pub fn working_dir(config: &ImageConfig) -> String {
    let mut parts = Vec::new();
    for part in config.working_dir.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
#[path = "launch_tests.rs"]
mod tests;
