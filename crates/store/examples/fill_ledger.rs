//! Fills the ledger of a data folder whose server is stopped, for measurements: `fill_ledger DIR APPS RELEASES`.
//!
//! Every app that is there gets as many releases of the code that it runs as a new one gets without code: RELEASES over APPS.
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

    async fn release(&mut self, tx: &mut Tx, app: AppId, slug: Option<SlugId>) {
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
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, apps, releases] = words.as_slice() else { panic!("fill_ledger DIR APPS RELEASES") };
    let (apps, releases): (usize, usize) = (apps.parse().unwrap(), releases.parse().unwrap());
    let mut ledger = Ledger::open(Path::new(folder)).await;
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
    let mut turn = all.iter().cycle();
    while left > 0 {
        let mut tx = ledger.store.begin().await.unwrap();
        for (app, slug) in turn.by_ref().take(left.min(AT_ONCE)) {
            ledger.release(&mut tx, *app, *slug).await;
        }
        tx.commit().await.unwrap();
        left -= left.min(AT_ONCE);
    }
    ledger.store.close().await;
    println!("releases {releases} {apps}");
}
