//! One notification over http or https: signed, without redirects, and whatever the receiver answers beside its status is not
//! read.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::delivery::{ATTEMPT_LIMIT, Outcome, Unanswered};
use store::webhook::Keys;

/// The head of an answer that is read, at most.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// Sends notifications. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifier(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Notifier {
    /// One that believes the system's authorities, and those that the operator gives.
    pub(crate) fn new(trust: &logs::Trust) -> Self {
        let config = trust.config().map_or_else(
            |error| {
                tracing::warn!(error, "TLS cannot be used: webhooks over https cannot be delivered");
                let roots = rustls::RootCertStore::empty();
                rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
            },
            |config| rustls::ClientConfig::clone(&config),
        );
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let mut client = Client::builder(TokioExecutor::new());
        // Bodies are not read, so no connection could be used again.
        client.pool_max_idle_per_host(0).http1_max_buf_size(HEAD_LIMIT_BYTES);
        Self(client.build(builder.https_or_http().enable_http1().build()))
    }

    /// One attempt, with an end.
    pub(crate) async fn send(&self, url: &str, keys: &Keys, body: String) -> Outcome {
        let mut request = hyper::Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "flowline")
            .header("heroku-webhook-hmac-sha256", signature(&keys.secret, body.as_bytes()));
        if let Some(authorization) = &keys.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let Ok(request) = request.body(Full::new(Bytes::from(body))) else {
            return Outcome::Unanswered(Unanswered::Address);
        };
        match tokio::time::timeout(ATTEMPT_LIMIT, self.0.request(request)).await {
            Ok(Ok(answer)) => Outcome::Answered(answer.status().as_u16()),
            Ok(Err(error)) => {
                tracing::debug!(%error, url, "A webhook's receiver could not be asked");
                Outcome::Unanswered(Unanswered::Connection)
            }
            Err(_) => Outcome::Unanswered(Unanswered::Timeout),
        }
    }
}

/// Base64 of the HMAC-SHA-256 over the raw body (HOOK-5).
fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hook_5_the_signature_is_that_of_rfc_4231() {
        let signed = signature("Jefe", b"what do ya want for nothing?");
        assert_eq!(signed, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }
}
