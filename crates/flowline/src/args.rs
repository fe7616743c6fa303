//! The command line of the binary: the server's own verbs beside those of the client.

use crate::logging::Format;
use clap::{Args, Parser, Subcommand};
use control::MailSettings;
use model::account::Email;
use model::alarm::CALM_AFTER;
use model::autoscale::WINDOW;
use model::budget::{self, Budgets};
use model::smtp::{self, BadSmtp, SmtpServer};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Continuous delivery on machines you own: git push, review, promote.
#[derive(Debug, Parser)]
#[command(name = "flowline", version, max_term_width = 110, after_help = cli::HELP, disable_help_subcommand = true)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Believe the authorities of this PEM file and no others, for a server with an https address; `login` keeps it with the
    /// server [env: FLOWLINE_CA]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the server: API, git, builds, dynos; starts the router beside it
    Serve(Box<Serve>),
    /// Try it: start a server in this folder, push a sample app, show where it answers
    Demo(Demo),
    /// Say what this machine gives Flowline, and what is missing
    Doctor(Doctor),
    #[command(flatten)]
    Client(cli::Command),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The data folder; made when missing
    #[arg(long, value_name = "DIR", default_value = ".flowline")]
    pub(crate) data: PathBuf,
    /// Where the API and git listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7700")]
    pub(crate) listen: SocketAddr,
    /// Where the router listens for the apps' visitors; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7780")]
    pub(crate) apps: SocketAddr,
    /// Where clients meet the programs that they run, by TLS; port 0 takes any free one. On 0.0.0.0 they come by the name
    /// that they know the API by
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) rendezvous: SocketAddr,
    /// Where the API and git listen by TLS, with a certificate of Flowline's own authority (`ca.pem`); with port 0 the one of the
    /// last start, if it is free
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) tls: SocketAddr,
    /// Where `ps:exec` and its like are reached by SSH without `flowline heroku`; the official command line knows port 80 only.
    /// Without this they come over the API's port
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) ssh: Option<SocketAddr>,
    /// A name or an address that clients know this server by, for its certificate; can be given several times
    #[arg(long = "name", value_name = "HOST")]
    pub(crate) names: Vec<String>,
    /// How long a program waits for its client there
    #[arg(long, value_name = "SECONDS", default_value_t = 60, hide = true)]
    pub(crate) attach_limit_s: u64,
    /// Apps answer at NAME.DOMAIN
    #[arg(long, default_value = "localhost")]
    pub(crate) domain: String,
    /// DNS entries of custom domains point to names below this one, which have to lead to this machine; else below
    /// dns.DOMAIN
    #[arg(long, value_name = "SUFFIX")]
    pub(crate) dns_target: Option<String>,
    /// What the address to push to begins with, https://git.example.com for example; else where a client found the API
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub(crate) git_url: Option<String>,
    /// Certificate authorities that the servers of log drains and webhooks may come with, beside the system's
    #[arg(long, value_name = "PEM")]
    pub(crate) drain_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) mail: MailArgs,
    /// Let dynos run for more than a day; else each is replaced once in 24 to 28 hours
    #[arg(long)]
    pub(crate) no_cycling: bool,
    /// Stop an app that has been frozen for this long; a frozen one answers at once but keeps its memory
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    pub(crate) stop_frozen_after: u32,
    /// Where the router tells its figures to Prometheus, without a token: a loopback address; else at 127.0.0.1 and the port
    /// of --apps plus 10
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) router_metrics: Option<SocketAddr>,
    /// A service of this machine that apps and builds may use, a database for example; can be given several times
    #[arg(long = "allow-host-service", value_name = "ADDR:PORT")]
    pub(crate) host_services: Vec<SocketAddr>,
    #[command(flatten)]
    pub(crate) budgets: BudgetArgs,
    /// Builds at the same time; more wait. Without it half as many as CPUs, and at least two
    #[arg(long, value_name = "COUNT", env = "FLOWLINE_BUILDS_AT_ONCE", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) builds_at_once: Option<u16>,
    /// What crashed counts as mended when it has run for so long
    #[arg(long, value_name = "SECONDS", default_value_t = CALM_AFTER.as_secs(), hide = true)]
    pub(crate) calm_after_s: u64,
    /// Response times of so long are looked at to scale apps
    #[arg(long, value_name = "SECONDS", default_value_t = WINDOW.as_secs(), hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) autoscale_window_s: u64,
    /// How the log on stderr looks
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) log_format: Format,
}

