//! Reservations: who may come into which dyno by SSH, for how long. They are in memory only, and end with this process.

use crate::account::secret_hash;
use crate::gate::Authorized;
use crate::{Control, dyno, same_secret};
use model::app::App;
use model::dyno::{Dyno, DynoState};
use model::id::{AccountId, AppId, DynoId};
use model::reservation::{NotReserved, Use, Wish};
use model::time::Timestamp;
use model::world::World;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of all accounts. Each is some hundred bytes; more would be a loop that went wild.
const RESERVATIONS_LIMIT: usize = 1024;

/// Of one account. One more takes the place of its oldest that nobody has taken: people forward a handful of ports.
const OWN_LIMIT: usize = 32;

/// The first part of a secret names the reservation, so that nothing is found by comparing secrets.
const NAME_BYTES: usize = 8;
const NAME_DIGITS: usize = 2 * NAME_BYTES;

/// All of them, by the names in their secrets.
#[derive(Default)]
pub(crate) struct Reservations {
    open: Mutex<HashMap<String, Reservation>>,
    visits: AtomicU64,
}

/// Who may come into which dyno.
#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    secret: String,
    /// Good as long as the token is that it was asked for with.
    pub(crate) token_sha256: String,
    account: AccountId,
    pub(crate) app: AppId,
    pub(crate) dyno: DynoId,
    made_at: Timestamp,
    used: Use,
}

/// What a client gets.
#[derive(Debug, Clone)]
pub struct Reserved {
    /// The user name by which it comes in, which is the whole secret.
    pub client_user: String,
    /// Into this dyno.
    pub dyno: Dyno,
}

impl Reservations {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Reservation>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other visit has.
    pub(crate) fn visit(&self) -> u64 {
        self.visits.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps it; its secret, or none when there are too many.
    fn add(&self, world: &dyn World, reservation: Reservation) -> Option<String> {
        let now = reservation.made_at;
        let mut open = self.open();
        open.retain(|_, one| !one.used.is_over(now.since(one.made_at)));
        let own = open.iter().filter(|(_, one)| one.account == reservation.account);
        if own.clone().count() >= OWN_LIMIT {
            let free = own.filter(|(_, one)| !matches!(one.used, Use::Taken { .. }));
            let oldest = free.min_by_key(|(_, one)| one.made_at).map(|(name, _)| name.clone())?;
            open.remove(&oldest);
        }
        if open.len() >= RESERVATIONS_LIMIT {
            return None;
        }
        let name = world.secret::<NAME_BYTES>();
        let client_user = format!("{name}{}", reservation.secret);
        open.insert(name, reservation);
        Some(client_user)
    }

    /// The one that a user name belongs to, and its name.
    pub(crate) fn of_user(&self, client_user: &str) -> Option<(String, Reservation)> {
        let (name, secret) = client_user.split_at_checked(NAME_DIGITS)?;
        let found = self.open().get(name).filter(|one| same_secret(&one.secret, secret)).cloned()?;
        Some((name.to_owned(), found))
    }

    /// Uses it; what it was used for before.
    pub(crate) fn put_to_use(&self, name: &str, wish: Wish, visit: u64, now: Timestamp) -> Result<Use, NotReserved> {
        let mut open = self.open();
        let one = open.get_mut(name).ok_or(NotReserved::Late)?;
        let next = one.used.on(wish, visit, now.since(one.made_at))?;
        Ok(std::mem::replace(&mut one.used, next))
    }

    /// A visit is over: what it has taken is used up.
    pub(crate) fn leave(&self, name: &str, visit: u64) {
        let mut open = self.open();
        if open.get(name).is_some_and(|one| one.used == Use::Taken { visit }) {
            open.remove(name);
        }
    }
}

/// Reserves a way into a dyno for whoever holds this token.
///
/// # Errors
/// No such dyno, no process in it, nobody is let in, too many reservations.
pub async fn reserve(
    control: &Control,
    app: &Authorized<App>,
    which: &str,
    token: &str,
) -> Result<Reserved, dyno::DynoError> {
    let (dyno, _) = dyno::running(control, app, which).await?;
    let reservation = Reservation {
        secret: control.world.secret::<32>(),
        token_sha256: secret_hash(token),
        account: app.by().id,
        app: app.id,
        dyno: dyno.id,
        made_at: control.now(),
        used: Use::Fresh,
    };
    let client_user = control.reservations.add(&*control.world, reservation);
    Ok(Reserved { client_user: client_user.ok_or(dyno::DynoError::TooManySessions)?, dyno })
}

/// The dynos of an app that somebody could come into now, by name.
#[must_use]
pub fn list(control: &Control, app: &Authorized<App>) -> Vec<Dyno> {
    let mut dynos = dyno::list(control, app);
    dynos.retain(|dyno| dyno.state != DynoState::Stopping && control.registry.control(dyno.id).is_some());
    dynos
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use std::time::Duration;

    fn of(account: u128, made_at: Timestamp, secret: &str) -> Reservation {
        let id = uuid::Uuid::from_u128;
        Reservation {
            secret: secret.to_owned(),
            token_sha256: String::new(),
            account: id(account).into(),
            app: id(2).into(),
            dyno: id(3).into(),
            made_at,
            used: Use::Fresh,
        }
    }

    #[test]
    fn a_secret_opens_whole_only_and_a_taken_one_goes_with_its_visit() {
        let (reservations, dice) = (Reservations::default(), Dice::default());
        let now = Timestamp(0);
        let user = reservations.add(&dice, of(1, now, "secret")).unwrap();
        for wrong in ["", "x", &user[..NAME_DIGITS], &user[..user.len() - 1], &format!("{user}0"), "ääääääääää"]
        {
            assert!(reservations.of_user(wrong).is_none(), "{wrong}");
        }
        let (name, _) = reservations.of_user(&user).unwrap();
        let (mine, other) = (reservations.visit(), reservations.visit());
        assert_eq!(reservations.put_to_use(&name, Wish::Program, mine, now), Ok(Use::Fresh));
        assert_eq!(reservations.put_to_use(&name, Wish::Enter, other, now), Err(NotReserved::Used));
        reservations.leave(&name, other);
        assert!(reservations.of_user(&user).is_some());
        reservations.leave(&name, mine);
        assert!(reservations.of_user(&user).is_none());
    }

    #[test]
    fn an_account_has_so_many_and_the_oldest_makes_way() {
        let (reservations, dice) = (Reservations::default(), Dice::default());
        let start = Timestamp(0);
        let first = reservations.add(&dice, of(1, start, "first")).unwrap();
        let foreign = reservations.add(&dice, of(9, start, "foreign")).unwrap();
        let later = start.plus(Duration::from_secs(1));
        for _ in 0..OWN_LIMIT {
            reservations.add(&dice, of(1, later, "more")).unwrap();
        }
        assert!(reservations.of_user(&first).is_none() && reservations.of_user(&foreign).is_some());
        assert_eq!(reservations.open().len(), OWN_LIMIT + 1);
        let much_later = start.plus(model::reservation::FORWARD_LIMIT).plus(Duration::from_secs(2));
        reservations.add(&dice, of(1, much_later, "next day")).unwrap();
        assert_eq!(reservations.open().len(), 1);
    }
}
