//! OCSP: requests and answers of OpenSSL, of this crate, and of nobody sane.

use mdm_core::asn1::{ErrorKind, Tag, Writer};
use mdm_core::crypto::{DigestAlgorithm, Legacy, SignatureAlgorithm};
use mdm_core::limits::Limits;
use mdm_core::x509::ocsp::{
    Answer, CertId, ErrorStatus, Issuer, LIMITS, Nonce, Request, RequestTemplate, ResponderId, Response, ResponseTemplate,
    Status,
};
use mdm_core::x509::{
    Certificate, CertificateTemplate, Error, ExtendedKeyUsage, Extensions, KeyIdentifier, OcspNoCheck, Refusal,
    RevocationReason, SerialNumber, Validity, oid,
};

use crate::support::*;

const REQUEST: &[u8] = include_bytes!("../data/x509/ocsp.req.der");
const RESPONSE: &[u8] = include_bytes!("../data/x509/ocsp.resp.der");

fn parse(der: &[u8]) -> Response {
    Response::from_der(der, &Limits::PKI).unwrap().unwrap()
}

/// The authority that signs with [`KEY`].
fn issuer() -> Issuer {
    Issuer::new(&name("Authority"), public(&KEY), &provider())
}

fn by_key() -> ResponderId {
    ResponderId::Key(KeyIdentifier::of(public(&KEY), &provider()))
}

fn question(ids: &[(DigestAlgorithm, u8)], nonce: Option<Nonce>) -> Request {
    let ids = ids.iter().map(|(algorithm, number)| CertId::new(*algorithm, &issuer(), serial(*number))).collect();
    Request::from_der(&RequestTemplate { ids, nonce }.to_der().unwrap(), &LIMITS).unwrap()
}

