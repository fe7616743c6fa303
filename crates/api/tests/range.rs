//! Ranges as the known clients spell them, and what a page says of itself (API-5, CLI-24).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use api::range::{Bound, Key, ListRange, Page, RangeError};
use model::time::Timestamp;

fn read(text: &str) -> (Option<String>, usize, bool) {
    let range = ListRange::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (range.field, range.max, range.descending)
}

#[test]
fn cli_24_every_spelling_of_the_known_clients() {
    for (text, field, max, descending) in [
        ("version ..; max=15, order=desc", "version", 15, true),
        ("version ..; order=desc,max=1", "version", 1, true),
        ("version ..; max=1,order=desc", "version", 1, true),
        ("version ..; order=desc", "version", 200, true),
        ("id ..; max=1000;", "id", 1000, false),
        ("number ..; order=desc,max=1", "number", 1, true),
        ("seq ..; order=desc,max=1000", "seq", 1000, true),
        ("id ..; max=1000", "id", 1000, false),
        ("id ..; max=1001", "id", 1000, false),
        ("id ..; ;", "id", 200, false),
        ("version ..; ;", "version", 200, false),
        ("email ..", "email", 200, false),
        ("  id   ..  ;max = 7 ,  order = asc ", "id", 7, false),
        ("id", "id", 200, false),
        ("id ..; colour=blue", "id", 200, false),
    ] {
        assert_eq!(read(text), (Some(field.to_owned()), max, descending), "{text}");
    }
    for text in ["", ";", "..", "bytes=0-99"] {
        assert_eq!(ListRange::parse(text), Ok(ListRange::default()), "{text}");
    }
}

#[test]
fn a_list_that_begins_with_its_newest_does_so_until_another_order_is_asked_for() {
    let read = |text: &str| ListRange::newest_first().overridden(text).unwrap();
    for (text, max, descending) in [("", 200, true), ("id ..; max=5", 5, true), ("id ..; max=5, order=asc", 5, false)] {
        assert_eq!((read(text).max, read(text).descending), (max, descending), "{text}");
    }
}

#[test]
fn bounds_begin_at_or_after_an_entry() {
    let from = |text: &str| ListRange::parse(text).map(|range| (range.from, range.to));
    let bound = |value: &str, after| Some(Bound { value: value.into(), after });
    assert_eq!(from("id ]abc..").unwrap(), (bound("abc", true), None));
    assert_eq!(from("id abc..def; max=2").unwrap(), (bound("abc", false), Some("def".into())));
    assert_eq!(from("version ]7 ..").unwrap(), (bound("7", true), None));
}

#[test]
fn bad_ranges_say_what_to_write() {
    for (text, want) in [
        ("id abc", RangeError::Unreadable("id abc".into())),
        ("id ..; max=0", RangeError::BadMax("0".into())),
        ("id ..; max=many", RangeError::BadMax("many".into())),
        ("id ..; max=-1", RangeError::BadMax("-1".into())),
        ("id ..; order=up", RangeError::BadOrder("up".into())),
    ] {
        assert_eq!(ListRange::parse(text), Err(want), "{text}");
    }
}

fn page(text: &str) -> Page<i64> {
    let range = ListRange::parse(text).unwrap();
    let all = vec![3, 12, 1, 10, 2];
    Page::cut(all, &range, &[("version", |n| Key::Number(*n)), ("id", |n| Key::Text(format!("r{n}")))]).unwrap()
}

#[test]
fn api_5_a_page_names_itself_and_the_next_one() {
    let first = page("version ..; max=2, order=desc");
    assert_eq!(first.entries, [12, 10]);
    assert_eq!(first.accept, "version, id");
    assert_eq!(first.content.as_deref(), Some("version 12..10"));
    assert_eq!(first.next.as_deref(), Some("version ]10..; max=2, order=desc"));
    let second = page(&first.next.unwrap());
    assert_eq!(second.entries, [3, 2]);
    let last = page(&second.next.unwrap());
    assert_eq!((last.entries, last.next), (vec![1], None));
}

#[test]
fn numbers_are_ordered_as_numbers_and_text_as_text() {
    assert_eq!(page("version ..").entries, [1, 2, 3, 10, 12]);
    assert_eq!(page("id ..").entries, [1, 10, 12, 2, 3]);
    assert_eq!(page("version 2..10").entries, [2, 3, 10]);
    assert_eq!(page("version 10..2; order=desc").entries, [10, 3, 2]);
    assert_eq!(page("").entries, [1, 2, 3, 10, 12]);
}

#[test]
fn an_unknown_key_names_the_known_ones() {
    let range = ListRange::parse("domain ..").unwrap();
    let error = Page::cut(vec![1_i64], &range, &[("id", |n| Key::Number(*n))]).unwrap_err();
    assert_eq!(error.to_string(), "Cannot order this list by `domain`: use one of id");
}

/// Three entries of one second: bodies and older clients know whole seconds, the server more.
#[test]
fn api_5_entries_of_one_second_keep_their_order_and_none_is_lost_between_pages() {
    const SECOND: i64 = 1_767_323_045_000_000;
    let cut = |text: &str| {
        let all = [SECOND + 900, SECOND + 100, SECOND + 500, SECOND + 1_000_000].map(Timestamp).to_vec();
        let key: (&str, fn(&Timestamp) -> Key) = ("created_at", |at| Key::Time(*at));
        let page = Page::cut(all, &ListRange::parse(text).unwrap(), &[key]).unwrap();
        (page.entries.iter().map(|at| at.0 - SECOND).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = cut("created_at ..; max=2");
    assert_eq!(first, [100, 500]);
    assert_eq!(next.as_deref(), Some("created_at ]2026-01-02T03:04:05.000500Z..; max=2, order=asc"));
    assert_eq!(cut(&next.unwrap()), (vec![900, 1_000_000], None));
    assert_eq!(cut("created_at ..2026-01-02T03:04:05Z").0, [100, 500, 900], "a whole second is all of it");
    assert_eq!(cut("created_at 2026-01-02T03:04:05Z..; order=desc").0, [900, 500, 100]);
    assert_eq!(cut("created_at ]2026-01-02T03:04:05Z..").0, [1_000_000]);
}

/// What a store gives of the newest answers as the whole list does, page by page.
#[test]
fn api_5_the_newest_alone_answer_as_the_whole_list() {
    let cut = |all: Vec<i64>, range: &ListRange| {
        let page = Page::cut(all, range, &[("version", |n| Key::Number(*n))]).unwrap();
        (page.entries, page.content, page.next)
    };
    for text in [
        "version ..; order=desc,max=3",
        "version ]7..; order=desc,max=3",
        "version 7..; order=desc,max=3",
        "version 7..5; order=desc,max=2",
        "version 7..5; order=desc,max=9",
        "..; order=desc,max=10",
        "version ]1..; order=desc",
        "version x..; order=desc",
    ] {
        let range = ListRange::parse(text).unwrap();
        let (at_most, enough) = range.newest_by("version").unwrap();
        let newest = (1..=10).rev().filter(|n| *n <= at_most).take(enough).collect();
        assert_eq!(cut(newest, &range), cut((1..=10).collect(), &range), "{text}");
    }
    for text in ["version ..; max=3", "id ..; order=desc"] {
        assert_eq!(ListRange::parse(text).unwrap().newest_by("version"), None, "{text}");
    }
}
