//! Where a client meets the program it asked for (DYNO-52): the API gives out an address with a secret, whoever says the
//! secret first is connected.

use crate::same_secret;
use crate::session::Session;
use model::world::World;
use runtime::WindowSize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Sessions that wait or are open, over all apps: each holds some sockets and descriptors of this process.
const SESSIONS_LIMIT: usize = 256;

/// The first part of a secret names its session, so that nothing is found by comparing secrets.
const NAME_BYTES: usize = 8;
const NAME_DIGITS: usize = 2 * NAME_BYTES;

/// New sizes on their way to a terminal; a person drags a window no faster.
const SIZES_WAITING: usize = 8;

/// A terminal that is larger is a mistake.
const SIZE_LIMIT: u16 = 1000;

/// What a client gets: its session, or why there is none.
pub(crate) type Answer = Result<Session, String>;

/// All sessions, by the names in their secrets.
#[derive(Default)]
pub(crate) struct Desk(Mutex<HashMap<String, Seat>>);

struct Seat {
    secret: String,
    state: State,
}

enum State {
    /// Nobody has said the secret yet.
    Awaited(oneshot::Sender<oneshot::Sender<Answer>>),
    /// Somebody has; with the secret they may only say how large their terminal is now.
    Taken(mpsc::Sender<WindowSize>),
}

/// A session that waits for its client. When this goes, so does the session.
pub(crate) struct Awaited {
    client: oneshot::Receiver<oneshot::Sender<Answer>>,
    pub(crate) place: Place,
}

/// A session's place; free when this goes.
pub(crate) struct Place {
    desk: Arc<Desk>,
    name: String,
}

/// What came of a client's first line.
pub(crate) enum Said {
    /// The secret of a session that waits.
    Claimed {
        session: oneshot::Receiver<Answer>,
        sizes: mpsc::Receiver<WindowSize>,
        /// At the end the client wants to be told the program's exit status.
        wants_status: bool,
    },
    /// Another size for a session that is open.
    Resized,
    /// Neither.
    Nothing,
}

impl Desk {
    fn seats(&self) -> MutexGuard<'_, HashMap<String, Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new session and its secret; none when there are too many.
    pub(crate) fn open(self: &Arc<Self>, world: &dyn World) -> Option<(Awaited, String)> {
        let (name, secret) = (world.secret::<NAME_BYTES>(), world.secret::<32>());
        let (client, claimed) = oneshot::channel();
        let mut seats = self.seats();
        if seats.len() >= SESSIONS_LIMIT {
            return None;
        }
        seats.insert(name.clone(), Seat { secret: secret.clone(), state: State::Awaited(client) });
        let address = format!("{name}{secret}");
        Some((Awaited { client: claimed, place: Place { desk: Arc::clone(self), name } }, address))
    }

    /// A client's first line: `SECRET`; `SECRET status` from one who wants the exit status at the end; `SECRET 100x30` for
    /// a session that is open.
    pub(crate) fn said(&self, line: &str) -> Said {
        let line = line.trim_end();
        let (address, wish) = line.split_once(' ').map_or((line, None), |(address, wish)| (address, Some(wish)));
        let Some((name, secret)) = address.split_at_checked(NAME_DIGITS) else { return Said::Nothing };
        let mut seats = self.seats();
        let Some(seat) = seats.get_mut(name).filter(|seat| same_secret(&seat.secret, secret)) else {
            return Said::Nothing;
        };
        match (&mut seat.state, wish) {
            (State::Taken(sizes), Some(size)) => match size_of(size) {
                Some(size) if sizes.try_send(size).is_ok() => Said::Resized,
                Some(_) | None => Said::Nothing,
            },
            (State::Awaited(_), None | Some("status")) => {
                let (tell, sizes) = mpsc::channel(SIZES_WAITING);
                let (answer, session) = oneshot::channel();
                let State::Awaited(waiting) = std::mem::replace(&mut seat.state, State::Taken(tell)) else {
                    return Said::Nothing;
                };
                match waiting.send(answer) {
                    Ok(()) => Said::Claimed { session, sizes, wants_status: wish.is_some() },
                    Err(_nobody_waits) => Said::Nothing,
                }
            }
            (State::Awaited(_), Some(_)) | (State::Taken(_), None) => Said::Nothing,
        }
    }
}

impl Awaited {
    /// Waits for the client. Give it up, and nobody can come any more.
    pub(crate) async fn client(&mut self) -> Option<oneshot::Sender<Answer>> {
        (&mut self.client).await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.seats().remove(&self.name);
    }
}

/// The size of the client's terminal, as its environment tells (DYNO-57), or the one that every terminal once had.
pub(crate) fn size_in(env: &std::collections::BTreeMap<String, String>) -> WindowSize {
    let number = |name: &str| env.get(name)?.parse().ok().filter(|number| (1..=SIZE_LIMIT).contains(number));
    WindowSize { columns: number("COLUMNS").unwrap_or(80), rows: number("LINES").unwrap_or(24) }
}

/// `100x30`.
fn size_of(text: &str) -> Option<WindowSize> {
    let (columns, rows) = text.split_once('x')?;
    let number = |text: &str| text.parse().ok().filter(|number| (1..=SIZE_LIMIT).contains(number));
    Some(WindowSize { columns: number(columns)?, rows: number(rows)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[tokio::test]
    async fn dyno_52_a_secret_works_once_and_only_whole() {
        let (desk, world) = (Arc::new(Desk::default()), Dice::default());
        let (mut awaited, secret) = desk.open(&world).unwrap();
        let (_other, another) = desk.open(&world).unwrap();
        let mixed = format!("{}{}", &secret[..NAME_DIGITS], &another[NAME_DIGITS..]);
        for wrong in
            ["", "x", &secret[..NAME_DIGITS], &secret[..79], &mixed, &format!("{secret}0"), "ä".repeat(40).as_str()]
        {
            assert!(matches!(desk.said(wrong), Said::Nothing), "{wrong}");
        }
        assert!(matches!(desk.said(&format!("{secret} 100x30")), Said::Nothing), "not yet open");
        let Said::Claimed { session, mut sizes, wants_status: false } = desk.said(&format!("{secret}\r\n")) else {
            panic!("refused")
        };
        assert!(matches!(desk.said(&secret), Said::Nothing), "again");
        let client = awaited.client().await.unwrap();
        assert!(client.send(Err("no".into())).is_ok());
        assert_eq!(session.await.unwrap().err().as_deref(), Some("no"));
        assert!(matches!(desk.said(&format!("{secret} 100x30\r\n")), Said::Resized));
        assert_eq!(sizes.recv().await, Some(WindowSize { columns: 100, rows: 30 }));
        for wrong in ["0x1", "1x1001", "x", "1", "-1x5", "1x1x1"] {
            assert!(matches!(desk.said(&format!("{secret} {wrong}")), Said::Nothing), "{wrong}");
        }
        drop(awaited);
        assert!(matches!(desk.said(&format!("{secret} 100x30")), Said::Nothing), "it is over");
    }

    #[test]
    fn sessions_are_limited_and_their_places_come_back() {
        let (desk, world) = (Arc::new(Desk::default()), Dice::default());
        let mut open: Vec<_> = Vec::new();
        while let Some(session) = desk.open(&world) {
            open.push(session);
            assert!(open.len() <= SESSIONS_LIMIT);
            // A name that is drawn twice takes the earlier one's place.
            if open.len() > 200 {
                break;
            }
        }
        open.clear();
        assert!(desk.seats().is_empty());
    }
}