fn sign(template: &ResponseTemplate) -> Response {
    let tbs = template.to_be_signed(public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
    tbs.sign_with(&*KEY).unwrap()
}

fn template(status: Status) -> ResponseTemplate {
    let request = question(&[(DigestAlgorithm::Sha1, 1)], None);
    ResponseTemplate::answering(&request, &issuer(), by_key(), now(), now().plus_days(1), |_| status)
}

#[test]
fn what_openssl_asks_and_answers_is_read() {
    let ca = Certificate::from_pem(include_str!("../data/x509/ca.pem")).unwrap();
    let authority = Issuer::of(&ca, &provider());
    let request = Request::from_der(REQUEST, &LIMITS).unwrap();
    let asked: Vec<_> = request.ids().iter().map(|id| (id.algorithm(), *id.serial(), id.is_under(&authority))).collect();
    assert_eq!(
        asked,
        [
            (Some(DigestAlgorithm::Sha1), serial(1), true),
            (Some(DigestAlgorithm::Sha256), serial(2), true),
            (Some(DigestAlgorithm::Sha256), serial(3), true),
        ]
    );
    let response = parse(RESPONSE);
    assert_eq!(response.nonce(), request.nonce());
    assert_eq!(request.nonce().unwrap().as_bytes().len(), 16);
    assert_eq!(response.responder(), &ResponderId::Name(ca.subject().clone()));
    let statuses: Vec<Status> = response.answers().iter().map(|answer| answer.status).collect();
    let revoked = Status::Revoked { at: moment("2026-01-02T00:00:00Z"), reason: RevocationReason::KeyCompromise };
    assert_eq!(statuses, [Status::Good, revoked, Status::Unknown]);
    for (answer, id) in response.answers().iter().zip(request.ids()) {
        assert_eq!(&answer.id, id);
        assert_eq!(answer.next_update.unwrap().seconds_since(answer.this_update), 7 * 86_400);
    }
    assert_eq!(response.certificates(), std::slice::from_ref(&ca));
    assert_eq!(response.verify(&ca, response.produced_at(), &provider(), Legacy::NONE), Ok(()));
    let id = CertId::new(DigestAlgorithm::Sha1, &authority, serial(1));
    assert_eq!(id.as_der(), request.ids()[0].as_der(), "the same name for the same certificate");
}

#[test]
fn an_answer_repeats_what_was_asked() {
    let nonce = Nonce::new([7; 32]);
    let asked =
        [(DigestAlgorithm::Sha1, 1), (DigestAlgorithm::Sha256, 2), (DigestAlgorithm::Sha512, 3), (DigestAlgorithm::Sha384, 4)];
    let request = question(&asked, Some(nonce.clone()));
    let revoked = Status::Revoked { at: now(), reason: RevocationReason::Superseded };
    let held = Status::Revoked { at: now(), reason: RevocationReason::Unspecified };
    let statuses = [Status::Good, revoked, held, Status::Unknown];
    let status = |serial: &SerialNumber| statuses[usize::from(serial.as_bytes()[0]) - 1];
    let template = ResponseTemplate::answering(&request, &issuer(), by_key(), now(), now().plus_days(1), status);
    let made = sign(&template);
    let authority = root("Authority", &KEY);
    for response in [&made, &parse(made.as_der())] {
        assert_eq!(response.nonce(), Some(&nonce));
        assert_eq!(response.answers(), template.answers);
        assert_eq!(response.answers().iter().map(|answer| answer.status).collect::<Vec<_>>(), statuses);
        assert_eq!(response.verify(&authority, now(), &provider(), Legacy::NONE), Ok(()));
    }
}

#[test]
fn certificates_of_other_authorities_are_unknown() {
    let other = Issuer::new(&name("Other"), public(&KEY), &provider());
    let same_name = Issuer::new(&name("Authority"), public(&RSA), &provider());
    let ids = [&other, &same_name].map(|issuer| CertId::new(DigestAlgorithm::Sha256, issuer, serial(1)));
    let request = Request::from_der(&RequestTemplate { ids: ids.to_vec(), nonce: None }.to_der().unwrap(), &LIMITS).unwrap();
    let never = |_: &SerialNumber| panic!("asked about a certificate of another authority");
    let template = ResponseTemplate::answering(&request, &issuer(), by_key(), now(), now().plus_days(1), never);
    assert!(template.answers.iter().all(|answer| answer.status == Status::Unknown));
}

#[test]
fn what_was_never_issued_is_told_as_the_standard_says() {
    let made = sign(&template(Status::NeverIssued));
    assert_eq!(parse(made.as_der()).answers()[0].status, Status::NeverIssued);
    // revoked [1], 1970-01-01, certificateHold, and the extension extended-revoke.
    let revoked = [&[0xA1, 0x16, 0x18, 0x0F][..], b"19700101000000Z", &[0xA0, 0x03, 0x0A, 0x01, 0x06]].concat();
    let extended = [0x06, 0x09, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x09, 0x04, 0x02, 0x05, 0x00];
    for part in [&revoked[..], &extended] {
        assert!(made.as_der().windows(part.len()).any(|window| window == part));
    }
    let held = Status::Revoked { at: now(), reason: RevocationReason::CertificateHold };
    assert_eq!(parse(sign(&template(held)).as_der()).answers()[0].status, held);
}

#[test]
fn a_delegated_responder_shows_its_certificate() {
    let authority = root("Authority", &KEY);
    let responder = new_key();
    let certificate = |change: fn(CertificateTemplate) -> CertificateTemplate| {
        let extensions = Extensions::new().with(&ExtendedKeyUsage::new(&[oid::OCSP_SIGNING])).with(&OcspNoCheck);
        let template = CertificateTemplate { extensions, ..super::support::template("Responder", "Authority", &responder) };
        super::support::sign(&change(template), &KEY)
    };
    let answer = |certificate: Certificate, responder_id| {
        let template = ResponseTemplate { certificate: Some(certificate), responder: responder_id, ..template(Status::Good) };
        let tbs = template.to_be_signed(public(&responder), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
        let response = parse(tbs.sign_with(&responder).unwrap().as_der());
        response.verify(&authority, now(), &provider(), Legacy::NONE)
    };
    let by_name = || ResponderId::Name(name("Responder"));
    let by_key = ResponderId::Key(KeyIdentifier::of(public(&responder), &provider()));
    assert_eq!(answer(certificate(|template| template), by_key), Ok(()));
    assert_eq!(answer(certificate(|template| template), by_name()), Ok(()));
    let refused = |change| answer(certificate(change), by_name());
    assert_eq!(
        refused(|template| CertificateTemplate { extensions: Extensions::new(), ..template }),
        Err(Error::Refused(Refusal::Purpose))
    );
    let late = |template| CertificateTemplate {
        validity: Validity { not_before: now().plus_days(1), not_after: now().plus_days(2) },
        ..template
    };
    assert_eq!(refused(late), Err(Error::Refused(Refusal::NotYetValid)));
    let past = |template| CertificateTemplate {
        validity: Validity { not_before: now().plus_days(-2), not_after: now().plus_days(-1) },
        ..template
    };
    assert_eq!(refused(past), Err(Error::Refused(Refusal::Expired)));
    assert_eq!(
        refused(|template| CertificateTemplate { issuer: name("Other"), ..template }),
        Err(Error::Refused(Refusal::NoPath))
    );
    assert_eq!(
        answer(certificate(|template| template), ResponderId::Name(name("Nobody"))),
        Err(Error::Refused(Refusal::NoPath))
    );
    let stranger = super::support::sign(&super::support::template("Responder", "Authority", &responder), &new_key());
    assert!(matches!(answer(stranger, by_name()), Err(Error::Crypto(_))));
}

#[test]
fn a_forged_answer_is_not_believed() {
    let authority = root("Authority", &KEY);
    let made = sign(&template(Status::Unknown));
    let mut forged = made.as_der().to_vec();
    let at = forged.windows(4).position(|window| window == [0x82, 0x00, 0x18, 0x0F]).unwrap();
    forged[at] = 0x80;
    let forged = parse(&forged);
    assert_eq!(forged.answers()[0].status, Status::Good);
    assert!(matches!(forged.verify(&authority, now(), &provider(), Legacy::NONE), Err(Error::Crypto(_))));
}

#[test]
fn errors_are_five_bytes_and_unsigned() {
    use ErrorStatus::*;
    for status in [MalformedRequest, InternalError, TryLater, SigRequired, Unauthorized] {
        assert_eq!(status.to_der().len(), 5);
        assert_eq!(Response::from_der(&status.to_der(), &Limits::PKI).unwrap().unwrap_err(), status);
    }
    assert!(Response::from_der(&[0x30, 3, 0x0A, 1, 4], &Limits::PKI).is_err());
    let unreadable = Request::from_der(&[], &LIMITS).unwrap_err();
    assert_eq!(ErrorStatus::of(&unreadable), MalformedRequest);
    assert_eq!(ErrorStatus::of(&Error::Misuse("")), InternalError);
}

#[test]
fn answers_that_must_not_be_made_are_not() {
    let good = template(Status::Good);
    let ends = |answers: Vec<Answer>| ResponseTemplate { answers, ..good.clone() };
    let backwards = Answer { next_update: Some(now()), ..good.answers[0].clone() };
    let removed = Status::Revoked { at: now(), reason: RevocationReason::RemoveFromCrl };
    let foreign = ResponseTemplate { certificate: Some(root("Authority", &RSA)), ..good.clone() };
    for case in [ends(Vec::new()), ends(vec![backwards]), template(removed), foreign] {
        let outcome = case.to_be_signed(public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider());
        assert!(matches!(outcome, Err(Error::Misuse(_))), "{case:?}");
    }
    let wrong = good.to_be_signed(public(&KEY), SignatureAlgorithm::RsaSha256, &provider());
    assert!(matches!(wrong, Err(Error::Misuse(_))));
    assert!(matches!(RequestTemplate { ids: Vec::new(), nonce: None }.to_der(), Err(Error::Misuse(_))));
}

#[test]
fn a_request_in_a_path_is_read() {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(REQUEST);
    let escaped = text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    let plain = Request::from_der(REQUEST, &LIMITS).unwrap();
    assert_eq!(Request::from_path(&text, &LIMITS).as_ref(), Ok(&plain));
    assert_eq!(Request::from_path(&escaped, &LIMITS).as_ref(), Ok(&plain));
    for bad in ["", "%", "%2", "%zz", "not base64", &format!("{text}AAAA")] {
        assert!(matches!(Request::from_path(bad, &LIMITS), Err(Error::Malformed { what: "OCSP request", .. })), "{bad}");
    }
    assert!(Request::from_path(&"A".repeat(1 << 20), &LIMITS).is_err());
}

fn kind(outcome: Result<Request, Error>) -> ErrorKind {
    match outcome {
        Err(Error::Malformed { error, .. }) => error.kind,
        other => panic!("{other:?}"),
    }
}

/// A request with one certificate and this extension.
fn extended(oid: mdm_core::asn1::Oid<'_>, critical: bool, value: &[u8]) -> Result<Request, Error> {
    let id = CertId::new(DigestAlgorithm::Sha1, &issuer(), serial(1));
    let der = Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.sequence(|w| w.sequence(|w| w.raw(id.as_der())));
                w.nested(Tag::context_constructed(2), |w| {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            w.oid(oid);
                            w.boolean(critical);
                            w.octet_string(value);
                        });
                    });
                });
            });
        });
    });
    Request::from_der(&der, &LIMITS)
}

