//! The answers and calls of other people's web services.

use http::{HeaderMap, Request, Response};

use super::pki::provider;
use crate::crypto::{DigestAlgorithm, KeyKind, SigningKey, SoftwareKey};
use crate::external::adcs::WebEnrollment;
use crate::external::digicert::DigiCert;
use crate::external::venafi::Venafi;
use crate::external::{Answer, Error, Reference, Trust};
use crate::scep::intune::Intune;
use crate::scep::jamf::{ChallengeServer, ScepChallengeEvent};
use crate::scep::ndes::AdminPage;
use crate::scep::smallstep::Webhook;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::web::{Credentials, Endpoint};
use crate::x509::{
    BasicConstraints, Certificate, CertificateTemplate, Csr, CsrTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity,
};

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const STATUSES: [u16; 8] = [200, 200, 201, 202, 204, 400, 404, 500];

/// Two octets choose the reader and the status, the rest is the body. What is read keeps to its bounds, and no bytes make a certificate of
/// an authority whose key nobody has.
pub(super) fn services(data: &[u8]) {
    let [reader, status, body @ ..] = data else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let response = Response::builder().status(status).body(body).expect("a status that exists");
    let url = Endpoint::new("https://service.example.com/").expect("an address");
    match reader % 12 {
        0 => page(url, &response),
        1 => event(body),
        2 => {
            let server = ChallengeServer { url, credentials: Credentials::bearer("b") };
            if let Ok(challenge) = server.read(&response) {
                assert!((1..=8192).contains(&challenge.len()));
            }
        }
        3 => call(body),
        4 => {
            if let Ok(code) = Intune::new(url, "fuzzer").acknowledged(&response) {
                assert!((1..=100).contains(&code.as_str().len()));
            }
        }
        reader => authority(reader, url, &response),
    }
}

fn page(url: Endpoint, response: &Response<&[u8]>) {
    let page = AdminPage { bare_challenge: true, ..AdminPage::new(url) };
    if let Ok(found) = page.read(response) {
        let challenge = found.challenge.expose();
        assert!((1..=255).contains(&challenge.len()) && challenge.iter().all(u8::is_ascii_graphic));
    }
}

/// An event is read again as it was.
fn event(body: &[u8]) {
    let credentials = Credentials::bearer("b");
    let headers = headers(&[("authorization", "Bearer b")]);
    let mut request = Request::new(body.to_vec());
    *request.headers_mut() = headers;
    let Ok(event) = ScepChallengeEvent::receive(&request, &credentials) else { return };
    let server = ChallengeServer { url: Endpoint::new("https://h/").expect("an address"), credentials };
    let again = server.request(&event).expect("what was read can be written");
    let again = ScepChallengeEvent::receive(&again, &server.credentials).expect("our own event");
    assert_eq!(again.other, event.other);
}

fn call(body: &[u8]) {
    let provider = provider();
    let webhook = Webhook { tolerance: u32::MAX, ..Webhook::new("id", "c2VjcmV0").expect("Base64") };
    let signature = provider.mac(DigestAlgorithm::Sha256, &webhook.secret, &[body]);
    let signature = crate::hex::encode(signature);
    let mut request = Request::new(body.to_vec());
    *request.headers_mut() = headers(&[("x-smallstep-signature", &signature), ("x-smallstep-webhook-id", "id")]);
    // Whatever comes out was signed; nothing else is promised.
    let _ = webhook.receive(&request, NOW, &provider);
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

fn authority(reader: u8, url: Endpoint, response: &Response<&[u8]>) {
    let venafi =
        Venafi { url: url.clone(), client_id: String::new(), policy: String::new(), authority: None, attributes: Vec::new() };
    let digicert = DigiCert {
        url: url.clone(),
        key: Secret::from("k"),
        product: String::new(),
        order: serde_json::Map::new(),
        skip_approval: false,
    };
    let pages = WebEnrollment { url, credentials: None, template: String::new(), attributes: Vec::new() };
    let order = Reference::new("1").expect("a name");
    let answer = match reader {
        5 => venafi.submitted(response),
        6 => venafi.revoked(response),
        7 => digicert.submitted(response),
        8 => digicert.revoked(response),
        9 => pages.submitted(response),
        reader => expected(|expected| match reader {
            10 => venafi.polled(response, &expected).or_else(|_| digicert.polled(&order, response, &expected)),
            _ => pages.polled(response, &expected),
        }),
    };
    match answer {
        Ok(Answer::Denied { reason }) => {
            assert!(reason.chars().count() <= 200 && !reason.chars().any(char::is_control));
        }
        Ok(Answer::Accepted(reference) | Answer::Pending { reference: Some(reference) }) => {
            assert!((1..=1024).contains(&reference.request().len()));
        }
        Ok(Answer::Issued(_)) => panic!("a certificate of an authority whose key nobody has"),
        Ok(_) | Err(_) => {}
    }
}

fn expected(read: impl FnOnce(crate::external::Expected<'_>) -> Result<Answer, Error>) -> Result<Answer, Error> {
    let (trust, csr) = asked();
    read(trust.expecting(&csr, NOW, &provider()))
}

/// An authority, and a request to it.
fn asked() -> (Trust, Csr) {
    let provider = provider();
    let key = provider.load(&provider.generate(KeyKind::P256).expect("a key")).expect("a key");
    let trust = Trust::new(vec![anchor(&key)]).expect("an authority");
    let name = Name::builder().common_name("Device").build().expect("a name");
    let template = CsrTemplate::new(name, SigningKey::public_key(&key).clone());
    let csr = template.to_be_signed(key.algorithm(), &provider).expect("a request").sign_with(&key).expect("a signature");
    (trust, csr)
}

fn anchor(key: &SoftwareKey) -> Certificate {
    let (provider, public_key) = (provider(), SigningKey::public_key(key));
    let name = Name::builder().common_name("Anchor").build().expect("a name");
    let template = CertificateTemplate {
        serial: SerialNumber::from_bytes(&[1]).expect("a number"),
        issuer: name.clone(),
        subject: name,
        validity: Validity { not_before: NOW.plus_days(-1), not_after: NOW.plus_days(1) },
        public_key: public_key.clone(),
        extensions: Extensions::new().with(&BasicConstraints::authority(None)).with(&KeyUsage::KEY_CERT_SIGN),
        authority_key_identifier: None,
    };
    template.to_be_signed(public_key, key.algorithm(), &provider).expect("a certificate").sign_with(key).expect("a signature")
}
