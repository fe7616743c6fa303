//! Fills the ledger of a data folder whose server is stopped, for measurements: `fill_ledger DIR APPS RELEASES DAYS_AGO`.
//!
//! Every app that is there gets as many releases of the code that it runs as a new one gets without code: RELEASES over APPS. The newest went
//! live so many days before the data folder's newest app was made, the others every 14 hours before it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measuring program ends at the first surprise"
)]

use model::app::App;
use model::config_var::ConfigVars;
use model::id::{AccountId, AppId, ReleaseId, SlugId};
use model::release::{Release, ReleaseStatus};
use model::stack::Stack;
use model::time::Timestamp;
use std::path::Path;
use store::{Store, Tx, Vault};
use uuid::Uuid;

/// Releases that are committed together.
const AT_ONCE: usize = 1000;

/// Between two releases of an app going live: 50 fit the month that metrics are asked for.
const APART: i64 = 14 * 3600 * 1_000_000;

const DAY: i64 = 24 * 3600 * 1_000_000;

struct Ledger {
    store: Store,
    by: AccountId,
    /// The last id that was made up.
    id: u128,
    at: Timestamp,
}

impl Ledger {
    async fn open(folder: &Path) -> Self {
        let hex = std::fs::read_to_string(folder.join("master.key")).unwrap();
        let hex = hex.trim().as_bytes();
        let key: Vec<u8> =
            hex.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect();
        let store = Store::open(&folder.join("flowline.db"), Vault::new(&key).unwrap()).await.unwrap();
        let by = store::account::list(store.db()).await.unwrap()[0].id;
        let known = store::app::list(store.db()).await.unwrap();
        let at = known.iter().map(|app| app.created_at).max().unwrap_or(Timestamp(0));
        // Runs that follow each other must not make up the same ids.
        let id = (u128::try_from(known.len()).unwrap() << 64) | 0x4000_8000_0000_0000;
        Self { store, by, id, at }
    }

    fn next(&mut self) -> Uuid {
        self.id += 1;
        Uuid::from_u128(self.id)
    }

    async fn app(&mut self, number: usize) -> AppId {
        let app = App {
            id: AppId(self.next()),
            name: format!("ledger-{number}").parse().unwrap(),
            owner: self.by,
            team: None,
            locked: false,
            region: "us".into(),
            stack: Stack::default(),
            maintenance: false,
            buildpack: None,
            created_at: self.at,
            updated_at: self.at,
        };
        let mut tx = self.store.begin().await.unwrap();
        store::app::insert(&mut tx, &app).await.unwrap();
        tx.commit().await.unwrap();
        app.id
    }

    /// The release of an app's turn: the later its turn, the longer ago.
    async fn release(&mut self, tx: &mut Tx, (app, slug): (AppId, Option<SlugId>), turn: usize) {
        let live_at = Timestamp(self.at.0 - i64::try_from(turn).unwrap() * APART);
        let release = Release {
            id: ReleaseId(self.next()),
            app,
            version: store::release::next_version(tx, app).await.unwrap(),
            status: ReleaseStatus::Succeeded,
            description: "Set A config vars".into(),
            slug,
            by: self.by,
            output_secret: None,
            created_at: self.at,
            updated_at: self.at,
        };
        store::release::insert(tx, &release, &ConfigVars::new()).await.unwrap();
        store::release_step::made(tx, release.id, "promotion").await.unwrap();
        store::release_step::live(tx, release.id, live_at).await.unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, apps, releases, days_ago] = words.as_slice() else { panic!("fill_ledger DIR APPS RELEASES DAYS_AGO") };
    let (apps, releases): (usize, usize) = (apps.parse().unwrap(), releases.parse().unwrap());
    let mut ledger = Ledger::open(Path::new(folder)).await;
    ledger.at = Timestamp(ledger.at.0 - days_ago.parse::<i64>().unwrap() * DAY);
    let mut all: Vec<(AppId, Option<SlugId>)> = Vec::new();
    for app in store::app::list(ledger.store.db()).await.unwrap() {
        let current = store::release::current(ledger.store.db(), app.id).await.unwrap();
        all.push((app.id, current.and_then(|release| release.slug)));
    }
    while all.len() < apps {
        let app = ledger.app(all.len()).await;
        all.push((app, None));
    }
    let mut left = releases;
    let mut turns = all.iter().cycle().zip(0..);
    while left > 0 {
        let mut tx = ledger.store.begin().await.unwrap();
        for (app, place) in turns.by_ref().take(left.min(AT_ONCE)) {
            ledger.release(&mut tx, *app, place / all.len()).await;
        }
        tx.commit().await.unwrap();
        left -= left.min(AT_ONCE);
    }
    ledger.store.close().await;
    println!("releases {releases} {apps}");
}