#[test]
fn requests_without_measure_are_refused() {
    let many: Vec<CertId> = vec![CertId::new(DigestAlgorithm::Sha1, &issuer(), serial(1)); 10_000];
    let der = RequestTemplate { ids: many.clone(), nonce: None }.to_der().unwrap();
    assert_eq!(kind(Request::from_der(&der, &LIMITS)), ErrorKind::TooLong(16 << 10));
    assert_eq!(kind(Request::from_der(&der, &LIMITS.bytes(1 << 20))), ErrorKind::TooMany(64));
    let some = RequestTemplate { ids: many[..64].to_vec(), nonce: None }.to_der().unwrap();
    assert_eq!(Request::from_der(&some, &LIMITS).unwrap().ids().len(), 64);
    // A request about nothing: three empty sequences.
    assert!(Request::from_der(&[0x30, 0x04, 0x30, 0x02, 0x30, 0x00], &LIMITS).is_err());
}

#[test]
fn nonces_are_1_to_128_octets() {
    use mdm_core::x509::ExtensionType as _;
    let nonce = |length: usize| extended(Nonce::OID, false, &Writer::build(|w| w.octet_string(&vec![1; length])));
    for length in [1, 8, 32, 128] {
        assert_eq!(nonce(length).unwrap().nonce().unwrap().as_bytes().len(), length);
    }
    for length in [0, 129, 1024] {
        assert_eq!(kind(nonce(length)), ErrorKind::Field("nonce (not 1 to 128 octets)"));
    }
    assert!(matches!(extended(Nonce::OID, false, &[5, 0]), Err(Error::Malformed { what: "nonce", .. })));
    assert!(extended(oid::TITLE, false, &[5, 0]).is_ok());
    assert_eq!(extended(oid::TITLE, true, &[5, 0]), Err(Error::Refused(Refusal::CriticalExtension)));
}

