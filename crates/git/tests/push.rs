//! The real git client against a small HTTP server over this crate: push, decline, fetch, live lines, lost clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod support;

use git::hook::PushError;
use std::time::Duration;
use support::{Client, Server, soon};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn push_of_main_builds_inside_the_push() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    let commit = client.commit("index.js", "hello");

    let push = client.push(&["main"]);
    let mut session = server.session().await;
    assert_eq!(session.token, "token-of-the-push");
    assert_eq!(session.updates.len(), 1);
    assert_eq!(session.updates[0].name.branch(), Some("main"));
    assert_eq!(session.updates[0].old, None);
    assert_eq!(session.updates[0].new.as_ref().map(git::ObjectId::as_str), Some(commit.as_str()));

    let mut tar = Vec::new();
    let pushed = session.updates[0].new.clone().unwrap();
    let said = session.commit(&pushed).await.unwrap().expect("it is readable before it is accepted");
    assert_eq!(said, client.commit_of(&commit));
    assert_eq!(session.commit(&"1".repeat(40).parse().unwrap()).await.unwrap(), None);
    session.tree(&pushed).await.unwrap().read_to_end(&mut tar).await.unwrap();
    assert_eq!(support::file_in(&tar, "index.js").as_deref(), Some("hello"));
    // The ref has not moved while the build runs.
    assert_eq!(server.git.branch(server.app, &session.updates[0].name).await.unwrap(), None);

    session.say("-----> Node.js app detected").await.unwrap();
    session.finish(true).await.unwrap();
    let pushed = push.await.unwrap();
    assert!(pushed.ok, "{}", pushed.stderr);
    assert!(pushed.stderr.contains("remote: -----> Node.js app detected"), "{}", pushed.stderr);
    assert_eq!(server.branch("main").await, Some(commit));
}

#[tokio::test]
async fn a_declined_push_shows_the_reason_and_moves_nothing() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("index.js", "broken");

    let push = client.push(&["main"]);
    let mut session = server.session().await;
    session.say(" !     Push rejected, failed to compile Node.js app.\n").await.unwrap();
    session.finish(false).await.unwrap();
    let pushed = push.await.unwrap();
    assert!(!pushed.ok);
    assert!(
        pushed.stderr.contains("remote:  !     Push rejected, failed to compile Node.js app."),
        "{}",
        pushed.stderr
    );
    assert!(pushed.stderr.contains("main -> main (pre-receive hook declined)"), "{}", pushed.stderr);
    assert_eq!(server.branch("main").await, None);
}

#[tokio::test]
async fn bld_7_other_branches_deletions_and_force_are_told_apart() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    let first = client.commit("a", "1");
    let (session, pushed) = server.decide(client.push(&["main", "main:feature/x"]), true).await;
    assert!(pushed.ok, "{}", pushed.stderr);
    let mut names: Vec<_> = session.iter().map(|update| update.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["refs/heads/feature/x", "refs/heads/main"]);

    let (updates, pushed) = server.decide(client.push(&[":main"]), false).await;
    assert!(!pushed.ok && updates[0].new.is_none() && updates[0].old.is_some());
    assert_eq!(server.branch("main").await, Some(first));

    client.amend("another past");
    let (updates, pushed) = server.decide(client.push(&["--force", "main"]), true).await;
    assert!(pushed.ok && updates[0].old.is_some(), "{}", pushed.stderr);
    assert_eq!(server.branch("main").await, updates[0].new.as_ref().map(ToString::to_string));
}

#[tokio::test]
async fn lines_reach_the_client_while_the_build_runs() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let mut push = client.push_live(&["main"]);
    let mut session = server.session().await;
    for word in ["first", "second"] {
        session.say(&format!("       {word} line")).await.unwrap();
        push.wait_for(word).await;
    }
    session.finish(true).await.unwrap();
    assert!(push.end().await);
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_stop_the_build() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    let commit = client.commit("a", "1");
    let mut push = client.push_live(&["main"]);
    let mut session = server.session().await;
    session.say("started").await.unwrap();
    push.wait_for("started").await;
    push.kill().await;
    server.no_connections().await;

    for _ in 0..2_000 {
        session.say(&"a line that nobody reads ".repeat(40)).await.unwrap();
    }
    let new = session.updates[0].new.clone().unwrap();
    let mut tar = Vec::new();
    session.tree(&new).await.unwrap().read_to_end(&mut tar).await.unwrap();
    session.finish(true).await.unwrap();
    soon("the ref moved", async || server.branch("main").await.as_ref() == Some(&commit)).await;
}

#[tokio::test]
async fn a_serve_that_dies_in_the_middle_declines_with_the_reason() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let push = client.push(&["main"]);
    drop(server.session().await);
    let pushed = push.await.unwrap();
    assert!(!pushed.ok);
    assert!(pushed.stderr.contains("Flowline stopped during this push"), "{}", pushed.stderr);
    assert_eq!(server.branch("main").await, None);
}

