//! Every command in one list, and what it does.

use crate::args::{AppOnly, Bare, Print};
use crate::buildpack::BuildpackCommand;
use crate::cert::CertCommand;
use crate::console::Console;
use crate::domain::DomainCommand;
use crate::drain::DrainCommand;
use crate::env::Env;
use crate::error::CliError;
use crate::notification::NotificationCommand;
use crate::region::RegionCommand;
use crate::session::Session;
use crate::webhook::WebhookCommand;
use crate::{
    account, app, app_setup, authorization, autoscale, build, ci, collaborator, completion, config_var, container,
    disk, dyno, error_count, favorite, feature, formation, git_credential, heroku, idle, log, login, man, member,
    oauth_client, one_off, password, pipeline, release, ssh_key, team, team_app, telemetry, traffic, transfer,
    two_factor, verification,
};
use std::process::ExitCode;

/// For the end of the program's `--help`.
pub const HELP: &str = "\
The commands are those of heroku. They speak to one server:
  FLOWLINE_URL    its address (else the one of `flowline login`, else http://127.0.0.1:7700)
  FLOWLINE_TOKEN  your token (else the one of `flowline login`; for http://127.0.0.1:7700 also the one in
                  .flowline/admin.token of this folder or one above, so that it works at once after `make run`)
  FLOWLINE_CA     a PEM file of the authorities to believe in place of this machine's, for an https address (else the one
                  of `flowline login --ca FILE`; --ca works with every command)
  FLOWLINE_APP    the app when there is no -a; without both: the app of this folder's git remote
  NO_COLOR        no colours; there are none outside a terminal either

Every command takes --json. Results go to stdout, progress and errors to stderr.

Exit codes: 0 done, 1 it failed (a release, a build, a command in `run`), 2 bad input, 3 not logged in or not allowed,
4 not found, 5 the server cannot be reached.";

