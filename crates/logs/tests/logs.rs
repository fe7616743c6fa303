//! Logs on a real disk: what is kept, what is read back, who is told what was lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

use logs::{KEPT_LINES, Logs, TAIL_BUFFER_LINES, Tail};
use model::id::AppId;
use model::log::{LogFilter, LogLine, LogSource};
use model::time::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const APP: AppId = AppId(uuid::Uuid::from_u128(1));
const ALL: LogFilter = LogFilter { source: None, ps: None };

fn line(ps: &str, text: &str) -> LogLine {
    LogLine { at: Timestamp(1_767_323_045_678_901), source: LogSource::App, ps: ps.into(), text: text.into() }
}

fn numbered(number: usize) -> LogLine {
    line("web.1", &format!("line {number}"))
}

fn open() -> (TempDir, Logs) {
    let dir = TempDir::new().unwrap();
    let logs = Logs::open(dir.path().join("logs")).unwrap();
    (dir, logs)
}

fn file(dir: &TempDir, app: AppId, name: &str) -> PathBuf {
    dir.path().join("logs").join(app.to_string()).join(name)
}

async fn texts(logs: &Logs, filter: &LogFilter, count: usize) -> Vec<String> {
    logs.history(APP, filter, count).await.unwrap().into_iter().map(|line| line.text).collect()
}

/// A tail that brings nothing for half a minute has failed.
async fn next(tail: &mut Tail) -> Option<LogLine> {
    tokio::time::timeout(Duration::from_secs(30), tail.next()).await.expect("the tail brings nothing")
}

#[tokio::test]
async fn log_1_lines_are_text_on_disk_and_read_back() {
    let (dir, logs) = open();
    logs.append_written(APP, line("web.1", "a: b [c] ü")).await;
    let text = std::fs::read_to_string(file(&dir, APP, "current.log")).unwrap();
    assert_eq!(text, "2026-01-02T03:04:05.678901+00:00 app[web.1]: a: b [c] ü\n");
    assert_eq!(logs.history(APP, &ALL, 100).await.unwrap(), [line("web.1", "a: b [c] ü")]);

    logs.append(APP, line("web.1", "two\nlines")).await;
    logs.append(APP, line("web.1", "")).await;
    assert_eq!(texts(&logs, &ALL, 100).await, ["a: b [c] ü", "two", "lines", ""]);
    assert_eq!(texts(&logs, &ALL, 2).await, ["lines", ""]);
    assert!(texts(&logs, &ALL, 0).await.is_empty());
    let other = AppId(uuid::Uuid::from_u128(2));
    assert!(logs.history(other, &ALL, 10).await.unwrap().is_empty());
    assert!(!file(&dir, other, "").exists());
}

#[tokio::test]
async fn log_13_filter_first_then_count() {
    let (_dir, logs) = open();
    for number in 0..300 {
        logs.append(APP, line(if number % 100 == 0 { "worker.1" } else { "web.1" }, &number.to_string())).await;
    }
    let worker = LogFilter { source: None, ps: Some("worker".into()) };
    assert_eq!(texts(&logs, &worker, 2).await, ["100", "200"]);
}

#[tokio::test]
async fn log_14_the_last_1500_lines_stay_whatever_their_length() {
    for length in [20, 700, 9_900] {
        let (dir, logs) = open();
        let total = 4 * KEPT_LINES as usize;
        let mut largest = 0;
        for number in 0..total {
            logs.append(APP, line("web.1", &format!("{number} {}", "x".repeat(length)))).await;
            if number % 500 == 0 {
                let kept = logs.history(APP, &ALL, KEPT_LINES as usize).await.unwrap();
                assert_eq!(kept.len(), (number + 1).min(KEPT_LINES as usize));
                assert!(kept.last().unwrap().text.starts_with(&format!("{number} ")));
            }
        }
        logs.flush().await;
        for name in ["current.log", "previous.log"] {
            largest = largest.max(std::fs::metadata(file(&dir, APP, name)).map_or(0, |file| file.len()));
        }
        assert!(largest < 17 * 1024 * 1024, "{largest} bytes with lines of {length}");
        let kept = logs.history(APP, &ALL, total).await.unwrap();
        let first: usize = kept[0].text.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(first + kept.len(), total, "no hole where the files meet");
    }
}

