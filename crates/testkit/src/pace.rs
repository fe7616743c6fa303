//! Due times at a fixed rate. What is late still counts from when it was due, so that a slow answer hides no other.

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};
use std::io::{Error, ErrorKind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Turns, so many a second, whoever takes them.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    begin: OnceLock<Instant>,
    due: Semaphore,
    taken: AtomicU64,
    /// How many turns there are at all: known at the end.
    turns: AtomicU64,
}

impl Pace {
    /// So many a second from [`Pace::until`] on.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let every = Duration::from_secs(1) / per_second.max(1);
        let (due, taken, turns) = (Semaphore::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { every, begin: OnceLock::new(), due, taken, turns }
    }

    /// Gives turns until `over`; those that are due by then are still taken. `takers`: who may be waiting for one.
    ///
    /// # Errors
    /// What the kernel's timer says.
    pub async fn until(&self, over: impl Future<Output = ()>, takers: usize) -> Result<(), Error> {
        // tokio's own timer knows milliseconds only; the kernel's is exact.
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let step = Timespec::try_from(self.every).map_err(|_| Error::from(ErrorKind::InvalidInput))?;
        self.begin.get_or_init(Instant::now);
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: step, it_value: step })?;
        // No pipe, but to wait for and to read it is the same.
        let mut timer = pipe::Receiver::from_owned_fd_unchecked(timer)?;
        let mut given = 0_u64;
        tokio::pin!(over);
        loop {
            let ticks = tokio::select! {
                () = &mut over => break,
                ticks = timer.read_u64_le() => ticks?.to_le(),
            };
            given += ticks;
            self.due.add_permits(usize::try_from(ticks).unwrap_or(usize::MAX));
        }
        self.turns.store(given, Ordering::SeqCst);
        // Everybody looks once more, and sees the end.
        self.due.add_permits(takers);
        Ok(())
    }

    /// Waits for the next turn; when it was due. `None` after the last.
    pub async fn turn(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let number = self.taken.fetch_add(1, Ordering::SeqCst);
        if number >= self.turns.load(Ordering::SeqCst) {
            return None;
        }
        let after = self.every * u32::try_from(number + 1).unwrap_or(u32::MAX);
        Some(*self.begin.get()? + after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_that_nobody_was_there_for_are_still_given_with_the_time_they_were_due() {
        let pace = Pace::new(1000);
        pace.until(tokio::time::sleep(Duration::from_millis(50)), 1).await.unwrap();
        let begin = *pace.begin.get().unwrap();
        let mut due = Vec::new();
        while let Some(at) = pace.turn().await {
            due.push(at);
        }
        assert!((40..=60).contains(&due.len()), "{} turns in 50 ms", due.len());
        assert!(due.iter().zip(1..).all(|(at, number)| *at == begin + Duration::from_millis(number)));
    }
}
