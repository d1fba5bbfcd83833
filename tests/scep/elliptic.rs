//! Keys that sign and cannot decrypt, and contents that are authenticated.

use mdm_core::cms::{self, RecipientInfo};
use mdm_core::crypto::{ContentCipher, DecryptionKey, KeyTransport, SigningKey, SoftwareKey};
use mdm_core::scep::{
    CaCertificates, Capabilities, Challenge, Error, Peer, Received, Recipient, RenewalAuthority, Reply, Request, client,
};
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, CertificateTemplate, Extensions, KeyUsage, SerialNumber, Standing};

use crate::support;
use crate::world::{CHALLENGE, NOW, World, csr, name, validity, world, worlds};

fn ec_key(world: &World) -> SoftwareKey {
    support::key(&world.provider, "scep/ec.key")
}

/// An RA whose key is an elliptic-curve one, with the usage that goes with it.
fn ec_ra(world: &World, key: &SoftwareKey) -> Certificate {
    let serial = SerialNumber::random(world.provider.random).unwrap();
    let public = SigningKey::public_key(key).clone();
    let mut template = CertificateTemplate::under(&world.ca, serial, name("EC RA"), validity(), public);
    template.extensions = Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT));
    let tbs = template.to_be_signed(world.ca.public_key(), world.ca_key.algorithm(), &world.provider);
    tbs.unwrap().sign_with(&world.ca_key).unwrap()
}

fn ec_server(world: &World, ra: &Certificate) -> client::Server {
    let certificates = CaCertificates::for_server(ra, ra, vec![world.ca.clone()]).unwrap().0;
    // The CA's own key is RSA and may encrypt; a client that is to agree must see the RA alone.
    let ra_only = CaCertificates::parse(&cms::certificates_only(&[ra.as_der()], &[]), &Peer::default().limits).unwrap();
    assert_eq!(certificates.as_slice().len(), 2);
    client::Server::new(ra_only, Capabilities::server(&Peer::default()), Peer::default()).unwrap()
}

fn grant(world: &World, request: Request) -> Reply {
    let Request::PkcsReq(request) = request else { panic!("{request:?}") };
    let authorized = request.authorize(Challenge::AcceptedByHost).unwrap();
    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
    authorized.grant(&certificate).unwrap()
}

/// What kind of recipient the one of an envelope is.
fn kind(envelope: &cms::EnvelopedData) -> &'static str {
    let mut recipients = envelope.recipients();
    match (recipients.next(), recipients.len()) {
        (Some(RecipientInfo::KeyTransport { .. }), 0) => "transport",
        (Some(RecipientInfo::KeyAgreement { known: true, .. }), 0) => "agreement",
        (Some(RecipientInfo::Password { .. }), 0) => "password",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_and_a_server_without_any_rsa_enrol_by_key_agreement() {
    for world in worlds() {
        for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes256Gcm] {
            let key = ec_key(world);
            let ra = ec_ra(world, &key);
            let server = ec_server(world, &ra).with_cipher(cipher);
            let csr = csr(&world.provider, &key, Some(CHALLENGE));
            let signer = client::Enrollment::self_signed(&csr, validity(), &world.provider).unwrap().sign_with(&key).unwrap();
            assert!(signer.key_usage().unwrap().contains(KeyUsage::KEY_AGREEMENT));
            let enrollment = client::Enrollment::first(csr, signer.clone(), &world.provider).unwrap();
            let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
            let body = message.sign_with(&key).unwrap();

            let received = Received::parse(&body, &Peer::default(), &world.provider).unwrap();
            let envelope = received.message().envelope(&Peer::default()).unwrap();
            assert_eq!((kind(&envelope), envelope.cipher()), ("agreement", Some(cipher)));
            // In two halves, as with a key elsewhere, and in one.
            let shared = key.agree(received.agreement_request(&ra).unwrap().point).unwrap();
            let content_key = received.agreement_request(&ra).unwrap().content_key(&shared, &world.provider);
            assert!(received.open_with_key(content_key).is_ok());
            let recipient = Recipient { certificate: &ra, key: &key };
            let request = Received::parse(&body, &Peer::default(), &world.provider).unwrap().open(&recipient).unwrap();
            let reply = grant(world, request).sign_with(&mdm_core::scep::Signer { certificate: &ra, key: &key }).unwrap();

            let client::Outcome::Granted(granted) = sent.receive(&reply, &server, &world.provider).unwrap() else { panic!() };
            let issued = granted.open(&Recipient { certificate: &signer, key: &key }).unwrap();
            assert_eq!(issued.certificate.public_key(), SigningKey::public_key(&key));
            let point = granted.agreement_request(&signer).unwrap().point;
            let content_key =
                granted.agreement_request(&signer).unwrap().content_key(&key.agree(point).unwrap(), &world.provider);
            assert_eq!(granted.open_with_key(content_key).unwrap(), issued);
        }
    }
}

