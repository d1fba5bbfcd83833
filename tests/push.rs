//! Push certificates and vendor requests as OpenSSL makes them.
//!
//! Made with, in a folder with throw-away keys (`openssl genrsa 2048`) root, intermediate, vendor and customer:
//!
//! ```text
//! openssl req -x509 -new -key root.key -sha256 -days 36500 -subj "/C=US/O=Example/CN=Example Root CA" \
//!   -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out root.pem
//! openssl req -new -key intermediate.key -subj "/C=US/O=Example/CN=Example Worldwide CA" | openssl x509 -req -sha256 -CA root.pem \
//!   -CAkey root.key -days 36500 -extfile <(printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign') -out intermediate.pem
//! openssl req -new -key vendor.key.pem -subj "/C=US/O=Example/CN=MDM Vendor" | openssl x509 -req -sha256 -CA intermediate.pem \
//!   -CAkey intermediate.key -days 36500 -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature') -out vendor.pem
//! openssl req -new -key vendor.key.pem -utf8 -subj "/UID=com.apple.mgmt.External.0c3e4d5f-…/CN=APSP:0c3e4d5f-…/C=US" | \
//!   openssl x509 -req -sha256 -CA intermediate.pem -CAkey intermediate.key -days 36500 \
//!   -extfile <(printf 'extendedKeyUsage=clientAuth\n1.2.840.113635.100.6.3.2=DER:0500') -out apsp.pem
//! openssl req -new -key customer.key -sha256 -subj "/C=DE/CN=Example Customer/emailAddress=push@example.com" -outform DER -out request.der
//! openssl dgst -sha256 -sign vendor.key.pem -out request.sig request.der
//! openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj "/CN=weak" -outform DER -out request-p256.der
//! ```

#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::crypto::{Legacy, Provider};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::push::{Environment, Error, Installed, SignedRequest, Topic};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Csr};
use support::{data, key, providers};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(data(&format!("push/{name}.pem"))).unwrap()
}

fn chain() -> Vec<Certificate> {
    ["vendor", "intermediate", "root"].map(certificate).to_vec()
}

fn signed(provider: &Provider) -> SignedRequest {
    let request = Csr::from_der(&data("push/request.der")).unwrap().verify(provider, Legacy::NONE).unwrap();
    let unsigned = SignedRequest::prepare(&request, &chain(), provider, NOW).unwrap();
    unsigned.sign_with(&key(provider, "push/vendor.key.pem")).unwrap()
}

fn body(upload: &[u8]) -> Dictionary {
    let Value::Dictionary(body) = plist::parse(&STANDARD.decode(upload).unwrap(), &Limits::PKI).unwrap() else { panic!() };
    body
}

fn upload(body: Dictionary) -> Vec<u8> {
    STANDARD.encode(plist::to_xml(&body.into()).unwrap()).into_bytes()
}

#[test]
fn the_topic_of_a_certificate_that_openssl_made() {
    let certificate = certificate("apsp");
    let topic = Topic::of_subject(certificate.subject()).unwrap();
    assert_eq!(topic.as_str(), "com.apple.mgmt.External.0c3e4d5f-6a7b-4c8d-9e0f-112233445566");
    let installed = Installed::check(&certificate, certificate.public_key(), Environment::Production, NOW).unwrap();
    assert_eq!((installed.topic, installed.serial), (topic, *certificate.serial()));
}

#[test]
fn the_vendors_signature_is_the_one_that_openssl_makes() {
    for (_, provider) in providers() {
        let body = body(&signed(&provider).to_upload().unwrap());
        let text = |key| body.get(key).and_then(Value::as_str).unwrap().to_owned();
        assert_eq!(STANDARD.decode(text("PushCertSignature")).unwrap(), data("push/request.sig"));
        assert_eq!(STANDARD.decode(text("PushCertRequestCSR")).unwrap(), data("push/request.der"));
        let pem = text("PushCertCertificateChain");
        assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 3);
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert_eq!(body.len(), 3);
    }
}

#[test]
fn the_customer_reads_back_what_the_vendor_signed() {
    for (_, provider) in providers() {
        let signed = signed(&provider);
        let upload = signed.to_upload().unwrap();
        let read = SignedRequest::parse(&upload, &Limits::PKI).unwrap();
        assert_eq!(read, signed);
        let proven = read.verify(&certificate("root"), &provider, NOW).unwrap();
        assert_eq!(proven.as_der(), data("push/request.der"));
        // Wrapped lines, or the property list itself, are the same request.
        let wrapped: Vec<u8> = upload.chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
        assert_eq!(SignedRequest::parse(&wrapped, &Limits::PKI), Ok(signed.clone()));
        assert_eq!(SignedRequest::parse(&STANDARD.decode(&upload).unwrap(), &Limits::PKI), Ok(signed));
    }
}

