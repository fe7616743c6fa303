//! What dynos use, looked at from time to time: warnings, the end of those that go much too far, and the lines of
//! `log-runtime-metrics`.

use crate::{Control, journal, life};
use model::dyno::{Dyno, DynoState, OutOfMemory};
use model::feature::Feature;
use model::id::{AppId, DynoId};
use model::memory::{self, Usage, Verdict, judge};
use model::sample::{self, Load, Measured, PERIOD};
use runtime::DynoControl;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// One dyno at the last look.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    cpu_us: u64,
    load: Load,
}

/// Looks at every dyno from time to time.
pub(crate) fn look_after(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        let mut seen = HashMap::new();
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            seen = look(&control, seen).await;
        }
    });
}

async fn look(control: &Control, mut before: HashMap<DynoId, Seen>) -> HashMap<DynoId, Seen> {
    let told = match store::feature::apps(control.store.db(), Feature::RuntimeMetrics).await {
        Ok(apps) => apps.into_iter().collect(),
        Err(error) => {
            tracing::warn!(%error, "Which apps want runtime metrics is not known");
            HashSet::new()
        }
    };
    let (mut seen, mut figures) = (HashMap::new(), HashMap::<AppId, Vec<Measured>>::new());
    for (dyno, handle, usage) in measured(control).await {
        let now = after(before.remove(&dyno.id), &usage);
        seen.insert(dyno.id, now);
        if told.contains(&dyno.app) {
            for line in sample::lines(&dyno, now.load, &usage) {
                journal::dyno(control, dyno.app, &dyno.name, line).await;
            }
        }
        if control.logs.wants_figures(dyno.app) {
            figures.entry(dyno.app).or_default().push(Measured::of(&dyno, &usage));
        }
        hold_to_quota(control, &dyno, &handle, usage.counted_bytes()).await;
    }
    figures.iter().for_each(|(app, measured)| control.logs.measured(*app, measured));
    seen
}

/// Every dyno that does something, with what it uses. A frozen one can use no more than before.
async fn measured(control: &Control) -> Vec<(Dyno, DynoControl, Usage)> {
    let mut dynos = control.registry.running();
    dynos.retain(|(dyno, handle)| dyno.state != DynoState::Stopping && !handle.is_frozen());
    // The kernel may take its time to add up what many dynos use.
    let read = tokio::task::spawn_blocking(move || {
        let usage = |(dyno, handle): (Dyno, DynoControl)| handle.usage().map(|usage| (dyno, handle, usage));
        dynos.into_iter().filter_map(usage).collect()
    });
    read.await.unwrap_or_default()
}

fn after(before: Option<Seen>, usage: &Usage) -> Seen {
    let (at, cpu_us) = (Instant::now(), usage.cpu_us);
    let load = before.map(|before| {
        let cpu = Duration::from_micros(cpu_us.saturating_sub(before.cpu_us));
        before.load.after(at.duration_since(before.at), cpu)
    });
    Seen { at, cpu_us, load: load.unwrap_or_default() }
}

async fn hold_to_quota(control: &Control, dyno: &Dyno, handle: &DynoControl, counted_bytes: u64) {
    let verdict = judge(dyno.size, counted_bytes);
    for line in memory::lines(dyno.size, counted_bytes, verdict) {
        journal::dyno(control, dyno.app, &dyno.name, line).await;
    }
    match verdict {
        Verdict::Within | Verdict::Exceeded => {}
        Verdict::VastlyExceeded => life::kill(handle),
    }
}

/// Says why a dyno ended, when it was for want of memory: at its own limit (R15), or because the machine had no more.
pub(crate) async fn explain_end(control: &Control, dyno: &Dyno, why: Option<OutOfMemory>) {
    let lines = match why {
        Some(OutOfMemory::Dyno) => {
            let most = dyno.size.limits().memory_hard_bytes;
            memory::lines(dyno.size, most, Verdict::VastlyExceeded)
        }
        Some(OutOfMemory::Machine) => {
            vec!["The machine ran out of memory".to_owned(), "Stopping process with SIGKILL".to_owned()]
        }
        None => Vec::new(),
    };
    for line in lines {
        journal::dyno(control, dyno.app, &dyno.name, line).await;
    }
}