#[test]
fn damage_anywhere_is_an_error_or_something_else() {
    let request = RequestTemplate {
        ids: vec![CertId::new(DigestAlgorithm::Sha256, &issuer(), serial(1))],
        nonce: Some(Nonce::new([9; 32])),
    };
    let request = request.to_der().unwrap();
    let authority = root("Authority", &KEY);
    let certificate = Some(authority.clone());
    let revoked = Status::Revoked { at: now(), reason: RevocationReason::Superseded };
    let response = sign(&ResponseTemplate { certificate, ..template(revoked) });
    for end in 0..request.len() {
        assert!(Request::from_der(&request[..end], &LIMITS).is_err());
    }
    for end in 0..response.as_der().len() {
        assert!(Response::from_der(&response.as_der()[..end], &Limits::PKI).is_err());
    }
    for bit in 0..request.len() * 8 {
        let mut der = request.clone();
        der[bit / 8] ^= 1 << (bit % 8);
        let _ = Request::from_der(&der, &LIMITS);
    }
    for bit in 0..response.as_der().len() * 8 {
        let mut der = response.as_der().to_vec();
        der[bit / 8] ^= 1 << (bit % 8);
        if let Ok(Ok(other)) = Response::from_der(&der, &Limits::PKI) {
            // What the signature covers has changed, or the signature, or what it does not cover: the certificate that goes along.
            let believed = other.verify(&authority, now(), &provider(), Legacy::NONE).is_ok();
            assert!(!believed || other.answers() == response.answers());
        }
    }
}