/// What can be typed. The binary flattens it into its own commands.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Coming and going.
    #[command(flatten)]
    Login(login::Verb),
    /// The second factor of one's account.
    #[command(flatten)]
    TwoFactor(two_factor::Verb),
    /// One's password.
    #[command(flatten)]
    Password(password::Verb),
    /// One's apps and the teams'.
    #[command(flatten)]
    TeamApps(team_app::Verb),
    /// Create an app, and the git remote to push to
    #[command(name = "apps:create", visible_alias = "create")]
    AppsCreate(app::Create),
    /// Show an app
    #[command(name = "apps:info", visible_alias = "info")]
    AppsInfo(app::Show),
    /// Destroy an app for good
    #[command(name = "apps:destroy", visible_alias = "destroy", alias = "apps:delete")]
    AppsDestroy(app::Destroy),
    /// Give an app another name
    #[command(name = "apps:rename", visible_alias = "rename")]
    AppsRename(app::Rename),
    /// Make an app of a source and the app.json in it
    #[command(name = "apps:setup", visible_alias = "setup")]
    AppsSetup(app_setup::Setup),
    /// Print the app's address, and open it in the browser
    #[command(name = "apps:open", visible_alias = "open")]
    AppsOpen(app::Open),
    /// Show the errors that an app met, by code
    #[command(name = "apps:errors")]
    AppsErrors(error_count::Errors),
    /// Show an app's requests by hour: how many, how long they took, how many failed
    #[command(name = "apps:metrics")]
    AppsMetrics(traffic::Metrics),
    /// Apps at hand.
    #[command(flatten)]
    Favorites(favorite::Verb),
    /// Handing apps over.
    #[command(flatten)]
    Transfers(transfer::Verb),
    /// Who may use an app.
    #[command(flatten)]
    Access(collaborator::Verb),
    /// Teams.
    #[command(flatten)]
    Teams(team::Verb),
    /// Who is in a team.
    #[command(flatten)]
    Members(member::Verb),
    /// Pipelines.
    #[command(flatten)]
    Pipelines(pipeline::Verb),
    /// Tokens.
    #[command(flatten)]
    Authorizations(authorization::Verb),
    /// Programs that ask people for tokens.
    #[command(flatten)]
    OauthClients(oauth_client::Verb),
    /// Public keys.
    #[command(flatten)]
    SshKeys(ssh_key::Verb),
    /// The accounts of the server.
    #[command(flatten)]
    Accounts(account::Verb),
    /// Builds.
    #[command(flatten)]
    Builds(build::Verb),
    /// Print the shell script that makes Tab work
    #[command(name = "completions")]
    Completions(completion::Completions),
    /// List the config vars
    #[command(name = "config")]
    Config(config_var::Config),
    /// Print config vars
    #[command(name = "config:get")]
    ConfigGet(config_var::Get),
    /// Set config vars, which restarts the app
    #[command(name = "config:set", alias = "config:add")]
    ConfigSet(config_var::Set),
    /// Never show the values of config vars again: only the app reads them
    #[command(name = "config:write-only")]
    ConfigWriteOnly(config_var::Unset),
    /// Remove config vars, which restarts the app
    #[command(name = "config:unset", alias = "config:remove")]
    ConfigUnset(config_var::Unset),
    /// Say what uses how much of the server's disk
    #[command(name = "disk")]
    Disk(Bare),
    /// Features.
    #[command(flatten)]
    Features(feature::Verb),
    /// Print what points the official heroku command line at this server, for a shell: eval "$(flowline env)"
    #[command(name = "env")]
    Env(heroku::Surroundings),
    /// Run the official heroku command line against this server: flowline heroku -- ps -a shop
    #[command(name = "heroku")]
    Heroku(heroku::Heroku),
    /// Answer git's question for the token
    #[command(name = "git:credentials", hide = true)]
    GitCredentials(git_credential::GitCredentials),
    /// Tie this folder's git repository to an app
    #[command(name = "git:remote")]
    GitRemote(app::GitRemote),
    /// Print the log
    #[command(name = "logs", alias = "log")]
    Logs(log::Logs),
    /// Write manual pages of all commands
    #[command(name = "man")]
    Man(man::Pages),
    /// Say whether the maintenance page is on
    #[command(name = "maintenance")]
    Maintenance(AppOnly),
    /// Put the maintenance page in front of an app
    #[command(name = "maintenance:on")]
    MaintenanceOn(AppOnly),
    /// Take the maintenance page away
    #[command(name = "maintenance:off")]
    MaintenanceOff(AppOnly),
    /// List the dynos
    #[command(name = "ps", alias = "ps:list", alias = "dyno")]
    Ps(dyno::Ps),
    /// Dynos that are scaled by themselves.
    #[command(flatten)]
    Autoscale(autoscale::Verb),
    /// Restart dynos
    #[command(name = "ps:restart", visible_alias = "restart", alias = "dyno:restart")]
    PsRestart(dyno::Restart),
    /// Print the formation or change it
    #[command(name = "ps:scale", visible_alias = "scale", alias = "dyno:scale")]
    PsScale(formation::Scale),
    /// Stop dynos; those of the formation come back
    #[command(name = "ps:stop", visible_alias = "stop", aliases = ["ps:kill", "kill", "dyno:stop", "dyno:kill"])]
    PsStop(dyno::Stop),
    /// Print the sizes of dynos or change them
    #[command(name = "ps:type", visible_alias = "ps:resize", aliases = ["resize", "dyno:type", "dyno:resize"])]
    PsType(formation::Resize),
    /// The ledger.
    #[command(flatten)]
    Releases(release::Verb),
    /// Images.
    #[command(flatten)]
    Images(container::Verb),
    /// Run a command in a dyno that runs already; without one, a shell
    #[command(name = "ps:exec", visible_alias = "exec")]
    PsExec(one_off::Exec),
    /// Run a command in a one-off dyno, as if it ran here
    #[command(name = "run")]
    Run(one_off::Run),
    /// Idle apps.
    #[command(flatten)]
    Idle(idle::Verb),
    /// Start a command in a one-off dyno and return
    #[command(name = "run:detached")]
    RunDetached(one_off::RunDetached),
    /// Run a command in a dyno that runs already
    #[command(name = "run:inside")]
    RunInside(one_off::RunInside),
    /// The packs that build an app.
    #[command(flatten)]
    Buildpack(BuildpackCommand),
    /// Certificates.
    #[command(flatten)]
    Cert(CertCommand),
    /// Host names.
    #[command(flatten)]
    Domain(DomainCommand),
    /// Log drains.
    #[command(flatten)]
    Drain(DrainCommand),
    /// Telemetry drains.
    #[command(flatten)]
    Telemetry(telemetry::Verb),
    /// Test runs.
    #[command(flatten)]
    Ci(ci::Verb),
    /// Webhooks.
    #[command(flatten)]
    Webhook(WebhookCommand),
    /// What is broken, and who is told.
    #[command(flatten)]
    Notification(NotificationCommand),
    /// The check on the running server.
    #[command(flatten)]
    Verification(verification::Verb),
    /// Where and on what apps run.
    #[command(flatten)]
    Region(RegionCommand),
}