#[tokio::test]
async fn others_clone_and_fetch_what_was_accepted() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    server.decide(client.push(&["main:master"]), true).await;

    let other = Client::clone_of(&server, &[]).await;
    assert_eq!(other.read("a"), "1");
    assert_eq!(other.git(&["branch", "--show-current"]).trim(), "master");

    client.commit("a", "2");
    server.decide(client.push(&["main"]), true).await;
    assert!(other.run(&["fetch", "origin"]).await.ok);
    assert_eq!(other.git(&["show", "origin/main:a"]), "2");
    // A partial clone, and the older protocol.
    assert_eq!(Client::clone_of(&server, &["--filter=blob:none"]).await.read("a"), "2");
    assert_eq!(Client::clone_of(&server, &["-c", "protocol.version=0"]).await.read("a"), "2");
}

#[tokio::test]
async fn the_tree_is_what_a_checkout_would_be() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit(".gitattributes", "kept export-ignore\nversion export-subst\n");
    client.commit("kept", "kept");
    client.commit("version", "$Format:%H$");
    let push = client.push(&["main"]);
    let mut session = server.session().await;
    let commit = session.updates[0].new.clone().unwrap();

    let message = session.message(&commit).await.unwrap();
    assert_eq!(message.trim(), client.git(&["log", "-1", "--format=%B"]).trim());
    assert!(!message.trim().is_empty());

    // A tree that is dropped halfway does not spoil the next.
    drop(session.tree(&commit).await.unwrap());
    let mut tar = Vec::new();
    session.tree(&commit).await.unwrap().read_to_end(&mut tar).await.unwrap();
    assert_eq!(support::file_in(&tar, "kept").as_deref(), Some("kept"));
    assert_eq!(support::file_in(&tar, "version").as_deref(), Some("$Format:%H$"));

    // An unknown commit is an error of the stream, not an empty tree.
    let unknown = "1111111111111111111111111111111111111111".parse().unwrap();
    let error = session.tree(&unknown).await.unwrap().read_to_end(&mut tar).await.unwrap_err();
    assert!(error.to_string().contains("1111111"), "{error}");
    assert_eq!(session.message(&unknown).await.unwrap(), "");
    session.finish(true).await.unwrap();
    assert!(push.await.unwrap().ok);
}

#[tokio::test]
async fn accepted_commits_can_be_read() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    let commit = client.commit("Procfile", "web: node index.js\n");
    server.decide(client.push(&["main"]), true).await;

    let (git, app, commit) = (&server.git, server.app, commit.parse().unwrap());
    assert_eq!(git.subject(app, &commit).await.unwrap().as_deref(), Some("Procfile: web: node index.js"));
    assert_eq!(git.read_file(app, &commit, "Procfile").await.unwrap().as_deref(), Some(&b"web: node index.js\n"[..]));
    assert_eq!(git.read_file(app, &commit, "app.json").await.unwrap(), None);
    let mut tar = Vec::new();
    git.archive(app, &commit).await.unwrap().read_to_end(&mut tar).await.unwrap();
    assert_eq!(support::file_in(&tar, "Procfile").as_deref(), Some("web: node index.js\n"));

    assert!(git.maintain(app, git::Upkeep::All).await.unwrap());
    assert_eq!(server.branch("main").await.as_deref(), Some(commit.as_str()));
    git.remove(app).await.unwrap();
    git.remove(app).await.unwrap();
    assert!(matches!(git.subject(app, &commit).await, Err(git::GitError::NoRepository(_))));
}

#[tokio::test]
async fn a_request_body_that_breaks_off_stores_nothing() {
    let server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", &"long ".repeat(10_000));
    let (half, whole) = tokio::io::duplex(1024);
    let mut request = client.receive_pack_request();
    request.truncate(request.len() / 2);
    let mut output = server.git.rpc(server.app, git::Service::ReceivePack, None, Some("token"), half).await.unwrap();
    tokio::spawn(async move {
        let mut whole = whole;
        tokio::io::AsyncWriteExt::write_all(&mut whole, &request).await
    });
    let mut said = String::new();
    tokio::time::timeout(Duration::from_secs(20), output.read_to_string(&mut said)).await.unwrap().unwrap();
    assert!(said.contains("unpack") || said.is_empty(), "{said}");
    assert_eq!(server.branch("main").await, None);
    assert_eq!(support::quarantines(&server), 0);
}

#[tokio::test]
async fn a_stranger_on_the_socket_holds_up_nobody() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let _silent = tokio::net::UnixStream::connect(&server.hook_sock).await.unwrap();
    let mut rude = tokio::net::UnixStream::connect(&server.hook_sock).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut rude, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (_, pushed) = server.decide(client.push(&["main"]), true).await;
    assert!(pushed.ok, "{}", pushed.stderr);
}

#[tokio::test]
async fn sockets_in_deep_folders_work() {
    let mut server = Server::start_in(&"deep-folder/".repeat(20)).await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let (_, pushed) = server.decide(client.push(&["main"]), true).await;
    assert!(pushed.ok, "{}", pushed.stderr);
}

#[tokio::test]
async fn a_hook_that_dies_is_noticed() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let push = client.push(&["main"]);
    let mut session = server.session().await;
    support::kill_hook(&server);
    let noticed = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Err(PushError::Gone(_)) = session.say("are you there?").await {
                break;
            }
        }
    });
    noticed.await.unwrap();
    assert!(!push.await.unwrap().ok);
}