#[tokio::test]
async fn a_line_torn_by_a_crash_is_healed() {
    let (dir, logs) = open();
    for number in 0..3 {
        logs.append_written(APP, numbered(number)).await;
    }
    drop(logs);
    let path = file(&dir, APP, "current.log");
    let torn = [std::fs::read(&path).unwrap(), b"2026-01-02T03:04:05.678901+00:00 app[web.1]: hal".to_vec()].concat();
    std::fs::write(&path, torn).unwrap();

    let logs = Logs::open(dir.path().join("logs")).unwrap();
    assert_eq!(texts(&logs, &ALL, 10).await, ["line 0", "line 1", "line 2"]);
    logs.append(APP, numbered(3)).await;
    assert_eq!(texts(&logs, &ALL, 10).await, ["line 0", "line 1", "line 2", "line 3"]);

    // Zeros, as a power cut leaves them, cost only their own line.
    drop(logs);
    let mut holed = std::fs::read(&path).unwrap();
    holed[100..130].fill(0);
    holed.extend([0; 200_000]);
    std::fs::write(&path, holed).unwrap();
    let logs = Logs::open(dir.path().join("logs")).unwrap();
    logs.append(APP, numbered(4)).await;
    let texts = texts(&logs, &ALL, 10).await;
    assert_eq!(texts.last().unwrap(), "line 4");
    assert!(texts.contains(&"line 0".to_owned()) && texts.contains(&"line 3".to_owned()), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_writers_at_once_lose_and_mix_nothing() {
    let (_dir, logs) = open();
    let writers: Vec<_> = (0..20)
        .map(|writer| {
            let logs = logs.clone();
            tokio::spawn(async move {
                for number in 0..500 {
                    let app = AppId(uuid::Uuid::from_u128(writer % 4));
                    logs.append(app, line(&format!("web.{writer}"), &number.to_string())).await;
                }
                logs.flush().await;
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for writer in 0..20 {
        let app = AppId(uuid::Uuid::from_u128(writer % 4));
        let own = LogFilter { source: None, ps: Some(format!("web.{writer}")) };
        let lines = logs.history(app, &own, 1_000).await.unwrap();
        let numbers: Vec<usize> = lines.iter().map(|line| line.text.parse().unwrap()).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_has_every_line_once() {
    let (_dir, logs) = open();
    for app in 0..20 {
        let app = AppId(uuid::Uuid::from_u128(app));
        let writer = tokio::spawn({
            let logs = logs.clone();
            async move {
                // As many as the buffer holds, so that a reader which gets no time still misses none.
                for number in 0..TAIL_BUFFER_LINES {
                    logs.append(app, numbered(number)).await;
                }
            }
        });
        // Opened in the middle of it: each at another place between backlog and live.
        let mut readers = Vec::new();
        for _ in 0..5 {
            let mut tail = logs.tail(app, ALL, 10_000).await.unwrap();
            readers.push(tokio::spawn(async move {
                for number in 0..TAIL_BUFFER_LINES {
                    assert_eq!(next(&mut tail).await.unwrap().text, format!("line {number}"));
                }
            }));
        }
        writer.await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
    }
}

#[tokio::test]
async fn log_15_a_slow_tail_is_told_what_it_missed() {
    let (_dir, logs) = open();
    let mut slow = logs.tail(APP, ALL, 0).await.unwrap();
    let mut filtered = logs.tail(APP, LogFilter { source: None, ps: Some("worker".into()) }, 0).await.unwrap();
    for number in 0..TAIL_BUFFER_LINES + 7 {
        logs.append(APP, numbered(number)).await;
    }
    logs.append_written(APP, line("worker.1", "hello")).await;
    for number in 0..TAIL_BUFFER_LINES {
        assert_eq!(next(&mut slow).await.unwrap().text, format!("line {number}"));
    }
    let notice = next(&mut slow).await.unwrap().to_string();
    assert_eq!(
        notice,
        "2026-01-02T03:04:05.678901+00:00 heroku[logplex]: Error L11 (Tail buffer overflow) -> \
         This tail session dropped 8 messages since 2026-01-02T03:04:05.678901+00:00."
    );
    logs.append(APP, line("web.1", "after")).await;
    assert_eq!(next(&mut slow).await.unwrap().text, "after");
    assert_eq!(next(&mut filtered).await.unwrap().text, "hello");
    assert_eq!(texts(&logs, &ALL, 1).await, ["after"]);
}

#[tokio::test]
async fn lines_that_came_while_the_disk_was_full_are_there_when_it_is_not() {
    let (dir, logs) = open();
    logs.append_written(APP, numbered(0)).await;
    let mut tail = logs.tail(APP, ALL, 0).await.unwrap();
    drop(logs);
    assert_eq!(next(&mut tail).await, None);

    // The device that is always full, in the file's place.
    let path = file(&dir, APP, "current.log");
    std::fs::rename(&path, path.with_extension("aside")).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let logs = Logs::open(dir.path().join("logs")).unwrap();
    let mut tail = logs.tail(APP, ALL, 0).await.unwrap();
    for number in 1..4 {
        logs.append_written(APP, numbered(number)).await;
        assert_eq!(next(&mut tail).await.unwrap(), numbered(number));
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(path.with_extension("aside"), &path).unwrap();
    logs.append(APP, numbered(4)).await;
    let texts = texts(&logs, &ALL, 10).await;
    assert_eq!(texts, ["line 0", "line 1", "line 2", "line 3", "line 4"]);
}

#[tokio::test]
async fn many_apps_keep_few_files_open() {
    let (dir, logs) = open();
    let app = |number| AppId(uuid::Uuid::from_u128(number));
    for round in 0..3 {
        for number in 0..1_000 {
            logs.append(app(number), numbered(round)).await;
        }
        logs.flush().await;
        assert!(open_files_below(dir.path()) <= 128);
    }
    for number in [0, 500, 999] {
        let lines = logs.history(app(number), &ALL, 10).await.unwrap();
        assert_eq!(lines, [numbered(0), numbered(1), numbered(2)]);
    }
}

fn open_files_below(dir: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file.starts_with(dir))).count()
}

#[tokio::test]
async fn a_removed_log_is_gone_and_ends_its_tails() {
    let (dir, logs) = open();
    logs.append(APP, numbered(0)).await;
    let mut tail = logs.tail(APP, ALL, 10).await.unwrap();
    logs.remove(APP).await;
    assert_eq!(next(&mut tail).await, Some(numbered(0)));
    assert_eq!(next(&mut tail).await, None);
    // The last words of a dyno that is just ending.
    logs.append_written(APP, numbered(1)).await;
    assert!(!file(&dir, APP, "").exists());
    assert!(texts(&logs, &ALL, 10).await.is_empty());
    assert_eq!(next(&mut logs.tail(APP, ALL, 10).await.unwrap()).await, None);
}

#[tokio::test]
async fn readers_are_limited_and_closed_ones_do_not_count() {
    let (_dir, logs) = open();
    for _ in 0..250 {
        drop(logs.tail(APP, ALL, 0).await.unwrap());
    }
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(logs.tail(APP, ALL, 0).await.unwrap());
    }
    assert!(matches!(logs.tail(APP, ALL, 0).await, Err(logs::LogsError::TooManyTails)));
}

#[tokio::test]
async fn lines_that_the_disk_does_not_take_wait_for_one_that_does_and_what_is_too_much_is_counted() {
    let (dir, logs) = open();
    // A file where the app's folder should be: nothing can be written, also not by root.
    let place = file(&dir, APP, "current.log").parent().unwrap().to_owned();
    std::fs::write(&place, "in the way").unwrap();
    logs.append_written(APP, line("web.1", "first")).await;
    logs.append_written(APP, line("web.1", "second")).await;
    std::fs::remove_file(&place).unwrap();
    // Also when the app says nothing more.
    logs.flush().await;
    assert_eq!(texts(&logs, &ALL, 10).await, ["first", "second"]);
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    let (logs, long) = (Logs::open(dir.path().join("logs")).unwrap(), "x".repeat(9_000));
    for number in 0..40 {
        logs.append(APP, line("web.1", &format!("{number} {long}"))).await;
    }
    logs.flush().await;
    std::fs::remove_file(&place).unwrap();
    logs.append_written(APP, line("web.1", "after")).await;
    let kept = texts(&logs, &ALL, 100).await;
    let waited = kept.iter().take_while(|text| text.ends_with('x')).count();
    assert!((10..20).contains(&waited), "{waited}");
    let said = format!("Error: {} messages since 2026-01-02T03:04:05.678901+00:00 could not be stored", 40 - waited);
    assert!(kept[waited].starts_with(&said), "{}", kept[waited]);
    assert_eq!(kept[waited + 1..], ["after"]);
}
