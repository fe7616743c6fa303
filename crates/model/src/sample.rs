//! What `log-runtime-metrics` tells of a dyno every now and then (DYNO-42).

use crate::dyno::Dyno;
use crate::memory::Usage;
use crate::time::Timestamp;
use std::time::Duration;

/// How often a dyno is looked at, also for its quota (DYNO-40).
pub const PERIOD: Duration = Duration::from_secs(20);

/// How busy a dyno was over the last minute, five and fifteen: 1 is one CPU in use all the time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    averages: [f64; 3],
}

impl Load {
    /// The times over which is averaged, in seconds.
    const SPANS_S: [f64; 3] = [60.0, 300.0, 900.0];

    /// After another `span`, in which the dyno used so much CPU time: as the kernel averages its own load.
    #[must_use]
    pub fn after(self, span: Duration, cpu: Duration) -> Self {
        let now = cpu.as_secs_f64() / span.as_secs_f64().max(f64::EPSILON);
        let mut averages = self.averages;
        for (average, span_s) in averages.iter_mut().zip(Self::SPANS_S) {
            let kept = (-span.as_secs_f64() / span_s).exp();
            *average = *average * kept + now * (1.0 - kept);
        }
        Self { averages }
    }
}

/// What a dyno used at one look, for those who draw curves of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// `web.1`.
    pub dyno: String,
    /// Since when it runs: its CPU time counts from here.
    pub since: Timestamp,
    /// What counts against its quota, in bytes.
    pub memory_bytes: u64,
    /// Its quota, in bytes.
    pub quota_bytes: u64,
    /// CPU time since its start, in microseconds.
    pub cpu_us: u64,
}

impl Measured {
    /// Of a dyno that uses this.
    #[must_use]
    pub fn of(dyno: &Dyno, usage: &Usage) -> Self {
        Self {
            dyno: dyno.name.to_string(),
            since: dyno.created_at,
            memory_bytes: usage.counted_bytes(),
            quota_bytes: dyno.size.limits().memory_bytes,
            cpu_us: usage.cpu_us,
        }
    }
}

/// The two lines.
#[must_use]
pub fn lines(dyno: &Dyno, load: Load, usage: &Usage) -> [String; 2] {
    // The number in the middle tells apps apart; here it is taken from the app's id.
    let app = dyno.app.0.as_fields().0;
    let head = format!("source={} dyno=heroku.{app}.{}", dyno.name, dyno.id);
    let [one, five, fifteen] = load.averages;
    let mb = |bytes: u64| format!("{}.{:02}MB", bytes >> 20, ((bytes & 0xf_ffff) * 100) >> 20);
    [
        format!("{head} sample#load_avg_1m={one:.2} sample#load_avg_5m={five:.2} sample#load_avg_15m={fifteen:.2}"),
        format!(
            "{head} sample#memory_total={} sample#memory_rss={} sample#memory_cache={} sample#memory_swap={} \
             sample#memory_pgpgin={}pages sample#memory_pgpgout={}pages sample#memory_quota={}",
            mb(usage.rss_bytes + usage.cache_bytes + usage.swap_bytes),
            mb(usage.rss_bytes),
            mb(usage.cache_bytes),
            mb(usage.swap_bytes),
            usage.pages_in,
            usage.pages_out,
            mb(dyno.size.limits().memory_bytes),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dyno::{DynoRole, DynoSize, DynoState};
    use crate::id::{AppId, DynoId, ReleaseId};
    use uuid::Uuid;

    fn dyno() -> Dyno {
        Dyno {
            id: DynoId(Uuid::from_u128(0xd97d_0ea7)),
            app: AppId(Uuid::from_u128(0x002a_dbce_u128 << 96)),
            name: "web.1".parse().unwrap(),
            role: DynoRole::Formation,
            size: DynoSize::Standard1X,
            command: "serve".into(),
            release: ReleaseId(Uuid::nil()),
            version: 3,
            addr: None,
            state: DynoState::Up,
            since: Timestamp(0),
            created_at: Timestamp(0),
            retired: false,
        }
    }

    #[test]
    fn dyno_42_two_lines_tell_load_and_memory() {
        let usage = Usage {
            rss_bytes: 22_250_781,
            cache_bytes: 1 << 19,
            pages_in: 348_836,
            pages_out: 343_403,
            ..Usage::default()
        };
        let [load, memory] = lines(&dyno(), Load { averages: [2.456, 1.06, 0.99] }, &usage);
        let head = "source=web.1 dyno=heroku.2808782.00000000-0000-0000-0000-0000d97d0ea7";
        assert_eq!(load, format!("{head} sample#load_avg_1m=2.46 sample#load_avg_5m=1.06 sample#load_avg_15m=0.99"));
        let told = "sample#memory_total=21.71MB sample#memory_rss=21.21MB sample#memory_cache=0.50MB sample#memory_swap=0.00MB \
                    sample#memory_pgpgin=348836pages sample#memory_pgpgout=343403pages sample#memory_quota=512.00MB";
        assert_eq!(memory, format!("{head} {told}"));
    }

    #[test]
    fn load_comes_and_goes_slowly() {
        let mut load = Load::default();
        for _ in 0..200 {
            load = load.after(PERIOD, PERIOD * 2);
        }
        assert!(load.averages.iter().all(|average| (1.95..=2.0).contains(average)), "{load:?}");
        let rested = load.after(PERIOD, Duration::ZERO);
        assert!(rested.averages[0] < 1.5 && rested.averages[2] > 1.9, "{rested:?}");
    }
}