/// Files below the repository's objects.
fn objects(server: &Server) -> usize {
    let (mut count, mut folders) = (0, vec![server.git.path(server.app).join("objects")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { count += 1 }
        }
    }
    count
}

/// Loose objects lie in folders of two hex digits.
fn loose_objects(server: &Server) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(server.git.path(server.app).join("objects")).unwrap().flatten();
    let loose = folders.filter(|entry| entry.file_name().len() == 2);
    loose.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten()).map(|file| file.path()).collect()
}

#[tokio::test]
async fn a_push_is_kept_as_a_pack_which_a_power_cut_cannot_empty() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    for text in ["1", "2"] {
        client.commit("a", text);
        let (_, pushed) = server.decide(client.push(&["main"]), true).await;
        assert!(pushed.ok, "{}", pushed.stderr);
        assert_eq!(loose_objects(&server), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn upkeep_makes_one_pack_of_many_and_drops_what_no_ref_reaches() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    for text in ["1", "2", "3", "4"] {
        client.commit("a", text);
        client.amend(text);
        server.decide(client.push(&["--force", "main"]), true).await;
    }
    assert!(server.git.was_pushed_to(server.app));
    let before = objects(&server);
    assert!(server.git.maintain(server.app, git::Upkeep::WhenDue).await.unwrap());
    assert_eq!(objects(&server), before, "a few packs are left alone");
    assert!(!server.git.was_pushed_to(server.app));
    assert!(server.git.maintain(server.app, git::Upkeep::All).await.unwrap());
    assert!(objects(&server) < before, "{before} became {}", objects(&server));
}

#[tokio::test]
async fn upkeep_waits_for_a_push_and_gives_way_to_one() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let push = client.push(&["main"]);
    let session = server.session().await;
    assert!(!server.git.maintain(server.app, git::Upkeep::All).await.unwrap(), "a push is going on");
    session.finish(true).await.unwrap();
    assert!(push.await.unwrap().ok);
    // A packing that never ends by itself: git finds much that is loose, and first asks a hook that sleeps.
    let repository = server.git.path(server.app);
    let loose = repository.join("objects/17");
    std::fs::create_dir_all(&loose).unwrap();
    for number in 0..9 {
        std::fs::write(loose.join(format!("{number:038x}")), "").unwrap();
    }
    let (hook, began) = (repository.parent().unwrap().join("hooks/pre-auto-gc"), repository.join("began"));
    std::fs::write(&hook, format!("#!/bin/sh\necho > {}\nexec sleep 600\n", began.display())).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    client.commit("a", "2");
    let (git, app) = (server.git.clone(), server.app);
    let upkeep = tokio::spawn(async move { git.maintain(app, git::Upkeep::WhenDue).await });
    soon("the packing began", async || began.exists()).await;
    let (_, pushed) = server.decide(client.push(&["main"]), true).await;
    assert!(pushed.ok, "{}", pushed.stderr);
    assert!(!upkeep.await.unwrap().unwrap());
    assert!(server.git.was_pushed_to(app), "it is still to be done");
}

#[tokio::test]
async fn what_broken_pushes_left_goes_and_what_is_going_on_stays() {
    let mut server = Server::start().await;
    let client = Client::new(&server);
    client.commit("a", "1");
    let objects = server.git.path(server.app).join("objects");
    for left in ["tmp_objdir-incoming-AbCdEf", "incoming-AbCdEf"] {
        std::fs::create_dir_all(objects.join(left).join("pack")).unwrap();
    }
    std::fs::create_dir_all(objects.join("pack")).unwrap();
    std::fs::write(objects.join("pack/tmp_pack_AbCdEf"), "half").unwrap();
    let half = objects.join("pack/tmp_pack_AbCdEf");
    let there = |server: &Server| support::quarantines(server) + usize::from(half.exists());
    let now = std::fs::metadata(&half).unwrap().modified().unwrap();
    server.git.sweep(server.app, now - Duration::from_secs(3600)).await.unwrap();
    assert_eq!(there(&server), 3, "they are too young");
    let push = client.push(&["main"]);
    let session = server.session().await;
    server.git.sweep(server.app, now + Duration::from_secs(3600)).await.unwrap();
    session.finish(true).await.unwrap();
    assert!(push.await.unwrap().ok, "the push's own quarantine stayed");
    server.git.sweep(server.app, now + Duration::from_secs(3600)).await.unwrap();
    assert_eq!(there(&server), 0);
}

#[tokio::test]
async fn a_pack_over_the_limit_is_refused_while_it_is_sent() {
    let server = Server::start().await;
    let client = Client::new(&server);
    let mut state = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + u8::try_from(state >> 58).unwrap())
    })
    .take(14 << 20)
    .collect();
    client.commit("big", &noise);
    let pushed = client.push(&["main"]).await.unwrap();
    assert!(!pushed.ok && pushed.stderr.contains("pack exceeds maximum allowed size"), "{}", pushed.stderr);
    assert_eq!((server.branch("main").await, support::quarantines(&server)), (None, 0));
}
