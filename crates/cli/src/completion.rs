//! `completions SHELL`.

use crate::error::CliError;
use crate::session::Session;
use clap_complete::Shell;

/// bash splits words at `:`, and our commands have it in their names.
const BASH_COLONS: &str = include_str!("completion.bash");

/// What `completions` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// Your shell
    shell: Shell,
}

/// Prints the script that makes Tab work.
pub(crate) fn print(session: &mut Session<'_>, args: &Completions) -> Result<(), CliError> {
    let mut program = (session.env.program)();
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    match args.shell {
        Shell::Bash => script += &BASH_COLONS.replace("PROGRAM", &name),
        Shell::Zsh => script = escaped_for_zsh(script, &program),
        _ => {}
    }
    session.console.raw(script.as_bytes())
}

/// In zsh's lists `:` ends the name and begins the description: `apps:create` needs a backslash.
fn escaped_for_zsh(mut script: String, program: &clap::Command) -> String {
    let all = program.get_subcommands().flat_map(|one| std::iter::once(one.get_name()).chain(one.get_all_aliases()));
    let mut names: Vec<&str> = all.filter(|name| name.contains(':')).collect();
    // `apps:transfer` is the beginning of `apps:transfer:accept`: the longer one first.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        script = script.replace(&format!("'{name}:"), &format!("'{}:", name.replace(':', "\\:")));
    }
    script
}
