//! Notifications of accounts on a real SQLite file: what broke is kept once, and who has read it for each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use model::account::Account;
use model::alarm::{Alarm, AlarmKey, AlarmKind, Health};
use model::app::App;
use model::collaborator::Collaborator;
use model::id::{AccountId, AppId, CollaboratorId, UserNotificationId};
use model::permission::{Permission, Permissions};
use model::pipeline::Stage;
use model::stack::Stack;
use model::time::Timestamp;
use model::user_notification::{KEPT_OF_APP, LISTED, Mended, UserNotification};
use sqlx::{Executor, SqlSafeStr};
use store::{Store, Vault};
use uuid::Uuid;

const AT: Timestamp = Timestamp(1_000);
const ADA: AccountId = AccountId(Uuid::from_u128(1));
const BOB: AccountId = AccountId(Uuid::from_u128(2));
const SHOP: AppId = AppId(Uuid::from_u128(11));
const FORUM: AppId = AppId(Uuid::from_u128(12));

async fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("flowline.db"), Vault::new(&[1; 32]).unwrap()).await.unwrap()
}

fn app(id: AppId, name: &str) -> App {
    App {
        id,
        name: name.parse().unwrap(),
        owner: ADA,
        team: None,
        locked: false,
        region: "us".into(),
        stack: Stack::default(),
        maintenance: false,
        buildpack: None,
        created_at: AT,
        updated_at: AT,
    }
}

/// Ada with two apps, and Bob, who sees one of them.
async fn people(dir: &tempfile::TempDir) -> Store {
    let store = open(dir).await;
    let mut tx = store.begin().await.unwrap();
    for (id, email) in [(ADA, "ada@example.org"), (BOB, "bob@example.org")] {
        store::account::insert(&mut tx, &Account::new(id, email.into(), AT)).await.unwrap();
    }
    for (id, name) in [(SHOP, "shop"), (FORUM, "forum")] {
        store::app::insert(&mut tx, &app(id, name)).await.unwrap();
    }
    let permissions: Permissions = [Permission::View].into_iter().collect();
    let id = CollaboratorId(Uuid::from_u128(21));
    let bob = Collaborator { id, app: SHOP, account: BOB, permissions, created_at: AT, updated_at: AT };
    store::collaborator::insert(&mut tx, &bob).await.unwrap();
    tx.commit().await.unwrap();
    store
}

fn key(app: AppId) -> AlarmKey {
    AlarmKey { app, kind: AlarmKind::Build, thing: String::new() }
}

fn broke(app: AppId, n: u32) -> UserNotification {
    let name = if app == SHOP { "shop" } else { "forum" };
    UserNotification {
        id: UserNotificationId(Uuid::from_u128(1000 * app.0.as_u128() + u128::from(n))),
        key: key(app),
        app_name: name.parse().unwrap(),
        stage: (n == 1).then_some(Stage::Staging),
        what: format!("Build {n} failed"),
        first_line: (n == 1).then(|| "fatal: no table".to_owned()),
        author: (n == 1).then(|| "ada@example.org".to_owned()),
        created_at: Timestamp(AT.0 + i64::from(n)),
        mended: None,
        read: false,
    }
}

async fn insert(store: &Store, one: &UserNotification) {
    let mut tx = store.begin().await.unwrap();
    store::user_notification::insert(&mut tx, one).await.unwrap();
    tx.commit().await.unwrap();
}

async fn mark(store: &Store, one: &UserNotification, account: AccountId, is_read: bool) {
    let mut tx = store.begin().await.unwrap();
    store::user_notification::mark(&mut tx, one.id, account, is_read, AT).await.unwrap();
    tx.commit().await.unwrap();
}

async fn of(store: &Store, account: AccountId) -> Vec<UserNotification> {
    store::user_notification::of_account(store.db(), account).await.unwrap()
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(store.db()).await.unwrap()
}

#[tokio::test]
async fn each_account_finds_what_broke_of_the_apps_that_it_sees_newest_first_and_marks_it_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = people(&dir).await;
    let [first, second, third] = [broke(SHOP, 1), broke(FORUM, 2), broke(SHOP, 3)];
    for one in [&first, &second, &third] {
        insert(&store, one).await;
    }
    assert_eq!(of(&store, ADA).await, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(of(&store, BOB).await, [third.clone(), first.clone()]);
    let find = async |account, id| store::user_notification::find(store.db(), account, id).await.unwrap();
    assert_eq!(find(BOB, second.id).await, None, "of an app that Bob does not see");
    mark(&store, &third, BOB, true).await;
    mark(&store, &third, BOB, true).await;
    assert_eq!(of(&store, BOB).await, [UserNotification { read: true, ..third.clone() }, first.clone()]);
    assert_eq!(find(BOB, third.id).await.map(|one| one.read), Some(true));
    assert!(of(&store, ADA).await.iter().all(|one| !one.read), "Ada has read nothing");
    mark(&store, &third, ADA, false).await;
    mark(&store, &third, BOB, false).await;
    assert_eq!(of(&store, BOB).await, [third.clone(), first.clone()]);
    let mut tx = store.begin().await.unwrap();
    assert!(store::collaborator::delete(&mut tx, CollaboratorId(Uuid::from_u128(21))).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!((of(&store, BOB).await, find(BOB, first.id).await), (vec![], None));
}

#[tokio::test]
async fn what_works_again_says_so_once_and_what_breaks_later_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = people(&dir).await;
    let (first, other) = (broke(SHOP, 1), broke(FORUM, 2));
    insert(&store, &first).await;
    insert(&store, &other).await;
    let mended = |n| Mended { what: format!("Build {n} succeeded"), failures: 2, at: Timestamp(AT.0 + n) };
    let mut tx = store.begin().await.unwrap();
    store::user_notification::mend(&mut tx, &key(SHOP), &mended(3)).await.unwrap();
    store::user_notification::mend(&mut tx, &key(SHOP), &mended(4)).await.unwrap();
    tx.commit().await.unwrap();
    let first = UserNotification { mended: Some(mended(3)), ..first };
    assert_eq!(of(&store, ADA).await, [other.clone(), first.clone()]);
    let again = broke(SHOP, 5);
    insert(&store, &again).await;
    assert_eq!(of(&store, ADA).await, [again, other, first]);
}

