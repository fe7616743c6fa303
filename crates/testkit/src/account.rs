//! Other people on the same Flowline.

use crate::flow::Flow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;

impl Flow {
    /// Another account; its token.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn account(&self, email: &str) -> String {
        let password = self.password(email).await;
        let answer = self.login(email, &password, None).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["access_token"]["token"].as_str().unwrap().to_owned()
    }

    /// Another account; its password.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn password(&self, email: &str) -> String {
        let answer = self.post("/accounts", &json!({ "email": email })).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["password"].as_str().unwrap().to_owned()
    }

    /// What `heroku login -i` sends.
    pub async fn login(&self, email: &str, password: &str, code: Option<&str>) -> crate::Answer {
        let basic = format!("Basic {}", STANDARD.encode(format!("{email}:{password}")));
        let mut headers = vec![("authorization", basic.as_str()), ("content-type", "application/json")];
        headers.extend(code.map(|code| ("heroku-two-factor-code", code)));
        let body = json!({ "description": "Heroku CLI login", "expires_in": 2_592_000, "scope": ["global"] });
        self.raw("POST", "/oauth/authorizations", &headers, Bytes::from(body.to_string())).await
    }
}

/// What an authenticator app shows, by another program than ours.
///
/// # Panics
/// When there is no Python.
pub async fn totp(secret: &str) -> String {
    totp_after(secret, 0).await
}

/// What it shows so many codes later.
///
/// # Panics
/// When there is no Python.
pub async fn totp_after(secret: &str, codes: u32) -> String {
    const CODE: &str = "import base64,hmac,struct,sys,time;k=base64.b32decode(sys.argv[1]);\
        h=hmac.new(k,struct.pack('>Q',int(time.time())//30+int(sys.argv[2])),'sha1').digest();o=h[-1]&15;\
        print('%06d'%((struct.unpack('>I',h[o:o+4])[0]&0x7fffffff)%1000000))";
    let shown =
        tokio::process::Command::new("python3").args(["-c", CODE, secret, &codes.to_string()]).output().await.unwrap();
    String::from_utf8(shown.stdout).unwrap().trim().to_owned()
}
