//! The conversation with the mail server, over lettre.

use crate::{Mail, MailSettings};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use model::smtp::SmtpTls;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// A mail that is not handed in by then is tried again later.
pub const SEND_LIMIT: Duration = Duration::from_secs(30);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Hands mails in.
pub struct Mailer {
    settings: MailSettings,
    /// Made for the first mail: the system's authorities take memory that most servers need for nothing else.
    transport: OnceCell<Transport>,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It may be taken later: the server is away, busy, or shows a certificate that nobody vouches for.
    #[error("the mail server did not take it: {0}")]
    NotNow(String),
    /// It will never be taken: nobody has that address, or the server does not relay for us.
    #[error("the mail server refused it: {0}")]
    Refused(String),
}

impl Mailer {
    /// For this mail server. Nothing is connected yet.
    #[must_use]
    pub fn new(settings: MailSettings) -> Self {
        Self { settings, transport: OnceCell::new() }
    }

    /// Hands a mail in, within [`SEND_LIMIT`].
    ///
    /// # Errors
    /// [`MailError`] says whether trying again may help.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let transport = self.transport.get_or_try_init(|| transport(&self.settings)).await?;
        match timeout(SEND_LIMIT, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(MailError::Refused(chain(&error))),
            Ok(Err(error)) => Err(MailError::NotNow(chain(&error))),
            Err(_) => Err(MailError::NotNow(format!("no answer within {} seconds", SEND_LIMIT.as_secs()))),
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let refused = |error: &dyn std::error::Error| MailError::Refused(error.to_string());
        let to: Address = mail.to.parse().map_err(|error| refused(&error))?;
        let from: Address = self.settings.from.to_string().parse().map_err(|error| refused(&error))?;
        let here = from.domain().to_owned();
        let micros = u64::try_from(mail.at.0).unwrap_or_default();
        let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        Message::builder()
            .from(Mailbox::new(Some("Flowline".to_owned()), from))
            .to(Mailbox::new(None, to))
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            .message_id(Some(format!("<{}@{here}>", mail.id)))
            .references(format!("<{}@{here}>", mail.thread))
            .subject(mail.subject.clone())
            // RFC 3834: out-of-office programs do not answer it.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| refused(&error))
    }
}

async fn transport(settings: &MailSettings) -> Result<Transport, MailError> {
    let settings = settings.clone();
    // Reads files.
    let made = tokio::task::spawn_blocking(move || build(&settings)).await;
    made.map_err(|error| MailError::NotNow(error.to_string()))?
}

fn build(settings: &MailSettings) -> Result<Transport, MailError> {
    let server = &settings.server;
    let tls = match server.tls {
        SmtpTls::Wrapped => Tls::Wrapper(parameters(settings)?),
        SmtpTls::StartTls => Tls::Required(parameters(settings)?),
        SmtpTls::None => Tls::None,
    };
    let hello = settings.from.to_string().rsplit('@').next().unwrap_or("localhost").to_owned();
    let mut builder = Transport::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .hello_name(ClientId::Domain(hello))
        .timeout(Some(SEND_LIMIT));
    if let Some((user, password)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.build())
}

fn parameters(settings: &MailSettings) -> Result<TlsParameters, MailError> {
    let unusable = |error: &dyn std::error::Error| MailError::NotNow(format!("no TLS: {error}"));
    let mut builder = TlsParameters::builder(settings.server.host.clone());
    if let Some(path) = &settings.authorities {
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(|error| unusable(&error))?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| unusable(&error))
}

/// An error with its causes: the outermost one says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
