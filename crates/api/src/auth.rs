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
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(BASIC.decode(credentials.trim()).ok()?).ok()?;
    let (email, password) = plain.split_once(':')?;
    (email.contains('@') && !password.is_empty()).then(|| (email.to_owned(), password.to_owned()))
}

/// The user name of Basic, which means nothing but for the host that knows apps by it.
#[must_use]
pub(crate) fn user(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let plain = String::from_utf8(BASIC.decode(credentials.trim()).ok()?).ok()?;
    scheme.eq_ignore_ascii_case("basic").then(|| plain.split_once(':').map(|(user, _)| user.to_owned()))?
}

/// The token in the `Authorization` header; the user name of Basic means nothing. `None` when there is none to be read.
#[must_use]
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let credentials = credentials.trim();
    let token = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.to_owned(),
        "basic" => {
            let plain = String::from_utf8(BASIC.decode(credentials).ok()?).ok()?;
            plain.split_once(':')?.1.to_owned()
        }
        _ => return None,
    };
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