/// Runs a command on the process's own streams. Needs a tokio runtime with I/O and time.
pub async fn run(command: Command, env: Env) -> ExitCode {
    let mut console = Console::of_process(&env);
    ExitCode::from(run_on(command, &env, &mut console).await)
}

/// Runs a command on these streams and returns its exit code.
pub async fn run_on(command: Command, env: &Env, console: &mut Console) -> u8 {
    let done = dispatch(command, env, console).await;
    match done.and_then(|code| console.flush().map(|()| code)) {
        Ok(code) => code,
        Err(error) if error.is_closed_pipe() => 0,
        Err(error) => {
            console.report(&error);
            error.exit_code()
        }
    }
}

async fn dispatch(command: Command, env: &Env, console: &mut Console) -> Result<u8, CliError> {
    let session = &mut Session::open(env, console, command.print())?;
    let done = match command {
        Command::Login(verb) => verb.run(session).await,
        Command::TwoFactor(verb) => verb.run(session).await,
        Command::Password(verb) => verb.run(session).await,
        Command::TeamApps(verb) => verb.run(session).await,
        Command::AppsErrors(args) => error_count::show(session, &args).await,
        Command::AppsMetrics(args) => traffic::show(session, &args).await,
        Command::Favorites(verb) => verb.run(session).await,
        Command::Transfers(verb) => verb.run(session).await,
        Command::Access(verb) => verb.run(session).await,
        Command::Teams(verb) => verb.run(session).await,
        Command::Members(verb) => verb.run(session).await,
        Command::Pipelines(verb) => verb.run(session).await,
        Command::Authorizations(verb) => verb.run(session).await,
        Command::OauthClients(verb) => verb.run(session).await,
        Command::SshKeys(verb) => verb.run(session).await,
        Command::Accounts(verb) => verb.run(session).await,
        Command::AppsCreate(args) => app::create(session, args).await,
        Command::AppsInfo(args) => app::show(session, &args).await,
        Command::AppsDestroy(args) => app::destroy(session, &args).await,
        Command::AppsRename(args) => app::rename(session, &args).await,
        Command::AppsSetup(args) => app_setup::setup(session, &args).await,
        Command::AppsOpen(args) => app::open(session, &args).await,
        Command::Builds(verb) => verb.run(session).await,
        Command::Completions(args) => completion::print(session, &args),
        Command::Config(args) => config_var::list(session, &args).await,
        Command::ConfigGet(args) => config_var::get(session, &args).await,
        Command::ConfigSet(args) => config_var::set(session, &args).await,
        Command::ConfigWriteOnly(args) => config_var::hide(session, &args).await,
        Command::ConfigUnset(args) => config_var::unset(session, &args).await,
        Command::Disk(_) => disk::show(session).await,
        Command::Features(verb) => verb.run(session).await,
        Command::GitCredentials(args) => git_credential::answer(session, &args),
        Command::Env(_) => heroku::print(session).await,
        Command::Heroku(args) => return heroku::heroku(session, &args).await,
        Command::GitRemote(args) => app::git_remote(session, &args).await,
        Command::Logs(args) => log::logs(session, args).await,
        Command::Man(args) => man::write(session, &args),
        Command::Maintenance(args) => app::maintenance(session, &args.on).await,
        Command::MaintenanceOn(args) => app::set_maintenance(session, &args.on, true).await,
        Command::MaintenanceOff(args) => app::set_maintenance(session, &args.on, false).await,
        Command::Ps(args) => dyno::list(session, &args).await,
        Command::Autoscale(verb) => verb.run(session).await,
        Command::PsRestart(args) => dyno::restart(session, &args).await,
        Command::PsScale(args) => formation::scale(session, &args).await,
        Command::PsStop(args) => dyno::stop(session, &args).await,
        Command::PsType(args) => formation::resize(session, &args).await,
        Command::Releases(verb) => verb.run(session).await,
        Command::Idle(verb) => verb.run(session).await,
        Command::Buildpack(command) => command.run(session).await,
        Command::Cert(command) => command.run(session).await,
        Command::Domain(command) => command.run(session).await,
        Command::Drain(command) => command.run(session).await,
        Command::Telemetry(verb) => verb.run(session).await,
        Command::Ci(verb) => verb.run(session).await,
        Command::Webhook(command) => command.run(session).await,
        Command::Notification(command) => command.run(session).await,
        Command::Region(command) => command.run(session).await,
        Command::Verification(verb) => verb.run(session).await,
        Command::Images(verb) => return verb.run(session).await,
        Command::PsExec(args) => return one_off::exec(session, args).await,
        Command::Run(args) => return one_off::run(session, args).await,
        Command::RunDetached(args) => one_off::detached(session, args).await,
        Command::RunInside(args) => return one_off::inside(session, args).await,
    };
    done.map(|()| 0)
}