/// Where alarms are handed in as e-mail.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "E-mail (without --smtp-url there is none)")]
pub(crate) struct MailArgs {
    /// The mail server: smtps://USER:PASSWORD@HOST (TLS) or smtp://USER:PASSWORD@HOST (STARTTLS). The environment hides it from
    /// other users of this machine
    #[arg(long, value_name = "URL", env = "FLOWLINE_SMTP_URL", hide_env_values = true, value_parser = SmtpServer::parse)]
    smtp_url: Option<SmtpServer>,
    /// In whose name mails go; else flowline@DOMAIN
    #[arg(long, value_name = "ADDRESS", env = "FLOWLINE_SMTP_FROM", value_parser = smtp::sender)]
    smtp_from: Option<Email>,
    /// Certificate authorities that the mail server may come with, beside the system's
    #[arg(long, value_name = "PEM")]
    smtp_ca: Option<PathBuf>,
}

impl MailArgs {
    /// `None`: nobody is sent any mail.
    pub(crate) fn settings(&self, domain: &str) -> Result<Option<MailSettings>, BadSmtp> {
        let Some(server) = self.smtp_url.clone() else { return Ok(None) };
        let from = self.smtp_from.clone().map_or_else(|| smtp::sender(&smtp::default_sender(domain)), Ok)?;
        Ok(Some(MailSettings { server, from, authorities: self.smtp_ca.clone() }))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The data folder; made when missing
    #[arg(long, value_name = "DIR", default_value = ".flowline")]
    pub(crate) data: PathBuf,
    /// Where the API and git listen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7700")]
    pub(crate) listen: SocketAddr,
    /// Where the apps answer
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7780")]
    pub(crate) apps: SocketAddr,
    /// Stop as soon as the app has answered; the exit status says whether it did
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much of the disk each kind of thing may take.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Disk (sizes as 500M, 2G)")]
pub(crate) struct BudgetArgs {
    /// Slugs of each app that can be rolled back to
    #[arg(long, value_name = "COUNT", default_value_t = Budgets::default().kept_slugs, value_parser = count)]
    kept_slugs: usize,
    /// An app's repository; a push beyond it is refused [default: 2G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    repository_limit: Option<u64>,
    /// An app's build cache; a larger one is removed [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    cache_limit: Option<u64>,
    /// All build caches; the least recently used go first [default: 20G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    caches_limit: Option<u64>,
    /// All unpacked slugs that nothing runs; they are unpacked again when needed [default: 20G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    unpacked_limit: Option<u64>,
    /// All that builds and release commands printed [default: 2G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    outputs_limit: Option<u64>,
    /// What one dyno may write to /app and /tmp, at least 256M [default: eight times its memory, from 4G to 32G]
    #[arg(long, value_name = "SIZE", value_parser = dyno_disk)]
    dyno_disk: Option<u64>,
}

impl BudgetArgs {
    pub(crate) fn budgets(self) -> Budgets {
        let default = Budgets::default();
        Budgets {
            kept_slugs: self.kept_slugs,
            repository_bytes: self.repository_limit.unwrap_or(default.repository_bytes),
            cache_bytes: self.cache_limit.unwrap_or(default.cache_bytes),
            caches_bytes: self.caches_limit.unwrap_or(default.caches_bytes),
            unpacked_bytes: self.unpacked_limit.unwrap_or(default.unpacked_bytes),
            outputs_bytes: self.outputs_limit.unwrap_or(default.outputs_bytes),
            dyno_disk_bytes: self.dyno_disk,
        }
    }
}

fn web_address(text: &str) -> Result<String, String> {
    let web = text.starts_with("http://") || text.starts_with("https://");
    if web { Ok(text.to_owned()) } else { Err("write an address that begins with http:// or https://".to_owned()) }
}

fn size(text: &str) -> Result<u64, String> {
    budget::parse_size(text).ok_or_else(|| "write a size such as 500M or 2G".to_owned())
}

fn dyno_disk(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < budget::DYNO_DISK_LEAST_BYTES { Err("a dyno needs 256M at least".to_owned()) } else { Ok(bytes) }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "write a number from 1".to_owned())
}