#[test]
fn a_client_that_seals_with_rsa_and_signs_with_an_elliptic_curve_gets_its_reply_under_its_challenge() {
    let world = world();
    let key = ec_key(world);
    let server = world.server(Peer::default());
    let csr = csr(&world.provider, &key, Some(CHALLENGE));
    let signer = client::Enrollment::self_signed(&csr, validity(), &world.provider).unwrap().sign_with(&key).unwrap();
    let enrollment = client::Enrollment::first(csr, signer.clone(), &world.provider).unwrap();
    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let request = crate::server::receive(world, &message.sign_with(&key).unwrap(), &Peer::default()).unwrap();
    let reply = grant(world, request).sign_with(&world.signer()).unwrap();
    let message = mdm_core::scep::PkiMessage::parse(&reply, &Peer::default()).unwrap();
    assert_eq!(kind(&message.envelope(&Peer::default()).unwrap()), "password", "RFC 8894 section 3.1");
    let client::Outcome::Granted(granted) = sent.receive(&reply, &server, &world.provider).unwrap() else { panic!() };
    let issued = granted.open(&Recipient { certificate: &signer, key: &key }).unwrap();
    assert_eq!(issued.certificate.public_key(), SigningKey::public_key(&key));
}

#[test]
fn a_renewal_by_an_elliptic_curve_key_needs_no_challenge() {
    let world = world();
    let key = ec_key(world);
    let current = ec_ra(world, &key);
    let server = world.server(Peer::default());
    let csr = csr(&world.provider, &key, None);
    let enrollment = client::Enrollment::renewal(csr, current.clone(), &world.provider).unwrap();
    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let body = message.sign_with(&key).unwrap();
    let request = crate::server::renewal_req(world, &body, &Peer::default());
    let issuers = [world.ca.clone()];
    let authority = RenewalAuthority { issuers: &issuers, standing: Standing::InForce, now: NOW };
    let authorized = request.authorize(&authority).unwrap();
    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
    let reply = authorized.grant(&certificate).unwrap().sign_with(&world.signer()).unwrap();
    let client::Outcome::Granted(granted) = sent.receive(&reply, &server, &world.provider).unwrap() else { panic!() };
    assert_eq!(granted.open(&Recipient { certificate: &current, key: &key }).unwrap().certificate, certificate);
    assert!(granted.open_with_challenge().is_err(), "there is none");
}

#[test]
fn a_content_key_that_was_agreed_upon_with_another_opens_nothing() {
    let world = world();
    let key = ec_key(world);
    let ra = ec_ra(world, &key);
    let sealed = cms::seal(world.csr.as_der(), &[&ra], ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1, &world.provider);
    let at = sealed.as_ref().unwrap().windows(4).position(|window| window == [0x03, 0x42, 0x00, 0x04]).unwrap() + 20;
    let mut damaged = sealed.unwrap();
    damaged[at] ^= 1;
    let body = world.message(19).content(Some(damaged)).sign();
    let received = Received::parse(&body, &Peer::default(), &world.provider).unwrap();
    let refused = received.open(&Recipient { certificate: &ra, key: &key }).unwrap_err();
    assert_eq!(refused.error(), &Error::Unopened, "a point that is none of the curve is told as every damage");
}

#[test]
fn a_reply_is_authenticated_when_its_request_was() {
    let world = world();
    for cipher in [ContentCipher::Aes128Gcm, ContentCipher::Aes192Gcm, ContentCipher::Aes256Gcm] {
        let server = world.server(Peer::default()).with_cipher(cipher);
        let enrollment = client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap();
        let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
        let body = message.sign_with(&world.device_key).unwrap();
        let request = crate::server::receive(world, &body, &Peer::default()).unwrap();
        let reply = grant(world, request).sign_with(&world.signer()).unwrap();
        let message = mdm_core::scep::PkiMessage::parse(&reply, &Peer::default()).unwrap();
        let envelope = message.envelope(&Peer::default()).unwrap();
        assert!(envelope.is_authenticated() && envelope.cipher() == Some(cipher));
        let client::Outcome::Granted(granted) = sent.receive(&reply, &server, &world.provider).unwrap() else { panic!() };
        assert!(granted.open(&world.device_opener()).is_ok());
    }
    let server = world.server(Peer::default());
    assert_eq!(server.algorithms().cipher, ContentCipher::Aes128Cbc, "never without being asked for");
    let sealed =
        cms::seal_with_password(world.csr.as_der(), &Secret::from(CHALLENGE), ContentCipher::Aes128Gcm, &world.provider);
    let body = world.message(19).content(Some(sealed.unwrap())).sign();
    let received = Received::parse(&body, &Peer::default(), &world.provider).unwrap();
    assert!(received.open_with_password(&Secret::from(CHALLENGE)).is_ok());
}
