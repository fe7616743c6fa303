//! One request: a path of the schema or of the routes, filled with what is there and with what should not be; a body of the
//! right shape, of another, or none; headers that clients send and that nobody should.

use crate::dice::Dice;
use crate::seen::Seen;
use api::routes::ROUTES;
use bytes::Bytes;
use hyper::Request;
use serde_json::{Map, Value, json};
use std::fmt;
use std::net::SocketAddr;

/// Method, path and the shape of the body: what `links.json` keeps of the published schema's links, and the routes themselves.
pub(crate) struct Links(Vec<(String, String, Value)>);

impl Links {
    /// What Flowline has stands there more often: most of the published schema belongs to nouns that it has not.
    pub(crate) fn read() -> Self {
        let published: Vec<(String, String, Value)> = serde_json::from_str(include_str!("links.json")).unwrap();
        let served = |link: &(String, String, Value)| {
            ROUTES.iter().any(|route| route.method == link.0.as_str() && anonymous(route.path) == anonymous(&link.1))
        };
        let often: Vec<_> = published.iter().filter(|link| served(link)).cloned().collect();
        let routes = ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_owned(), Value::Null));
        Self(routes.chain(published).chain(often.iter().cloned().cycle().take(often.len() * 5)).collect())
    }
}

/// A path without the names of what is in it.
fn anonymous(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Words of shells, databases, paths, headers, terminals and templates; numbers that do not fit; nothing; much.
const EVIL: &[&str] = &[
    "",
    " ",
    "'; DROP TABLE app;--",
    "\" OR 1=1 --",
    "$(touch /tmp/pwned)",
    "`id`; rm -rf /",
    "../../../../etc/passwd",
    "..%2f..%2fmaster.key",
    "/etc/shadow",
    "shop\r\nX-Evil: 1",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\0",
    "%00",
    "%",
    "%zz",
    "ü💥\u{202e}",
    "-rf",
    "--upload-pack=touch",
    "{{7*7}}${7*7}",
    "null",
    "~",
    "0",
    "-1",
    "9223372036854775808",
    "1e999",
    "true",
    "[]",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "https://user:pass@127.0.0.1:9/",
    "syslog://127.0.0.1:9",
    "*.*",
    "xn--",
];

/// What stands for a thing in a path when it is not one that an answer held.
const COMMON: &[(&str, &[&str])] = &[
    ("formation", &["web", "worker", "release"]),
    ("type", &["web", "worker"]),
    ("dyno", &["web.1", "run.1", "web"]),
    ("release", &["1", "2", "v1", "current"]),
    ("stack", &["heroku-24", "heroku-22"]),
    ("region", &["us", "eu"]),
    ("user", &["~"]),
    ("account", &["~"]),
    ("feature", &["runtime-dyno-metadata"]),
    ("app-feature", &["http-session-affinity"]),
];

const RANGES: &[&str] = &[
    "id ..; max=1000;",
    "version ..; max=15, order=desc",
    "version ..; order=desc,max=1",
    "seq ..; order=desc,max=1000",
    "]abc..; max=5",
    "id a..b",
    "nonsense",
    "id ..; max=-1",
    "id ..; max=99999999999999999999",
    "; ; ;",
    "number 3..; max=2",
];

const ACCEPTS: &[&str] = &[
    "application/vnd.heroku+json; version=3",
    "application/vnd.heroku+json; version=3.sdk",
    "application/vnd.heroku+json; version=3.webhooks",
    "*/*",
    "application/json",
    "application/vnd.heroku+json; version=2",
    "text/html;q=0.9,,;",
];

/// Paths whose DELETE takes an app, an account or a team away.
const ENDS: &[&str] =
    &["/apps/{}", "/account", "/users/{}", "/teams/{}", "/oauth/authorizations/{}", "/oauth/tokens/{}"];

/// A request that was drawn.
pub(crate) struct Made {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(&'static str, String)>,
    with_token: bool,
    body: Bytes,
}

impl Made {
    pub(crate) fn draw(dice: &mut Dice, links: &Links, seen: &Seen) -> Self {
        let mut link = &links.0[dice.index(links.0.len())];
        // What ends everything that the next requests are about comes seldom.
        while link.0 == "DELETE" && ENDS.contains(&anonymous(&link.1).as_str()) && !dice.once_in(15) {
            link = &links.0[dice.index(links.0.len())];
        }
        let (method, path, shape) = link;
        let method =
            if dice.once_in(40) { dice.pick(&["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]) } else { method };
        let accepts = if dice.once_in(20) { ACCEPTS } else { &ACCEPTS[..3] };
        let mut headers = vec![("accept", dice.pick(accepts).to_owned())];
        if method == "GET" && dice.once_in(4) {
            headers.push(("range", dice.pick(RANGES).to_owned()));
        }
        if dice.once_in(30) {
            headers.push(("if-none-match", "\"0000000000000000\", *".to_owned()));
        }
        if dice.once_in(30) {
            headers.push(("heroku-two-factor-code", "123456".to_owned()));
        }
        let body = if method == "GET" || method == "HEAD" { Bytes::new() } else { body(dice, shape, seen) };
        if !body.is_empty() {
            let kind = if dice.once_in(30) { "text/plain" } else { "application/json" };
            headers.push(("content-type", kind.to_owned()));
        }
        let with_token = !dice.once_in(50);
        Self { method: method.to_owned(), path: fill(dice, path, seen), headers, with_token, body }
    }

    pub(crate) fn request(&self, api: SocketAddr, token: &str) -> Request<testkit::Body> {
        let mut request =
            Request::builder().method(self.method.as_str()).uri(&self.path).header("host", api.to_string());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if self.with_token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(testkit::Body::new(self.body.clone())).unwrap()
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let shown: String = body.chars().take(2000).collect();
        write!(f, "{} {} {:?} {shown}", self.method, self.path, self.headers)
    }
}

/// The path with something in place of each name.
fn fill(dice: &mut Dice, path: &str, seen: &Seen) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        filled.push_str(before);
        filled.push_str(&escaped(&named(dice, name, seen)));
        rest = after;
    }
    filled.push_str(rest);
    if dice.once_in(60) {
        filled.push_str(dice.pick(&["/", "//", "?a=%ff&b", "/%2e%2e/", "?limit=-1"]));
    }
    filled
}

fn named(dice: &mut Dice, name: &str, seen: &Seen) -> String {
    if dice.once_in(8) {
        return evil(dice);
    }
    match name {
        "app" | "team-app" => seen.app.clone(),
        "team" => seen.team.clone(),
        name => {
            let common = COMMON.iter().find(|(known, _)| *known == name).filter(|_| !dice.once_in(3));
            match common {
                Some((_, words)) => dice.pick(words).to_owned(),
                None => seen.any(dice),
            }
        }
    }
}

fn evil(dice: &mut Dice) -> String {
    match dice.index(EVIL.len() + 1) {
        place if place < EVIL.len() => EVIL[place].to_owned(),
        _ => "a".repeat(3000),
    }
}

/// As one segment of a path; what was escaped already stays so.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%*@:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn body(dice: &mut Dice, shape: &Value, seen: &Seen) -> Bytes {
    match dice.index(40) {
        0 => Bytes::new(),
        1 => Bytes::from_static(b"{\"name\": \xff\xfe}"),
        2 => Bytes::from_static(b"{\"name\": \"unfinished"),
        3 => Bytes::from("[".repeat(20_000)),
        4 => Bytes::from(format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(2000), "}".repeat(2000))),
        5 => Bytes::from(json!(evil(dice)).to_string()),
        6 => Bytes::from_static(b"{\"name\":1e400,\"quantity\":123456789012345678901234567890}"),
        _ => Bytes::from(value(dice, shape, seen, 0).to_string()),
    }
}

/// A value of this shape, or now and then of another.
fn value(dice: &mut Dice, shape: &Value, seen: &Seen, depth: u32) -> Value {
    if depth > 0 && dice.once_in(10) {
        return other(dice);
    }
    match shape {
        Value::Null => json!({}),
        Value::Array(of) => (0..dice.index(3)).map(|_| value(dice, &of[0], seen, depth + 1)).collect(),
        Value::Object(shape) => match shape.get("enum").and_then(Value::as_array) {
            Some(words) if depth > 0 => words[dice.index(words.len())].clone(),
            Some(_) | None => {
                let mut map = Map::new();
                for (key, shape) in shape {
                    if !dice.once_in(4) {
                        map.insert(key.clone(), value(dice, shape, seen, depth + 1));
                    }
                }
                if dice.once_in(20) {
                    map.insert(evil(dice), other(dice));
                }
                Value::Object(map)
            }
        },
        Value::String(kind) => plain(dice, kind, seen),
        Value::Bool(_) | Value::Number(_) => shape.clone(),
    }
}

fn plain(dice: &mut Dice, kind: &str, seen: &Seen) -> Value {
    match kind {
        "boolean" => json!(dice.once_in(2)),
        "integer" | "number" => {
            [json!(0), json!(1), json!(2), json!(-1), json!(i64::MAX), json!(0.5)][dice.index(6)].clone()
        }
        "uri" => json!(dice.pick(&["http://127.0.0.1:9/x", "https://127.0.0.1:9/", "syslog://127.0.0.1:9", "ftp://x"])),
        "date-time" => json!("2026-01-02T03:04:05Z"),
        "email" => json!(dice.pick(&["ada@example.org", "client-0-0@example.org", "no"])),
        _ => match dice.index(6) {
            0 => json!(seen.app),
            1 => json!(seen.team),
            2 => json!(evil(dice)),
            3 => json!(dice.pick(&["web", "read", "notify", "api:release", "heroku/nodejs", "standard-1x", "view"])),
            _ => json!(seen.any(dice)),
        },
    }
}

fn other(dice: &mut Dice) -> Value {
    match dice.index(8) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(u64::MAX),
        3 => json!(-0.0001),
        4 => json!([]),
        5 => json!({ "id": {}, "name": [] }),
        6 => json!([[[["deep"]]]]),
        _ => json!(evil(dice)),
    }
}
