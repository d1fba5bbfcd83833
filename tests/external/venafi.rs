//! Venafi's Web SDK.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use mdm_core::external::venafi::{Token, Venafi};
use mdm_core::external::{Answer, Error, Reference};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::web::{self, Endpoint};
use mdm_core::x509::RevocationReason;
use serde_json::{Value, json};

use crate::world::{NOW, world};

fn venafi() -> Venafi {
    Venafi {
        url: Endpoint::new("https://tpp.example.com").unwrap(),
        client_id: "mdm".into(),
        policy: r"\VED\Policy\Devices".into(),
        authority: None,
        attributes: Vec::new(),
    }
}

fn token() -> Token {
    Token::new(Secret::from("access"), NOW.plus_seconds(100), Some(Secret::from("refresh")))
}

fn answer(status: u16, body: &str) -> Response<Vec<u8>> {
    Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

fn body(request: &Request<Vec<u8>>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

fn reference() -> Reference {
    Reference::new(r"\VED\Policy\Devices\request-1").unwrap()
}

#[test]
fn a_token_is_got_and_refreshed() {
    let request = venafi().authorize("svc", &Secret::from("pass\"word")).unwrap();
    assert_eq!(request.uri(), "https://tpp.example.com/vedauth/authorize/oauth");
    let expected =
        json!({ "client_id": "mdm", "username": "svc", "password": "pass\"word", "scope": "certificate:manage,revoke" });
    assert_eq!(body(&request), expected);
    let got = r#"{"access_token":"a","expires":1795222800,"identity":"local:{x}","refresh_token":"r","scope":"x","token_type":"Bearer"}"#;
    let token = venafi().token(&answer(200, got)).unwrap();
    assert_eq!(token.expires(), Timestamp::from_unix(1_795_222_800));
    assert!(!token.is_due(60, NOW) && token.is_due(3600, NOW));
    assert!(!format!("{token:?}").contains("\"a\""));
    let request = venafi().refresh(&token).unwrap();
    assert_eq!(request.uri(), "https://tpp.example.com/vedauth/authorize/token");
    assert_eq!(body(&request), json!({ "client_id": "mdm", "refresh_token": "r" }));
    let without = venafi().token(&answer(200, r#"{"access_token":"a","expires":1}"#)).unwrap();
    assert!(matches!(venafi().refresh(&without), Err(Error::Misuse(_))));
    let stored = serde_json::to_string(&token).unwrap();
    assert_eq!(serde_json::from_str::<Token>(&stored).unwrap(), token);
}

#[test]
fn a_token_that_is_none_is_an_error() {
    let error = |status, body| venafi().token(&answer(status, body)).unwrap_err();
    assert_eq!(error(200, r#"{"access_token":"","expires":1}"#), web::Error::Field("access_token").into());
    for body in ["", "{}", r#"{"access_token":"a"}"#, r#"{"access_token":"a","expires":"soon"}"#, "[]"] {
        assert!(matches!(error(200, body), Error::Web(web::Error::Json { .. })), "{body}");
    }
    assert_eq!(error(401, r#"{"error":"invalid_grant"}"#), web::Error::Unauthorized(401).into());
    assert!(matches!(error(400, r#"{"error":"invalid_request"}"#), Error::Web(web::Error::Refused { status: 400, .. })));
    assert_eq!(error(200, "<html>login</html>"), web::Error::Format("JSON; it looks like HTML").into());
}

#[test]
fn a_request_is_sent_and_accepted_or_denied() {
    let world = world();
    let venafi =
        Venafi { authority: Some(r"\VED\Policy\CA".into()), attributes: vec![("Validity".into(), "365".into())], ..venafi() };
    let request = venafi.submit(&world.csr, &"request-1".into(), &token()).unwrap();
    assert_eq!(request.uri(), "https://tpp.example.com/vedsdk/certificates/request");
    assert_eq!(request.headers()["authorization"], "Bearer access");
    assert_eq!(
        body(&request),
        json!({
            "PolicyDN": r"\VED\Policy\Devices",
            "CADN": r"\VED\Policy\CA",
            "ObjectName": "request-1",
            "PKCS10": world.csr.to_pem(),
            "CASpecificAttributes": [{ "Name": "Validity", "Value": "365" }],
            "DisableAutomaticRenewal": true
        })
    );
    let taken = r#"{"CertificateDN":"\\VED\\Policy\\Devices\\request-1","Guid":"{37c04c33-f8f3-498c-bf10-70f346674701}"}"#;
    let busy = r#"{"CertificateDN":"\\VED\\Policy\\Devices\\request-1","Error":"took longer","Guid":"{x}"}"#;
    for (status, body) in [(200, taken), (202, busy)] {
        assert_eq!(venafi.submitted(&answer(status, body)), Ok(Answer::Accepted(reference())));
    }
    let denied = venafi.submitted(&answer(400, r#"{"Error":"PolicyDN: no\r\nsuch folder"}"#));
    assert_eq!(denied, Ok(Answer::Denied { reason: "PolicyDN: no such folder".into() }));
    for name in [r"..\Administrators\x", "", "a\nb"] {
        assert!(matches!(venafi.submit(&world.csr, &name.into(), &token()), Err(Error::Misuse(_))), "{name}");
    }
    for body in ["{}", r#"{"CertificateDN":""}"#, r#"{"CertificateDN":"a\u0000"}"#] {
        assert_eq!(venafi.submitted(&answer(200, body)), Err(web::Error::Field("CertificateDN").into()), "{body}");
    }
}

#[test]
fn the_certificate_comes_when_it_is_ready() {
    let world = world();
    let request = venafi().poll(&reference(), &token()).unwrap();
    let expected =
        json!({ "CertificateDN": reference().request(), "Format": "Base64", "IncludeChain": true, "RootFirstOrder": false });
    assert_eq!(body(&request), expected);
    let polled =
        |status, body: &str| venafi().polled(&answer(status, body), &world.trust().expecting(&world.csr, NOW, &world.provider));
    let pending = r#"{"Stage":500,"Status":"Post CSR"}"#;
    assert_eq!(polled(202, pending), Ok(Answer::Pending { reference: None }));
    let data =
        |pem: &str| json!({ "CertificateData": STANDARD.encode(pem), "Filename": "x.cer", "Format": "Base64" }).to_string();
    assert_eq!(polled(200, &data(&world.chain_pem())), Ok(Answer::Issued(world.issued())));
    assert!(matches!(polled(200, &data(&world.forged.to_pem())), Err(Error::Untrusted(_))));
    assert!(matches!(polled(200, &data("no pem")), Err(Error::Unreadable(_))));
    assert_eq!(polled(200, &data(&world.authority.to_pem())), Err(Error::OtherKey));
    assert_eq!(polled(200, pending), Err(web::Error::Field("CertificateData").into()));
    assert_eq!(polled(200, r#"{"CertificateData":"!"}"#), Err(web::Error::Field("CertificateData").into()));
    assert!(polled(500, r#"{"Stage":600,"Status":"Approval rejected"}"#).unwrap_err().is_temporary());
    let whole = data(&world.chain_pem());
    for end in (0..whole.len()).step_by(97) {
        assert!(matches!(polled(200, &whole[..end]), Err(Error::Web(web::Error::Json { .. }))), "{end}");
    }
}

#[test]
fn a_revocation_is_requested_and_then_done() {
    let reason = |reason| body(&venafi().revoke(&reference(), reason, &token()).unwrap())["Reason"].clone();
    assert_eq!(reason(RevocationReason::KeyCompromise), 1);
    assert_eq!(reason(RevocationReason::Superseded), 4);
    assert_eq!(reason(RevocationReason::PrivilegeWithdrawn), 0);
    let revoked = |body| venafi().revoked(&answer(200, body));
    assert_eq!(revoked(r#"{"Requested":true,"Success":true}"#), Ok(Answer::RevocationPending));
    assert_eq!(revoked(r#"{"Requested":false,"Success":true}"#), Ok(Answer::Revoked));
    let refused = revoked(r#"{"Success":false,"Error":"has no certificate to revoke"}"#).unwrap_err();
    assert!(
        matches!(refused, Error::Web(web::Error::Refused { ref message, .. }) if message == "has no certificate to revoke")
    );
    for body in ["{}", r#"{"Success":true}"#] {
        assert_eq!(revoked(body), Err(web::Error::Field("Success").into()), "{body}");
    }
    assert!(matches!(revoked(r#"{"Success":"yes"}"#), Err(Error::Web(web::Error::Json { .. }))));
}
