//! A disk that is full costs the change that met it, not those after it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use model::account::Account;
use model::id::AccountId;
use model::time::Timestamp;
use sqlx::Executor;
use store::{Store, Vault};
use uuid::Uuid;

fn account(n: u128, email: String) -> Account {
    Account::new(AccountId(Uuid::from_u128(n)), email, Timestamp(1))
}

#[tokio::test]
async fn after_a_transaction_that_found_no_room_the_next_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("flowline.db"), Vault::new(&[1; 32]).unwrap()).await.unwrap();
    for round in 1..=3 {
        let mut tx = store.begin().await.unwrap();
        // SQLite's own way to a full disk; it holds for this connection.
        tx.db().execute("PRAGMA max_page_count = 1").await.unwrap();
        let big = account(round, "x".repeat(1 << 20));
        let refused = store::account::insert(&mut tx, &big).await.unwrap_err();
        assert!(refused.to_string().contains("disk is full"), "{refused}");
        drop(tx);
    }
    let mut tx = store.begin().await.unwrap();
    store::account::insert(&mut tx, &account(7, "a@b".into())).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store::account::by_email(store.db(), "a@b").await.unwrap().is_some());
    assert!(store::account::by_email(store.db(), "hash 1").await.unwrap().is_none());
}
