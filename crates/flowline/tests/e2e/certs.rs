//! Certificates of domains: taken, shown without their keys, replaced, removed; and the wish to have them made.

use crate::flow;
use crate::schema::Schema;
use serde_json::{Value, json};
use testkit::{App, KeyedCertificate};

const PATH: &str = "/sni-endpoints";

fn body(certificate: &KeyedCertificate) -> Value {
    json!({ "certificate_chain": certificate.chain, "private_key": certificate.key })
}

async fn add(app: &App<'_>, certificate: &KeyedCertificate) -> Value {
    let answer = app.call("POST", PATH, Some(&body(certificate))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(!answer.text().contains("PRIVATE"), "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn route_6_a_certificate_is_taken_tied_to_a_domain_replaced_and_removed() {
    let (flow, schema) = (flow().await, Schema::read());
    let (app, other) = (flow.app("shop").await, flow.app("blog").await);
    // CLI-27: byte for byte, also what is around it.
    let first = KeyedCertificate::make(&["www.example.com", "*.example.com"], 2400);
    let first = KeyedCertificate { chain: format!("# mine\n{}\n\n", first.chain), ..first };
    let made = add(&app, &first).await;
    schema.check("sni-endpoint", &made);
    assert_eq!(made["certificate_chain"], first.chain);
    let cert = &made["ssl_cert"];
    assert_eq!(cert["cert_domains"], json!(["www.example.com", "*.example.com"]));
    assert_eq!(
        (&cert["subject"], &cert["issuer"]),
        (&json!("/C=AT/CN=www.example.com"), &json!("/C=AT/CN=www.example.com"))
    );
    assert_eq!(
        (&cert["self_signed?"], &cert["ca_signed?"], &cert["acm"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert_eq!(
        (&cert["starts_at"], &cert["expires_at"]),
        (&json!("2020-01-01T00:00:00Z"), &json!("2400-12-31T00:00:00Z"))
    );
    assert_eq!((&made["domains"], made.get("warnings")), (&json!([]), None), "cli_35: tied to nothing by itself");
    let (id, name) = (made["id"].as_str().unwrap(), made["name"].as_str().unwrap());
    for which in [id, name] {
        assert_eq!(app.read(&format!("{PATH}/{which}")).await, made);
        assert_eq!(other.call("GET", &format!("{PATH}/{which}"), None).await.status, 404, "another app's");
        assert_eq!(other.call("DELETE", &format!("{PATH}/{which}"), None).await.status, 404);
        let stolen = json!({ "hostname": "a.example.com", "sni_endpoint": which });
        assert_eq!(other.call("POST", "/domains", Some(&stolen)).await.status, 404);
    }
    let wanted = json!({ "hostname": "www.example.com", "sni_endpoint": name });
    let domain = app.call("POST", "/domains", Some(&wanted)).await.json();
    schema.check("domain", &domain);
    assert_eq!(domain["sni_endpoint"], json!({ "id": id, "name": name }));
    assert_eq!(app.read(&format!("{PATH}/{id}")).await["domains"], json!([domain["id"]]));
    let (again, second) = (add(&app, &first).await, KeyedCertificate::make(&["www.example.com"], 2300));
    assert_eq!(again["ssl_cert"], *cert, "cli_35: the same one may be added twice");
    let patch = app.call("PATCH", &format!("{PATH}/{name}"), Some(&body(&second))).await;
    assert_eq!(patch.status, 200, "{}", patch.text());
    let replaced = patch.json();
    schema.check("sni-endpoint", &replaced);
    assert_eq!((&replaced["id"], &replaced["certificate_chain"]), (&made["id"], &json!(second.chain)));
    assert_eq!(
        (&replaced["domains"], &replaced["ssl_cert"]["expires_at"]),
        (&json!([domain["id"]]), &json!("2300-12-31T00:00:00Z"))
    );
    assert_ne!(replaced["ssl_cert"]["id"], cert["id"]);
    schema.check_all("sni-endpoint", &app.read(PATH).await, 2);
    tie(&app, &json!({ "sni_endpoint": null }), &json!(null)).await;
    tie(&app, &json!({ "sni_endpoint": { "id": id } }), &json!({ "id": id, "name": name })).await;
    tie(&app, &json!({}), &json!({ "id": id, "name": name })).await;
    let gone = app.call("DELETE", &format!("{PATH}/{id}"), None).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, replaced), "cli_20");
    let after = app.call("GET", &format!("{PATH}/{name}"), None).await;
    assert_eq!((after.status.as_u16(), after.json()["id"].as_str()), (404, Some("not_found")), "cli_32");
    tie(&app, &json!({}), &json!(null)).await;
    let secret = first.key.lines().nth(1).unwrap();
    for file in ["flowline.db", "flowline.db-wal"] {
        let bytes = std::fs::read(flow.dir().join(file)).unwrap_or_default();
        assert!(!bytes.windows(40).any(|window| window == &secret.as_bytes()[..40]), "{file} has the key");
    }
}

/// PATCHes the domain; what it is served with then.
async fn tie(app: &App<'_>, patch: &Value, expected: &Value) {
    let answer = app.call("PATCH", "/domains/www.example.com", Some(patch)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["sni_endpoint"]), (200, expected), "{patch}");
}

#[tokio::test]
async fn cli_35_an_expired_certificate_is_taken_with_a_warning() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let made = add(&app, &KeyedCertificate::make(&["www.example.com"], 2021)).await;
    assert_eq!(made["warnings"], json!({ "ssl_cert": ["has expired"] }));
}

#[tokio::test]
async fn certificates_and_keys_that_are_none_or_do_not_belong_together_are_refused() {
    let flow = flow().await;
    let app = flow.app("shop").await;
    let (one, two) = (KeyedCertificate::make(&["a.example"], 2400), KeyedCertificate::make(&["b.example"], 2400));
    let long = one.chain.repeat(300);
    let encrypted = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let torn = one.chain.replace("MII", "AAA");
    for (chain, key, words) in [
        (json!(one.chain), json!(two.key), "is not the key of the first certificate"),
        (json!(""), json!(one.key), "no certificate in it"),
        (json!("$(id)\n\u{1b}[2J"), json!(one.key), "no certificate in it"),
        (json!(one.key), json!(one.key), "no certificate in it"),
        (json!("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"), json!(one.key), "not PEM"),
        (json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), json!(one.key), "not an X.509"),
        (json!(torn), json!(one.key), "not an X.509"),
        (json!(long), json!(one.key), "longer than 65536 bytes"),
        (json!(one.chain), json!(""), "no key in it"),
        (json!(one.chain), json!(one.chain), "no key in it"),
        (json!(one.chain), json!(encrypted), "it is encrypted"),
        (json!(one.chain), json!("x".repeat(100_000)), "too long"),
        (json!(one.chain), json!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "kind is not known"),
        (json!(null), json!(one.key), "certificate_chain"),
        (json!(one.chain), json!(7), "private_key"),
    ] {
        let body = json!({ "certificate_chain": chain, "private_key": key });
        let answer = app.call("POST", PATH, Some(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (422, Some("invalid_params")), "{words}");
        assert!(answer.text().contains(words) && answer.text().len() < 500, "{words}: {}", answer.text());
    }
    for body in [json!({}), json!({ "certificate_chain": one.chain }), json!({ "private_key": one.key })] {
        assert_eq!(app.call("POST", PATH, Some(&body)).await.status, 422);
    }
    assert_eq!(app.read(PATH).await, json!([]));
}

#[tokio::test]
async fn route_5_the_wish_for_automated_certificates_is_kept_and_nothing_is_pretended() {
    let (flow, schema) = (flow().await, Schema::read());
    let app = flow.app("shop").await;
    for hostname in ["www.example.com", "*.example.com"] {
        let made =
            app.call("POST", "/domains", Some(&json!({ "hostname": hostname, "sni_endpoint": null }))).await.json();
        assert_eq!((&made["acm_status"], &made["acm_status_reason"]), (&json!(null), &json!(null)));
    }
    assert_eq!(app.call("PATCH", "/acm", Some(&json!({ "acm_refresh": true }))).await.status, 422, "it is off");
    for (method, acm) in [("POST", true), ("POST", true), ("PATCH", true), ("DELETE", false), ("DELETE", false)] {
        let answer = app.call(method, "/acm", None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        schema.check("app", &answer.json());
        assert_eq!((&answer.json()["acm"], &app.read("").await["acm"]), (&json!(acm), &json!(acm)), "{method}");
        let domain = app.read("/domains/www.example.com").await;
        schema.check("domain", &domain);
        assert_eq!(domain["acm_status"], json!(null), "waiting, or not asked for");
        let reason = domain["acm_status_reason"].as_str();
        assert_eq!(reason.is_some_and(|reason| reason.contains("nothing has been issued yet")), acm, "{reason:?}");
        let wild = app.read("/domains/*.example.com").await;
        assert_eq!(wild["acm_status"], if acm { json!("failed") } else { json!(null) });
        assert_eq!(app.read("/domains/shop.localhost").await["acm_status"], json!(null));
    }
}
