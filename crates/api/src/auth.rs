//! Who calls: a token, as Bearer or as the password of Basic (API-2, CLI-1).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;

/// Clients differ in whether they pad.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// E-mail and password, where Basic carries an e-mail.
#[must_use]
pub(crate) fn login(headers: &HeaderMap) -> Option<(String, String)> {
    basic(headers).filter(|(email, password)| email.contains('@') && !password.is_empty())
}

/// The user name of Basic, which means nothing but for the host that knows apps by it.
#[must_use]
pub(crate) fn user(headers: &HeaderMap) -> Option<String> {
    basic(headers).map(|(user, _)| user)
}

/// Both halves of Basic.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, credentials) = scheme(headers)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(BASIC.decode(credentials).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn scheme(headers: &HeaderMap) -> Option<(&str, &str)> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    Some((scheme, credentials.trim()))
}

/// The token in the `Authorization` header; the user name of Basic means nothing. `None` when there is none to be read.
#[must_use]
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = scheme(headers)?;
    let token = if scheme.eq_ignore_ascii_case("bearer") { credentials.to_owned() } else { basic(headers)?.1 };
    (!token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn read(header: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        token(&headers)
    }

    #[test]
    fn api_2_and_cli_1_bearer_and_basic_with_any_user() {
        let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        for header in ["Bearer tok", "bearer  tok", &basic(":tok"), &basic("git:tok"), &basic("a@b.c:tok")] {
            assert_eq!(read(header).as_deref(), Some("tok"), "{header}");
        }
        assert_eq!(read(basic(":a:b").trim_end_matches('=')).as_deref(), Some("a:b"));
    }

    #[test]
    fn what_holds_no_token() {
        let empty = format!("Basic {}", STANDARD.encode("user:"));
        for header in ["tok", "Bearer ", "Digest tok", "Basic !!!", "Basic dG9r", &empty] {
            assert_eq!(read(header), None, "{header}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
