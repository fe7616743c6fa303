//! Bodies that cannot be used get a clear error (API-3).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::body::{JsonBody, read};
use api::views::formation::UpdateFormation;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
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
    for text in ["[1]", "[]", "5", "\"text\"", "null", " [[\"web\"]]"] {
        let (status, _, message) = refused::<UpdateFormation>(text);
        assert!(status == 422 && message.contains("must be a JSON object"), "{text}: {message}");
    }
    assert_eq!(refused::<UpdateFormation>("[1").0, 400);
    assert_eq!(refused::<UpdateFormation>("name=shop").0, 400);
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

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up() {
    let endless = Body::from_stream(futures_util::stream::pending::<Result<&'static [u8], std::io::Error>>());
    let refused = JsonBody::<ConfigPatch>::from_request(Request::new(endless), &()).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let long = Body::from(vec![b' '; api::body::BODY_LIMIT_BYTES + 1]);
    let refused = JsonBody::<ConfigPatch>::from_request(Request::new(long), &()).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.id), (413, "payload_too_large"));
}