#[test]
fn a_request_that_apple_would_refuse_is_refused_here() {
    let (_, provider) = providers()[0];
    let request = Csr::from_der(&data("push/request.der")).unwrap().verify(&provider, Legacy::NONE).unwrap();
    let prepare = |chain: &[Certificate], now| SignedRequest::prepare(&request, chain, &provider, now).map(|_| ()).unwrap_err();
    let [vendor, intermediate, root] = ["vendor", "intermediate", "root"].map(certificate);
    assert_eq!(prepare(&[], NOW), Error::VendorChain { at: 0 });
    assert_eq!(prepare(&[vendor.clone(), intermediate.clone()], NOW), Error::VendorChain { at: 1 });
    assert_eq!(prepare(&[vendor.clone(), root.clone()], NOW), Error::VendorChain { at: 0 });
    assert_eq!(prepare(std::slice::from_ref(&root), NOW), Error::VendorChain { at: 0 });
    assert_eq!(prepare(&[vendor.clone(), vendor.clone(), root.clone()], NOW), Error::VendorChain { at: 0 });
    assert_eq!(prepare(&chain(), Timestamp::from_unix(0)), Error::VendorChain { at: 0 });
    let weak = Csr::from_der(&data("push/request-p256.der")).unwrap().verify(&provider, Legacy::NONE).unwrap();
    assert_eq!(SignedRequest::prepare(&weak, &chain(), &provider, NOW).map(|_| ()), Err(Error::RequestKey));
    assert_eq!(signed(&provider).verify(&intermediate, &provider, NOW).map(|_| ()), Err(Error::VendorChain { at: 2 }));
}

#[test]
fn a_signature_that_does_not_hold_is_refused() {
    let (_, provider) = providers()[0];
    let good = body(&signed(&provider).to_upload().unwrap());
    let verify = |body: Dictionary| {
        let read = SignedRequest::parse(&upload(body), &Limits::PKI).unwrap();
        read.verify(&certificate("root"), &provider, NOW).map(|_| ())
    };
    assert_eq!(verify(good.clone()), Ok(()));
    let mut other = good.clone();
    other.insert("PushCertSignature", STANDARD.encode([0; 256]));
    assert_eq!(verify(other), Err(Error::RequestSignature));
    let mut bent = data("push/request.der");
    let last = bent.len() - 1;
    bent[last] ^= 1;
    let mut other = good;
    other.insert("PushCertRequestCSR", STANDARD.encode(bent));
    assert_eq!(verify(other), Err(Error::RequestSignature));
}

#[test]
fn a_file_that_is_no_request_says_what_is_missing() {
    let (_, provider) = providers()[0];
    let good = body(&signed(&provider).to_upload().unwrap());
    let parse = |change: &dyn Fn(&mut Dictionary)| {
        let mut body = good.clone();
        change(&mut body);
        SignedRequest::parse(&upload(body), &Limits::PKI).unwrap_err().to_string()
    };
    for key in ["PushCertRequestCSR", "PushCertSignature", "PushCertCertificateChain"] {
        for change in [&(|body: &mut Dictionary| drop(body.remove(key))) as &dyn Fn(&mut Dictionary), &|body| {
            body.insert(key, "%");
        }] {
            assert!(parse(change).contains(key), "{key}");
        }
    }
    for bytes in [&b""[..], b"<html>", b"AAAA", b"PD94bWw="] {
        assert!(matches!(SignedRequest::parse(bytes, &Limits::PKI), Err(Error::NotARequest(_))));
    }
    let huge = vec![b'A'; 1 << 20];
    assert!(matches!(SignedRequest::parse(&huge, &Limits::PKI), Err(Error::NotARequest(_))));
}

#[test]
fn a_damaged_file_never_panics_and_never_verifies() {
    let (_, provider) = providers()[0];
    let good = STANDARD.decode(signed(&provider).to_upload().unwrap()).unwrap();
    for end in 0..good.len() {
        let _ = SignedRequest::parse(&good[..end], &Limits::PKI);
    }
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 0x04;
        let _ = SignedRequest::parse(&bent, &Limits::PKI);
    }
}