impl Command {
    /// How the result is wanted; a script and git's question have one form only.
    fn print(&self) -> Print {
        match self {
            Self::Completions(_) | Self::GitCredentials(_) | Self::Heroku(_) => Print::default(),
            Self::Env(args) => args.print,
            Self::Man(args) => args.print,
            Self::Login(verb) => verb.print(),
            Self::TwoFactor(verb) => verb.print(),
            Self::Password(verb) => verb.print(),
            Self::TeamApps(verb) => verb.print(),
            Self::AppsErrors(args) => args.on.print,
            Self::AppsMetrics(args) => args.on.print,
            Self::Autoscale(verb) => verb.print(),
            Self::Favorites(verb) => verb.print(),
            Self::Transfers(verb) => verb.print(),
            Self::Access(verb) => verb.print(),
            Self::Teams(verb) => verb.print(),
            Self::Members(verb) => verb.print(),
            Self::Pipelines(verb) => verb.print(),
            Self::Authorizations(verb) => verb.print(),
            Self::OauthClients(verb) => verb.print(),
            Self::SshKeys(verb) => verb.print(),
            Self::Accounts(verb) => verb.print(),
            Self::Disk(args) => args.print,
            Self::AppsCreate(args) => args.print,
            Self::AppsInfo(args) => args.on.print,
            Self::AppsDestroy(args) => args.on.print,
            Self::AppsRename(args) => args.on.print,
            Self::AppsSetup(args) => args.print,
            Self::AppsOpen(args) => args.on.print,
            Self::Builds(verb) => verb.print(),
            Self::Config(args) => args.on.print,
            Self::ConfigGet(args) => args.on.print,
            Self::ConfigSet(args) => args.on.print,
            Self::ConfigUnset(args) | Self::ConfigWriteOnly(args) => args.on.print,
            Self::Features(verb) => verb.print(),
            Self::GitRemote(args) => args.print,
            Self::Logs(args) => args.on.print,
            Self::Maintenance(args) | Self::MaintenanceOn(args) | Self::MaintenanceOff(args) => args.on.print,
            Self::Ps(args) => args.on.print,
            Self::PsRestart(args) => args.on.print,
            Self::PsScale(args) => args.on.print,
            Self::PsStop(args) => args.on.print,
            Self::PsType(args) => args.on.print,
            Self::Releases(verb) => verb.print(),
            Self::Images(verb) => verb.print(),
            Self::Idle(verb) => verb.print(),
            Self::PsExec(args) => args.on.print,
            Self::Run(args) => args.what.on.print,
            Self::RunDetached(args) => args.what.on.print,
            Self::RunInside(args) => args.run.what.on.print,
            Self::Buildpack(command) => command.print(),
            Self::Cert(command) => command.print(),
            Self::Domain(command) => command.print(),
            Self::Drain(command) => command.print(),
            Self::Telemetry(verb) => verb.print(),
            Self::Ci(verb) => verb.print(),
            Self::Webhook(command) => command.print(),
            Self::Notification(command) => command.print(),
            Self::Region(command) => command.print(),
            Self::Verification(verb) => verb.print(),
        }
    }
}
