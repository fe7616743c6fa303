//! Bodies that cannot be used get a clear error (API-3).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::body::read;
use api::views::formation::UpdateFormation;
use axum::http::StatusCode;
use model::config_var::ConfigPatch;

fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) -> (u16, &'static str, String) {
    let error = read::<T>(text.as_bytes()).unwrap_err();
    (error.status.as_u16(), error.id, error.message)
}

#[test]
fn api_3_what_is_no_json_says_where() {
    let (status, id, message) = refused::<ConfigPatch>("{\"A\": \"1\",\n  oops}");
    assert_eq!((status, id), (400, "bad_request"));
    assert!(message.contains("not JSON") && message.contains("line 2 column 3"), "{message}");
    assert_eq!(refused::<ConfigPatch>("{\"A\": \"1\"").0, 400);
    assert_eq!(refused::<ConfigPatch>("{} {}").0, 400);
    assert_eq!(read::<ConfigPatch>(b"{\"A\": \"\xff\"}").unwrap_err().status, StatusCode::BAD_REQUEST);
}

#[test]
fn api_3_a_wrong_type_names_the_key() {
    let (status, id, message) = refused::<ConfigPatch>(r#"{"A": "1", "PORT": 5}"#);
    assert_eq!((status, id), (422, "invalid_params"));
    assert!(message.contains("`PORT`") && message.contains("string"), "{message}");
    let (_, _, message) = refused::<UpdateFormation>(r#"{"updates": [{"type": "web"}, {"quantity": {}}]}"#);
    assert!(message.contains("`updates[1].quantity`") && message.contains("+1"), "{message}");
    let (status, _, message) = refused::<UpdateFormation>("{}");
    assert!(status == 422 && message.contains("`updates`"), "{message}");
    let (status, _, message) = refused::<ConfigPatch>("[1]");
    assert!(status == 422 && message.contains("must be a JSON object"), "{message}");
}

#[test]
fn cli_30_an_empty_body_is_an_empty_object() {
    assert_eq!(read::<ConfigPatch>(b" \n").unwrap(), ConfigPatch::new());
}

#[test]
fn conf_1_null_removes() {
    let patch = read::<ConfigPatch>(br#"{"A": null}"#).unwrap();
    assert_eq!(patch.get("A"), Some(&None));
}

#[test]
fn dyno_10_quantities_as_number_or_text_sizes_in_both_forms() {
    let body = r#"{"updates": [{"type": "web", "quantity": "2"}, {"type": "worker", "quantity": 3, "size": "eco"},
        {"type": "clock", "quantity": "+1", "dyno_size": {"name": "standard-2x"}}, {"type": "x", "dyno_size": "Basic"}]}"#;
    let updates = read::<UpdateFormation>(body.as_bytes()).unwrap().updates;
    let seen: Vec<_> = updates.iter().map(|update| (update.quantity(), update.size())).collect();
    let text = |text: &str| Some(text.to_owned());
    let want = [(text("2"), None), (text("3"), text("eco")), (text("+1"), text("standard-2x")), (None, text("Basic"))];
    assert_eq!(seen, want);
}
