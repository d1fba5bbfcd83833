//! DigiCert's Services API.

use http::{Method, Request, Response};
use mdm_core::external::digicert::DigiCert;
use mdm_core::external::{Answer, Error, Reference};
use mdm_core::secret::Secret;
use mdm_core::web::{self, Endpoint};
use mdm_core::x509::RevocationReason;
use serde_json::{Map, Value, json};

use crate::world::{NOW, world};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn digicert() -> DigiCert {
    DigiCert {
        url: Endpoint::new("https://www.digicert.com").unwrap(),
        key: Secret::from("key-1"),
        product: "client_authentication_plus".into(),
        order: map(json!({
            "certificate": { "signature_hash": "sha256", "csr": "not this one" },
            "organization": { "id": 112_233 },
            "order_validity": { "days": 365 }
        })),
        skip_approval: false,
    }
}

fn answer(status: u16, body: &str) -> Response<Vec<u8>> {
    Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

fn body(request: &Request<Vec<u8>>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

fn order() -> Reference {
    Reference::new("123456").unwrap()
}

fn ready() -> Reference {
    order().with_certificate("987").unwrap()
}

#[test]
fn an_order_is_placed_with_what_its_product_asks_for() {
    let world = world();
    let names = map(json!({ "common_name": "iPhone", "emails": ["a@example.com"] }));
    let request = digicert().submit(&world.csr, &"request-1".into(), &names).unwrap();
    assert_eq!(request.uri(), "https://www.digicert.com/services/v2/order/certificate/client_authentication_plus");
    assert_eq!((request.method(), &request.headers()["x-dc-devkey"]), (&Method::POST, &"key-1".parse().unwrap()));
    assert!(!format!("{:?} {:?}", request.headers(), digicert()).contains("key-1"));
    assert_eq!(
        body(&request),
        json!({
            "certificate": {
                "signature_hash": "sha256", "common_name": "iPhone", "emails": ["a@example.com"], "csr": world.csr.to_pem()
            },
            "organization": { "id": 112_233 },
            "order_validity": { "days": 365 },
            "comments": "request-1"
        })
    );
    let skipping = DigiCert { skip_approval: true, ..digicert() };
    assert_eq!(body(&skipping.submit(&world.csr, &"r".into(), &names).unwrap())["skip_approval"], true);
    let odd = DigiCert { product: "a/../b".into(), ..digicert() };
    let path = odd.submit(&world.csr, &"r".into(), &names).unwrap().uri().path().to_owned();
    assert_eq!(path, "/services/v2/order/certificate/a%2F..%2Fb");
    let wrong = DigiCert { order: map(json!({ "certificate": "text" })), ..digicert() };
    assert!(matches!(wrong.submit(&world.csr, &"r".into(), &names), Err(Error::Misuse(_))));
}

#[test]
fn the_answer_to_an_order_names_it() {
    let submitted = |status, body| digicert().submitted(&answer(status, body));
    let pending = r#"{"id":123456,"requests":[{"id":1,"status":"pending"}]}"#;
    assert_eq!(submitted(201, pending), Ok(Answer::Pending { reference: Some(order()) }));
    let at_once = r#"{"id":123456,"certificate_id":987,"certificate_chain":[]}"#;
    assert_eq!(submitted(201, at_once), Ok(Answer::Accepted(ready())));
    let denied = r#"{"errors":[{"code":"invalid_organization","message":"no such\n organization"},{"code":"x"}]}"#;
    assert_eq!(submitted(400, denied), Ok(Answer::Denied { reason: "invalid_organization no such organization; x".into() }));
    assert!(matches!(submitted(404, denied), Err(Error::Web(web::Error::Refused { status: 404, .. }))));
    for body in ["", "{}", r#"{"id":"123456"}"#, r#"{"id":-1}"#, r#"{"id":1.5}"#] {
        assert!(matches!(submitted(201, body), Err(Error::Web(web::Error::Json { .. }))), "{body}");
    }
    assert!(matches!(submitted(400, "<html></html>"), Err(Error::Web(web::Error::Format(_)))));
    assert_eq!(submitted(429, "").unwrap_err(), web::Error::Unavailable { status: 429, retry_after: None }.into());
}

#[test]
fn an_order_is_polled_until_its_certificate_can_be_downloaded() {
    let world = world();
    let path = |reference: &Reference| digicert().poll(reference).unwrap().uri().path().to_owned();
    assert_eq!(path(&order()), "/services/v2/order/certificate/123456");
    assert_eq!(path(&ready()), "/services/v2/certificate/987/download/format/pem_all");
    let polled = |reference: &Reference, body: &str| {
        digicert().polled(reference, &answer(200, body), &world.trust().expecting(&world.csr, NOW, &world.provider))
    };
    let status =
        |status: &str| polled(&order(), &json!({ "id": 123_456, "status": status, "certificate": { "id": 987 } }).to_string());
    assert_eq!(status("issued"), Ok(Answer::Accepted(ready())));
    for pending in ["pending", "needs_approval", "processing", "waiting_pickup", "needs_csr", "reissue_pending"] {
        assert_eq!(status(pending), Ok(Answer::Pending { reference: None }), "{pending}");
    }
    assert!(matches!(status("rejected"), Ok(Answer::Denied { .. })));
    assert_eq!(status("canceled"), Ok(Answer::Withdrawn));
    assert_eq!(status("revoked"), Ok(Answer::Revoked));
    assert_eq!(status("on_the_moon"), Err(Error::Status("on_the_moon".into())));
    assert_eq!(polled(&order(), r#"{"id":1}"#), Err(web::Error::Field("status").into()));
    assert_eq!(polled(&order(), r#"{"id":1,"status":"issued"}"#), Err(web::Error::Field("certificate.id").into()));
    assert_eq!(polled(&ready(), &world.chain_pem()), Ok(Answer::Issued(world.issued())));
    assert!(matches!(polled(&ready(), &world.forged.to_pem()), Err(Error::Untrusted(_))));
    assert!(matches!(polled(&ready(), r#"{"errors":[]}"#), Err(Error::Unreadable(_))));
}

#[test]
fn orders_are_withdrawn_and_certificates_revoked() {
    let request = digicert().withdraw(&order()).unwrap();
    assert_eq!((request.method(), request.uri().path()), (&Method::PUT, "/services/v2/order/certificate/123456/status"));
    assert_eq!(body(&request)["status"], "CANCELED");
    assert_eq!(digicert().withdrawn(&answer(204, "")), Ok(Answer::Withdrawn));
    assert_eq!(digicert().withdrawn(&answer(404, "")), Ok(Answer::Withdrawn));
    let late = digicert().withdrawn(&answer(409, r#"{"errors":[{"code":"order_issued","message":"too late"}]}"#));
    assert!(matches!(late, Err(Error::Web(web::Error::Refused { status: 409, .. }))));

    let request = digicert().revoke(&ready(), RevocationReason::KeyCompromise).unwrap();
    assert_eq!((request.method(), request.uri().path()), (&Method::PUT, "/services/v2/certificate/987/revoke"));
    assert!(body(&request)["comments"].as_str().unwrap().contains("KeyCompromise"));
    assert!(matches!(digicert().revoke(&order(), RevocationReason::KeyCompromise), Err(Error::Misuse(_))));
    let revoked = |status, body| digicert().revoked(&answer(status, body));
    assert_eq!(revoked(201, r#"{"id":1,"type":"revoke","status":"pending"}"#), Ok(Answer::RevocationPending));
    assert_eq!(revoked(204, ""), Ok(Answer::Revoked));
    assert_eq!(revoked(201, r#"{"status":"lost"}"#), Err(Error::Status("lost".into())));
    assert!(matches!(revoked(201, ""), Err(Error::Web(web::Error::Json { .. }))));
    let checked = |status: &str| digicert().revocation_checked(&answer(200, &json!({ "id": 1, "status": status }).to_string()));
    assert_eq!(checked("issued"), Ok(Answer::RevocationPending));
    assert_eq!(checked("revoked"), Ok(Answer::Revoked));
}
