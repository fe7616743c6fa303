//! The doctor tells the truth about the machine that these tests run on.

use crate::support::{Machine, keeper};
use runtime::{Level, doctor_with};

#[tokio::test]
async fn the_doctor_agrees_with_what_happens() {
    let checks = tokio::task::spawn_blocking(|| doctor_with(&keeper())).await.unwrap();
    let level = |name: &str| checks.iter().find(|check| check.name == name).unwrap().level;
    let machine = Machine::new().await;
    let works = machine.sh("true").await.exit.is_success();
    assert_eq!(works, level("sandbox") == Level::Good, "{checks:#?}");
    assert_eq!(machine.runtime.open_network().is_none(), level("network") == Level::Good, "{checks:#?}");
    assert_eq!(machine.runtime.warnings().is_empty(), level("limits") == Level::Good, "{checks:#?}");
    assert_eq!(
        (level("overlay"), level("kernel"), level("user")),
        (Level::Good, Level::Good, Level::Good),
        "{checks:#?}"
    );
    for check in checks.iter().filter(|check| check.level != Level::Good) {
        assert!(!check.hint.is_empty() && !check.detail.is_empty(), "{check:?}");
    }
}
