//! The route table: which host leads to which app, and what its web dynos can do for a request now.

use crate::app::AppName;
use crate::dyno::{Dyno, DynoState};
use crate::formation::Wanted;
use crate::id::{AppId, DynoId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One app as the router knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Whose log gets the request lines.
    pub app: AppId,
    /// Its name.
    pub name: AppName,
    /// Full host names, lower case, without a port.
    pub hosts: Vec<String>,
    /// What a request meets.
    pub web: Web,
}

/// What a request to an app meets (ROUTE-15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Web {
    /// H81: no release has code.
    Blank,
    /// H80.
    Maintenance,
    /// H14: scaled to 0, or no `web` type.
    NoWeb,
    /// Hold the request until there is more (H20 after 75 s).
    Starting,
    /// Its dynos are frozen or stopped on purpose until somebody wants them: hold the request and say so (H20 after 75 s).
    Asleep,
    /// H10.
    Crashed,
    /// Pass it to one of these, at random.
    Up {
        /// At least one.
        backends: Vec<Backend>,
    },
}

/// A web dyno that accepts connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backend {
    /// Which run of it.
    pub dyno: DynoId,
    /// `web.1`, for the log line.
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// What requests to an app meet, from what should run and what does. `wanted`: `None` while no release has code.
#[must_use]
pub fn web(maintenance: bool, wanted: Option<&Wanted>, dynos: &[Dyno]) -> Web {
    let Some(wanted) = wanted else { return Web::Blank };
    if maintenance {
        return Web::Maintenance;
    }
    let quantity = wanted.formation.iter().find(|entry| entry.process_type.is_web()).map_or(0, |entry| entry.quantity);
    let web: Vec<&Dyno> = dynos.iter().filter(|dyno| dyno.name.process_type.is_web()).collect();
    if quantity == 0 || !wanted.process_types.keys().any(crate::procfile::ProcessType::is_web) {
        return Web::NoWeb;
    }
    let up = |fresh: bool| -> Vec<Backend> {
        let serves = |dyno: &&&Dyno| dyno.state == DynoState::Up && is_fresh(wanted, dyno) == fresh;
        web.iter().filter(serves).filter_map(|dyno| backend(dyno)).collect()
    };
    let (new, old) = (up(true), up(false));
    let backends = if wanted.web_is_up(dynos) || old.is_empty() { new } else { old };
    if !backends.is_empty() {
        return Web::Up { backends };
    }
    let crashed = |dyno: &&Dyno| matches!(dyno.state, DynoState::Crashed { .. });
    if web.iter().any(crashed) && !web.iter().any(|dyno| dyno.state == DynoState::Starting) {
        Web::Crashed
    } else {
        Web::Starting
    }
}

fn is_fresh(wanted: &Wanted, dyno: &Dyno) -> bool {
    dyno.release == wanted.release && !dyno.retired
}

fn backend(dyno: &Dyno) -> Option<Backend> {
    dyno.addr.map(|addr| Backend { dyno: dyno.id, name: dyno.name.to_string(), addr })
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
