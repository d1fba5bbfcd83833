//! The messages of Intune and step-ca about a real question.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use mdm_core::scep::intune::{Call, Code, Intune, IssuingAuthority};
use mdm_core::scep::smallstep::{self, Webhook};
use mdm_core::scep::{ChallengeError, Question, Verdict};
use mdm_core::secret::Secret;
use mdm_core::web::{self, Credentials, Endpoint};
use mdm_core::x509::Csr;
use serde_json::{Value, json};

use crate::support::data;
use crate::world::{CHALLENGE, NOW, World, world};

fn question(world: &World) -> Question {
    use mdm_core::scep::{Peer, Received, Request};
    let body = world.message(19).content(Some(world.seal(world.csr.as_der()))).sign();
    match Received::parse(&body, &Peer::default(), &world.provider).unwrap().open(&world.opener()).unwrap() {
        Request::PkcsReq(request) => request.ask().unwrap().question().clone(),
        other => panic!("{other:?}"),
    }
}

fn body(request: &Request<Vec<u8>>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

fn intune() -> Intune {
    let service = Endpoint::new("https://fef.msua01.manage.example.com/TrafficGateway/Service/").unwrap();
    let authority = IssuingAuthority { configuration: "wifi".into(), name: "Example CA".into() };
    Intune { authority, ..Intune::new(service, "Example SCEP/1") }
}

#[test]
fn intune_is_asked_as_microsofts_library_asks() {
    let (world, token) = (world(), Secret::from("token"));
    let question = question(world);
    let call = Call { token: &token, activity: "ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB" };
    let request = intune().validate(&question, call).unwrap();
    assert_eq!(request.uri(), "https://fef.msua01.manage.example.com/TrafficGateway/Service/ScepActions/validateRequest");
    assert_eq!(request.headers()["api-version"], "2018-02-20");
    assert_eq!(request.headers()["client-request-id"], call.activity);
    assert_eq!(request.headers()["authorization"], "Bearer token");
    assert!(!format!("{:?}", request.headers()).contains("token\""));
    let csr = STANDARD.encode(world.csr.as_der());
    let id = question.transaction().id().as_str();
    assert_eq!(
        body(&request),
        json!({ "request": { "transactionId": id, "certificateRequest": csr, "callerInfo": "Example SCEP/1" } })
    );

    let answer = |code: &str| Response::new(json!({ "code": code, "errorDescription": "why" }).to_string().into_bytes());
    let verdict = |code: &str| intune().decision(&question, &answer(code)).unwrap().verdict().clone();
    assert_eq!(verdict("Success"), Verdict::Accepted);
    for code in ["ChallengeExpired", "SomethingNew", "Unknown"] {
        assert_eq!(verdict(code), Verdict::Denied { reason: format!("{code} why") });
    }
    assert_eq!(intune().acknowledged(&answer("Success")), Ok(Code::Success));
}

#[test]
fn intune_is_told_what_was_issued_and_what_was_not() {
    let (world, token) = (world(), Secret::from("token"));
    let (question, call) = (question(world), Call { token: &token, activity: "1" });
    let certificate = world.issue(world.csr.subject(), world.csr.public_key());
    let issued = intune().notify(&question.issued(&certificate).unwrap(), call, &world.provider).unwrap();
    assert!(issued.uri().path().ends_with("/ScepActions/successNotification"));
    let told = body(&issued);
    let fields = &told["notification"];
    assert_eq!(fields["certificateSerialNumber"], certificate.serial().to_string().to_uppercase());
    assert_eq!(fields["certificateExpirationDateUtc"], "2027-01-01T00:00:00.000Z");
    assert_eq!(fields["issuingCertificateAuthority"], "CN=CA,O=Example");
    assert_eq!((&fields["caConfiguration"], &fields["certificateAuthority"]), (&json!("wifi"), &json!("Example CA")));
    let thumbprint = fields["certificateThumbprint"].as_str().unwrap();
    assert!(thumbprint.len() == 40 && thumbprint.bytes().all(|c| c.is_ascii_digit() || (b'A'..=b'F').contains(&c)));

    let failed = intune().notify(&question.failed(0x8009_4012, &"x".repeat(300)), call, &world.provider).unwrap();
    assert!(failed.uri().path().ends_with("/ScepActions/failureNotification"));
    let told = body(&failed);
    assert_eq!(told["notification"]["hResult"], 0x8009_4012_u32);
    assert_eq!(told["notification"]["errorDescription"].as_str().unwrap().len(), 255);
    assert!(told["notification"].get("certificateThumbprint").is_none());
    let bad = Call { token: &Secret::from("a\nb"), activity: "1" };
    assert!(matches!(intune().validate(&question, bad), Err(web::Error::Misuse(_))));
}

fn webhook() -> Webhook {
    Webhook::new("hook-1", &STANDARD.encode("a key of the webhook")).unwrap()
}

/// A call as step-ca makes it, with openssl's signature.
fn call(name: &str) -> Request<Vec<u8>> {
    let signature = String::from_utf8(data(&format!("scep_challenge/{name}.hmac"))).unwrap();
    Request::post("https://service.example.com/")
        .header("X-Smallstep-Signature", signature.trim())
        .header("X-Smallstep-Webhook-ID", "hook-1")
        .body(data(&format!("scep_challenge/{name}.json")))
        .unwrap()
}

#[test]
fn a_call_that_openssl_signed_is_read() {
    let provider = &world().provider;
    let expected = Csr::from_der(&data("scep/request.der")).unwrap();
    match webhook().receive(&call("validate"), NOW, provider).unwrap() {
        smallstep::Call::Validate { challenge, csr, context } => {
            assert_eq!((challenge, csr), (Secret::from(CHALLENGE), expected.clone()));
            assert_eq!((context.transaction_id.as_str(), context.provisioner.as_deref()), ("ABC-1", Some("wifi")));
        }
        other => panic!("{other:?}"),
    }
    match webhook().receive(&call("failed"), NOW, provider).unwrap() {
        smallstep::Call::Failed { code, description, csr, .. } => {
            assert_eq!((code, description.as_str(), csr), (7, "the authority is closed", Some(expected)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_of_anybody_else_is_not_read() {
    let provider = &world().provider;
    let refused = |request: &Request<Vec<u8>>, webhook: &Webhook| webhook.receive(request, NOW, provider).unwrap_err();
    let good = || call("validate");
    let mut changed = good();
    changed.body_mut().push(b' ');
    assert_eq!(refused(&changed, &webhook()), ChallengeError::Unauthenticated);
    assert_eq!(refused(&good(), &Webhook { id: "hook-2".into(), ..webhook() }), ChallengeError::Unauthenticated);
    assert_eq!(refused(&good(), &Webhook { secret: "another".into(), ..webhook() }), ChallengeError::Unauthenticated);
    let strict = Webhook { credentials: Some(Credentials::bearer("b")), ..webhook() };
    assert_eq!(refused(&good(), &strict), ChallengeError::Unauthenticated);
    let mut twice = good();
    twice.headers_mut().append("X-Smallstep-Signature", "00".parse().unwrap());
    assert_eq!(refused(&twice, &webhook()), ChallengeError::Unauthenticated);
    // What step-ca sent before 0.23: the body, and an HMAC over nothing.
    let mut old = good();
    let hex: String = old.body().iter().map(|octet| format!("{octet:02x}")).collect();
    old.headers_mut().insert("X-Smallstep-Signature", format!("{hex}{}", "0".repeat(64)).parse().unwrap());
    assert_eq!(refused(&old, &webhook()), ChallengeError::Unauthenticated);
    for header in ["X-Smallstep-Signature", "X-Smallstep-Webhook-ID"] {
        let mut bare = good();
        bare.headers_mut().remove(header);
        assert_eq!(refused(&bare, &webhook()), ChallengeError::Unauthenticated);
    }
    for (now, seconds) in [(NOW.plus_seconds(301), 301), (NOW.plus_seconds(-301), -301)] {
        assert_eq!(webhook().receive(&good(), now, provider), Err(ChallengeError::Stale { seconds }));
    }
}

#[test]
fn the_two_sides_understand_each_other() {
    let world = world();
    let (question, provider) = (question(world), &world.provider);
    let url = Endpoint::new("https://service.example.com/hook?a=b").unwrap();
    let webhook = Webhook { credentials: Some(Credentials::bearer("b")), ..webhook() };
    let asked = webhook.validate(&url, &question, NOW, provider).unwrap();
    assert_eq!(asked.uri(), "https://service.example.com/hook?a=b");
    match webhook.receive(&asked, NOW, provider).unwrap() {
        smallstep::Call::Validate { challenge, csr, context } => {
            assert_eq!((&challenge, &csr), (question.challenge(), question.csr()));
            assert_eq!(context.transaction_id, question.transaction().id().as_str());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(webhook.decision(&question, &smallstep::answer(true)).unwrap().verdict(), &Verdict::Accepted);
    assert!(matches!(webhook.decision(&question, &smallstep::answer(false)).unwrap().verdict(), Verdict::Denied { .. }));
    assert!(webhook.decision(&question, &Response::builder().status(500).body("").unwrap()).unwrap_err().is_temporary());

    let certificate = world.issue(world.csr.subject(), world.csr.public_key());
    let told = webhook.notify(&url, &question.issued(&certificate).unwrap(), NOW, provider).unwrap();
    assert!(!String::from_utf8_lossy(told.body()).contains("scepChallenge"), "who is only told gets no challenge");
    match webhook.receive(&told, NOW, provider).unwrap() {
        smallstep::Call::Issued { certificate: read, csr, .. } => {
            assert_eq!((read, csr), (certificate, Some(world.csr.clone())))
        }
        other => panic!("{other:?}"),
    }
    let told = webhook.notify(&url, &question.failed(7, "closed"), NOW, provider).unwrap();
    assert!(matches!(webhook.receive(&told, NOW, provider).unwrap(), smallstep::Call::Failed { code: 7, .. }));
}

/// A body of the test's own, signed with the webhook's key.
fn signed(body: &[u8]) -> Request<Vec<u8>> {
    use mdm_core::crypto::DigestAlgorithm;
    let mac = world().provider.mac(DigestAlgorithm::Sha256, &"a key of the webhook".into(), &[body]);
    let hex: String = mac.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    let request = Request::post("/").header("X-Smallstep-Signature", hex).header("X-Smallstep-Webhook-ID", "hook-1");
    request.body(body.to_vec()).unwrap()
}

#[test]
fn damage_behind_a_good_signature_is_an_error_of_its_own() {
    let provider = &world().provider;
    let receive = |body: &[u8]| webhook().receive(&signed(body), NOW, provider).unwrap_err();
    let whole = data("scep_challenge/validate.json");
    for end in (0..whole.len()).step_by(7) {
        assert!(matches!(receive(&whole[..end]), ChallengeError::Web(web::Error::Json { .. })), "{end}");
    }
    let at = "\"timestamp\":\"2026-01-01T00:00:00Z\"";
    let with = |rest: &str| receive(format!("{{{at},{rest}}}").as_bytes());
    assert_eq!(receive(b"{}"), web::Error::Field("timestamp").into());
    assert_eq!(with(r#""scepTransactionID":"""#), ChallengeError::OtherEvent);
    assert_eq!(with(r#""scepTransactionID":"a""#), web::Error::Field("scepChallenge or x509CertificateRequest").into());
    assert_eq!(
        with(r#""scepTransactionID":"a","x509CertificateRequest":{"raw":"!"}"#),
        web::Error::Field("x509CertificateRequest.raw").into()
    );
    assert!(matches!(with(r#""scepTransactionID":"a","x509Certificate":{"raw":"MAA="}"#), ChallengeError::X509(_)));
    assert!(matches!(with(r#""scepTransactionID":7"#), ChallengeError::Web(web::Error::Json { .. })));
    assert!(matches!(with(r#""scepTransactionID":"a","scepErrorCode":"x""#), ChallengeError::Web(web::Error::Json { .. })));
    assert_eq!(receive(&vec![b' '; 300 << 10]).http_status(), 413);
    assert_eq!(receive(b"<html></html>").http_status(), 400);
}
