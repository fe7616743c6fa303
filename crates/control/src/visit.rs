//! A visit: one SSH connection into a dyno, by a reservation. Whether its account still may is asked again for everything that
//! it wants.

use crate::account::AccountError;
use crate::dyno::DynoError;
use crate::gate::{Authorized, GateError};
use crate::program::Program;
use crate::{Control, dyno, journal, sandbox};
use model::app::App;
use model::dyno::Dyno;
use model::permission::Right;
use model::reservation::{NotReserved, Use, Wish};
use runtime::{Attach, AttachError, Connection, DynoControl, WindowSize};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use store::StoreError;

/// Where a path begins that does not begin at the root.
const HOME: &str = "/app";

/// Addresses of one name that are tried.
const ADDRESSES_LIMIT: usize = 4;

/// A terminal that is larger is a mistake.
const SIZE_LIMIT: u32 = 1000;

/// Why a visitor does not get what they want.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// Nobody has such a user name.
    #[error("this user name is not reserved; ask for another")]
    Unknown,
    /// Not for this, or not any more.
    #[error(transparent)]
    NotReserved(#[from] NotReserved),
    /// The token was taken back.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The right was taken back.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The dyno has ended, or nobody is let in.
    #[error(transparent)]
    Dyno(#[from] DynoError),
    /// The dyno refused.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// No address of that name.
    #[error("{0} has no address")]
    NoAddress(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who has come in.
pub struct Visit {
    control: Control,
    reservation: String,
    number: u64,
    client_user: String,
}

/// A terminal as its client describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// `xterm`, for example.
    pub term: String,
    /// Its width, in characters.
    pub columns: u32,
    /// Its height.
    pub rows: u32,
}

impl Control {
    /// Lets somebody in by the user name that they were given.
    ///
    /// # Errors
    /// Nobody has it, it was used or is too old, or what it stood for is not true any more.
    pub async fn visit(&self, client_user: &str) -> Result<Visit, VisitError> {
        let (reservation, _) = self.reservations.of_user(client_user).ok_or(VisitError::Unknown)?;
        let number = self.reservations.visit();
        let visit = Visit { control: self.clone(), reservation, number, client_user: client_user.to_owned() };
        visit.may(Wish::Enter).await?;
        Ok(visit)
    }
}

/// What somebody may do now.
struct Allowed {
    app: Authorized<App>,
    dyno: Dyno,
    handle: DynoControl,
    /// What the reservation had been used for.
    before: Use,
}

impl Visit {
    async fn may(&self, wish: Wish) -> Result<Allowed, VisitError> {
        let control = &self.control;
        let (_, reservation) = control.reservations.of_user(&self.client_user).ok_or(VisitError::Unknown)?;
        let entry = control.authenticate_hash(&reservation.token_sha256).await?;
        let app = control.app(&entry.account, &reservation.app.to_string(), Right::Run).await?;
        let (dyno, handle) = dyno::running(control, &app, &reservation.dyno.to_string()).await?;
        let before = control.reservations.put_to_use(&self.reservation, wish, self.number, control.now())?;
        Ok(Allowed { app, dyno, handle, before })
    }

    /// Starts a program as `ps:exec` does; a shell when none is named.
    ///
    /// # Errors
    /// When it may not, or cannot be started.
    pub async fn program(&self, command: Option<&str>, terminal: Option<Terminal>) -> Result<Program, VisitError> {
        let command = command.map(str::trim).filter(|command| !command.is_empty()).unwrap_or("bash");
        if command.len() > dyno::COMMAND_LIMIT_BYTES {
            return Err(DynoError::CommandTooLong.into());
        }
        let Allowed { app, dyno, handle, .. } = self.may(Wish::Program).await?;
        let env = terminal.iter().map(|terminal| ("TERM".to_owned(), terminal.term.replace('\0', ""))).collect();
        let attach = Attach { terminal: terminal.as_ref().map(Terminal::size) };
        let spec = sandbox::program(&self.control, &dyno, command, &env, attach).await.map_err(DynoError::from)?;
        self.say(&app, format!("Starting process with command `{command}` in {}", dyno.name)).await;
        Ok(Program::of(handle.exec(spec).await?))
    }

    /// A regular file of the dyno, to be read; a relative path begins at `/app`.
    ///
    /// # Errors
    /// When it may not, or the dyno may not.
    pub async fn file(&self, path: &str) -> Result<File, VisitError> {
        let Allowed { app, dyno, handle, .. } = self.may(Wish::Program).await?;
        self.say(&app, format!("Reading file `{path}` in {}", dyno.name)).await;
        Ok(handle.file(Path::new(HOME).join(path)).await?)
    }

    /// A connection from inside the dyno. `0.0.0.0` and `localhost` are the dyno; a name is looked up here, by the resolvers
    /// that dynos use too.
    ///
    /// # Errors
    /// When it may not, or nobody answers.
    pub async fn connect(&self, host: &str, port: u16) -> Result<Connection, VisitError> {
        let Allowed { app, dyno, handle, before } = self.may(Wish::Forward).await?;
        if before == Use::Fresh {
            self.say(&app, format!("Forwarding ports of {}", dyno.name)).await;
        }
        let mut refused = VisitError::NoAddress(host.to_owned());
        for address in addresses(host, port).await {
            match handle.connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }

    async fn say(&self, app: &Authorized<App>, what: String) {
        let said = format!("{what} by user {}", app.by().email);
        journal::api(&self.control, app.id, self.control.now(), said).await;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.control.reservations.leave(&self.reservation, self.number);
    }
}

impl Terminal {
    fn size(&self) -> WindowSize {
        WindowSize { columns: in_characters(self.columns, 80), rows: in_characters(self.rows, 24) }
    }
}

/// A side of a terminal; what makes no sense is what every terminal once had.
#[must_use]
pub fn in_characters(said: u32, usual: u16) -> u16 {
    let sensible = (1..=SIZE_LIMIT).contains(&said);
    u16::try_from(said).ok().filter(|_| sensible).unwrap_or(usual)
}

async fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    let own = |ip: IpAddr| ip.is_unspecified() || ip.is_loopback();
    let dyno = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return vec![dyno];
    }
    match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) if own(ip) => vec![dyno],
        Ok(ip) => vec![(ip, port).into()],
        Err(_name) => match tokio::net::lookup_host((host, port)).await {
            Ok(found) => found.take(ADDRESSES_LIMIT).map(|one| if own(one.ip()) { dyno } else { one }).collect(),
            Err(_unknown) => Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_dyno_goes_by_many_addresses() {
        for host in ["", "localhost", "LOCALHOST", "0.0.0.0", "127.0.0.1", "127.9.9.9", "::", "::1", "::ffff:127.0.0.1"]
        {
            assert_eq!(addresses(host, 80).await, ["127.0.0.1:80".parse().unwrap()], "{host}");
        }
        assert_eq!(addresses("10.0.0.7", 80).await, ["10.0.0.7:80".parse().unwrap()]);
        assert_eq!(addresses("no such name", 80).await, []);
    }

    #[test]
    fn terminals_have_sensible_sizes() {
        for (said, want) in [(0, 80), (1, 1), (1000, 1000), (1001, 80), (u32::MAX, 80)] {
            assert_eq!(in_characters(said, 80), want);
        }
    }
}
