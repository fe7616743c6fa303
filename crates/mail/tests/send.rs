//! Against a mail server of somebody else: with STARTTLS, with TLS, without; one that refuses, one that puts off, one that is away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use mail::{Mail, MailError, MailSettings, Mailer};
use model::smtp::SmtpServer;
use model::time::Timestamp;
use std::path::PathBuf;
use testkit::{Identity, MailReply, MailTarget, MailTls};

fn mailer(url: &str, authorities: Option<PathBuf>) -> Mailer {
    let server = SmtpServer::parse(url).unwrap();
    Mailer::new(MailSettings { server, from: "flowline@example.org".parse().unwrap(), authorities })
}

fn mail() -> Mail {
    Mail {
        to: "ada@example.org".into(),
        subject: "shop: build broken – ä".into(),
        text: "one\n.two\n".into(),
        id: "notice-1".into(),
        thread: "alarm-1".into(),
        at: Timestamp(1_767_323_045_000_000),
    }
}

/// An authority's certificate where the mailer finds it.
fn kept(identity: &Identity, dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, &identity.ca_pem).unwrap();
    path
}

#[tokio::test]
async fn a_mail_comes_by_starttls_and_by_tls_with_the_password() {
    let (identity, dir) = (Identity::make(), tempfile::tempdir().unwrap());
    let ca = kept(&identity, &dir);
    for (scheme, tls) in [("smtp", identity.start_tls()), ("smtps", identity.wrapped())] {
        let mut target = MailTarget::start(tls).await;
        let mailer = mailer(&format!("{scheme}://ada%40x:s%3Acret@{}", target.addr), Some(ca.clone()));
        mailer.send(&mail()).await.unwrap();
        let came = target.next().await;
        assert_eq!((came.tls, came.login.clone()), (true, Some(("ada@x".into(), "s:cret".into()))), "{scheme}");
        assert_eq!((came.from.as_str(), came.to.as_str()), ("flowline@example.org", "ada@example.org"));
        assert_eq!(came.header("Message-ID"), "<notice-1@example.org>");
        assert_eq!(came.header("References"), "<alarm-1@example.org>");
        assert_eq!(came.header("Auto-Submitted"), "auto-generated");
        assert_eq!(came.header("Date"), "Fri, 02 Jan 2026 03:04:05 +0000");
        assert!(came.header("Subject").contains("shop: build broken"), "{}", came.header("Subject"));
        assert_eq!(came.text().trim_end(), "one\n.two");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_no_mail() {
    let identity = Identity::make();
    for (scheme, tls) in [("smtp", identity.start_tls()), ("smtps", identity.wrapped())] {
        let mut target = MailTarget::start(tls).await;
        let sent = mailer(&format!("{scheme}://{}", target.addr), None).send(&mail()).await;
        assert!(matches!(sent, Err(MailError::NotNow(_))), "{scheme}: {sent:?}");
        assert!(target.unread().is_empty());
    }
    // Whoever stands in between cannot take STARTTLS out of the offer.
    let mut target = MailTarget::start(MailTls::None).await;
    let sent = mailer(&format!("smtp://u:p@{}", target.addr), None).send(&mail()).await;
    assert!(sent.is_err() && target.unread().is_empty(), "{sent:?}");
}

#[tokio::test]
async fn not_now_and_never_are_told_apart() {
    let mut target = MailTarget::start(MailTls::None).await.answering([MailReply::Later, MailReply::Never]);
    let mailer = mailer(&format!("smtp://{}?tls=none", target.addr), None);
    let said = mailer.send(&mail()).await.unwrap_err();
    assert!(matches!(&said, MailError::NotNow(why) if why.contains("come back later")), "{said}");
    let said = mailer.send(&mail()).await.unwrap_err();
    assert!(matches!(&said, MailError::Refused(why) if why.contains("nobody of that name")), "{said}");
    mailer.send(&mail()).await.unwrap();
    assert_eq!(target.next().await.header("Message-ID"), "<notice-1@example.org>");
    let bad = Mail { to: "nobody".into(), ..mail() };
    assert!(matches!(mailer.send(&bad).await, Err(MailError::Refused(_))));
    let ports = target.end().await;
    assert!(matches!(mailer.send(&mail()).await, Err(MailError::NotNow(_))), "{ports:?}");
}

#[tokio::test]
async fn a_line_break_in_a_subject_is_no_header() {
    let mut target = MailTarget::start(MailTls::None).await;
    let mailer = mailer(&format!("smtp://{}?tls=none", target.addr), None);
    let evil = Mail { subject: "x\r\nBcc: eve@example.org".into(), ..mail() };
    // Refused or made harmless; never a header.
    if mailer.send(&evil).await.is_ok() {
        assert_eq!(target.next().await.header("Bcc"), "");
    }
    assert!(target.unread().is_empty());
}