#[tokio::test]
async fn no_more_than_the_limits_are_listed_and_kept_and_who_has_read_all_sees_what_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = people(&dir).await;
    for n in 1..=KEPT_OF_APP + 3 {
        insert(&store, &broke(SHOP, n)).await;
    }
    insert(&store, &broke(FORUM, 1)).await;
    assert_eq!(count(&store, "SELECT COUNT(*) FROM user_notification").await, i64::from(KEPT_OF_APP) + 1);
    let numbers = |all: &[UserNotification]| all.iter().map(|one| one.created_at.0 - AT.0).collect::<Vec<_>>();
    let newest = |from: u32, to: u32| (i64::from(to)..=i64::from(from)).rev().collect::<Vec<_>>();
    let listed = of(&store, ADA).await;
    assert_eq!(numbers(&listed), newest(KEPT_OF_APP + 3, KEPT_OF_APP + 4 - LISTED));
    for one in &listed {
        mark(&store, one, ADA, true).await;
    }
    let both = of(&store, ADA).await;
    assert_eq!(numbers(&both), newest(KEPT_OF_APP + 3, KEPT_OF_APP + 4 - 2 * LISTED), "as many again");
    assert!(both.iter().enumerate().all(|(place, one)| one.read == (place < listed.len())));
}

#[tokio::test]
async fn marks_go_with_what_they_belong_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = people(&dir).await;
    let all = [broke(SHOP, 1), broke(SHOP, 2), broke(FORUM, 3)];
    for one in &all {
        insert(&store, one).await;
        mark(&store, one, ADA, true).await;
        mark(&store, one, BOB, true).await;
    }
    const MARKS: &str = "SELECT COUNT(*) FROM user_notification_read";
    assert_eq!(count(&store, MARKS).await, 6);
    let mut tx = store.begin().await.unwrap();
    store::user_notification::delete_older(&mut tx, all[1].created_at).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((of(&store, ADA).await.len(), count(&store, MARKS).await), (2, 4), "the oldest is gone");
    let mut tx = store.begin().await.unwrap();
    store::app::delete(&mut tx, SHOP).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((of(&store, ADA).await.len(), count(&store, MARKS).await), (1, 2), "the app is gone");
    let mut tx = store.begin().await.unwrap();
    store::account::delete(&mut tx, BOB).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((of(&store, ADA).await.len(), count(&store, MARKS).await), (1, 1), "Bob is gone");
}

#[tokio::test]
async fn what_was_broken_before_the_upgrade_is_there_and_can_be_mended() {
    let dir = tempfile::tempdir().unwrap();
    let store = people(&dir).await;
    let mut tx = store.begin().await.unwrap();
    for (app, healths) in [(SHOP, &[Health::Bad][..]), (FORUM, &[Health::Bad, Health::Good])] {
        let mut alarm = Alarm::new(key(app), AT);
        for health in healths {
            alarm.on(*health, Timestamp(AT.0 + 7));
        }
        alarm.what = "The build failed".into();
        store::alarm::put(&mut tx, &alarm).await.unwrap();
    }
    // As an older version left it.
    for sql in [
        "DROP TABLE user_notification_read",
        "DROP TABLE user_notification",
        "DELETE FROM _sqlx_migrations WHERE version = 25",
    ] {
        tx.db().execute(sql.into_sql_str()).await.unwrap();
    }
    tx.commit().await.unwrap();
    store.close().await;
    let store = open(&dir).await;
    let [one] = of(&store, BOB).await.try_into().unwrap();
    assert_eq!((&one.key, one.created_at, one.read), (&key(SHOP), Timestamp(AT.0 + 7), false));
    mark(&store, &one, BOB, true).await;
    let mended = Mended { what: "The build succeeded".into(), failures: 1, at: Timestamp(AT.0 + 9) };
    let mut tx = store.begin().await.unwrap();
    store::user_notification::mend(&mut tx, &key(SHOP), &mended).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(of(&store, BOB).await, [UserNotification { mended: Some(mended), read: true, ..one }]);
}
