//! The client's steps.

use mdm_core::crypto::{DecryptionKey, Legacy, SigningKey};
use mdm_core::scep::{
    CaCertificates, Capabilities, Capability, Challenge, Error, FailInfo, Operation, Peer, RenewalAuthority, Request, Signer,
    client, media_type,
};
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, Standing};

use crate::server::{receive, renewal_req};
use crate::world::{CHALLENGE, NOW, World, name, octets, printable, validity, world, worlds};

/// The server's side of one exchange: grants whatever is asked with the right challenge.
fn serve(world: &World, body: &[u8]) -> Vec<u8> {
    let Request::PkcsReq(request) = receive(world, body, &Peer::default()).unwrap() else { panic!() };
    let reply = match request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))) {
        Ok(authorized) => {
            let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
            authorized.grant(&certificate).unwrap()
        }
        Err(refused) => refused.into_reply().unwrap().because("wrong challenge"),
    };
    reply.sign_with(&world.signer()).unwrap()
}

fn enrollment(world: &World) -> client::Enrollment {
    client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap()
}

/// A request of the device that was sent.
fn sent(world: &World, server: &client::Server) -> (client::Sent, Vec<u8>) {
    let (sent, message) = enrollment(world).request(server, &world.provider).unwrap();
    (sent, message.sign_with(&world.device_key).unwrap())
}

#[test]
fn an_enrollment_ends_with_the_certificate_for_the_requested_key() {
    for world in worlds() {
        let server = world.server(Peer::default());
        let device = client::Enrollment::self_signed(&world.csr, validity(), &world.provider).unwrap();
        let device = device.sign_with(&world.device_key).unwrap();
        let enrollment = client::Enrollment::first(world.csr.clone(), device.clone(), &world.provider).unwrap();
        let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
        let reply = serve(world, &message.sign_with(&world.device_key).unwrap());
        let client::Outcome::Granted(granted) = sent.receive(&reply, &server, &world.provider).unwrap() else { panic!() };
        let recipient = mdm_core::scep::Recipient { certificate: &device, key: &world.device_key };
        let issued = granted.open(&recipient).unwrap();
        assert_eq!(issued.certificate.public_key(), world.csr.public_key());
        assert!(issued.others.is_empty());

        let request = granted.content_key_request(&device).unwrap();
        let substitute = Secret::new(vec![0; request.key_len]);
        let content_key = world.device_key.unwrap_key(request.algorithm, request.wrapped, substitute).unwrap();
        assert_eq!(granted.open_with_key(Some(content_key)).unwrap(), issued);
        assert!(granted.open_with_key(None).is_err());
    }
}

#[test]
fn a_denial_tells_why() {
    let world = world();
    let server = world.server(Peer::default());
    let csr = crate::world::csr(&world.provider, &world.device_key, Some("wrong"));
    let enrollment = client::Enrollment::first(csr, world.device.clone(), &world.provider).unwrap();
    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let reply = serve(world, &message.sign_with(&world.device_key).unwrap());
    match sent.receive(&reply, &server, &world.provider).unwrap() {
        client::Outcome::Denied { fail_info, text } => {
            assert_eq!((fail_info, text.as_deref()), (Some(FailInfo::BadRequest), Some("wrong challenge")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pending_request_is_polled_with_growing_patience_and_granted() {
    let world = world();
    let server = world.server(Peer::default());
    let mut enrollment = enrollment(world);
    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let Request::PkcsReq(request) = receive(world, &body, &Peer::default()).unwrap() else { panic!() };
    let (held, reply) = request.hold();
    let reply = reply.sign_with(&world.signer()).unwrap();
    assert!(matches!(sent.receive(&reply, &server, &world.provider).unwrap(), client::Outcome::Pending));

    let waits: Vec<u32> = (0..9).map(|_| enrollment.waiting()).collect();
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    let mut enrollment: client::Enrollment = serde_json::from_str(&serde_json::to_string(&enrollment).unwrap()).unwrap();
    (0..100).for_each(|_| assert_eq!(enrollment.waiting(), 3600));

    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let Request::CertPoll(poll) = receive(world, &body, &Peer::default()).unwrap() else { panic!() };
    assert_eq!(poll.issuer(), world.ca.subject());
    let authorized = poll.approved(&held).unwrap();
    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
    let reply = authorized.grant(&certificate).unwrap().sign_with(&world.signer()).unwrap();
    let client::Outcome::Granted(granted) = sent.receive(&reply, &server, &world.provider).unwrap() else { panic!() };
    assert_eq!(granted.open(&world.device_opener()).unwrap().certificate, certificate);
}

#[test]
fn a_renewal_is_a_renewal_only_where_the_server_knows_it() {
    let world = world();
    let current = world.issue(&name("iPhone"), world.csr.public_key());
    let enrollment = client::Enrollment::renewal(world.csr.clone(), current.clone(), &world.provider).unwrap();
    let server = world.server(Peer::default());
    let (_, message) = enrollment.request(&server, &world.provider).unwrap();
    let request = renewal_req(world, &message.sign_with(&world.device_key).unwrap(), &Peer::default());
    let issuers = [world.ca.clone()];
    assert!(request.authorize(&RenewalAuthority { issuers: &issuers, standing: Standing::InForce, now: NOW }).is_ok());

    let certificates = CaCertificates::authority(world.ca.clone());
    let old = Capabilities::default().with(Capability::ScepStandard);
    let old = client::Server::new(certificates, old, Peer::default()).unwrap();
    let (_, message) = enrollment.request(&old, &world.provider).unwrap();
    let message = message.sign_with(&world.device_key).unwrap();
    let received = mdm_core::scep::Received::parse(&message, &Peer::default(), &world.provider).unwrap();
    assert_eq!(received.message_type(), mdm_core::scep::MessageType::PkcsReq);
}

#[test]
fn questions_are_answered() {
    let world = world();
    let server = world.server(Peer::default());
    let issued = world.issue(&name("iPhone"), world.csr.public_key());
    let lookup = client::Lookup::certificate(issued.issuer().clone(), *issued.serial());
    let (asked, message) = lookup.request(&world.device, &server, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let Request::GetCert(request) = receive(world, &body, &Peer::default()).unwrap() else { panic!() };
    let reply = request.answer(&issued).unwrap().sign_with(&world.signer()).unwrap();
    let found = asked.receive(&reply, &world.device_opener(), &server, &world.provider).unwrap();
    assert_eq!(found, client::LookupOutcome::Found { certificates: vec![issued.clone()], crls: vec![] });

    let (asked, message) = client::Lookup::crl(&issued).request(&world.device, &server, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let request = receive(world, &body, &Peer::default()).unwrap();
    assert_eq!(request.message_type(), mdm_core::scep::MessageType::GetCrl);
    let reply = request.deny(FailInfo::BadCertId).sign_with(&world.signer()).unwrap();
    let denied = asked.receive(&reply, &world.device_opener(), &server, &world.provider).unwrap();
    assert_eq!(denied, client::LookupOutcome::Denied { fail_info: Some(FailInfo::BadCertId), text: None });
}

/// A reply made by hand.
fn reply<'a>(world: &'a World, sent: &client::Sent, body: &[u8]) -> crate::world::Message<'a> {
    let _ = sent;
    let request = mdm_core::scep::PkiMessage::parse(body, &Peer::default()).unwrap();
    let mut message = world.message(3).content(None);
    message = message
        .with(7, printable(7, request.transaction_id().as_str()))
        .with(6, octets(6, request.sender_nonce().unwrap().as_bytes()))
        .with(3, printable(3, "2"))
        .with(4, printable(4, "2"));
    (message.signer, message.key) = (world.ra.clone(), &world.ra_key);
    message.certificates.clear();
    message
}

#[test]
fn a_reply_to_another_message_is_refused() {
    let world = world();
    let server = world.server(Peer::default());
    let (sent, body) = sent(world, &server);
    let receive = |message: crate::world::Message<'_>| sent.receive(&message.sign(), &server, &world.provider).map(|_| ());
    let reply = || reply(world, &sent, &body);
    assert_eq!(receive(reply()), Ok(()), "NDES sends no certificates, and none are needed");
    assert_eq!(receive(reply().with(7, printable(7, "another"))), Err(Error::Mismatch("transactionID")));
    assert_eq!(receive(reply().with(6, octets(6, &[0; 16]))), Err(Error::Mismatch("recipientNonce")));
    assert_eq!(receive(reply().without(6)), Err(Error::Mismatch("recipientNonce")));
    assert_eq!(receive(reply().without(5)), Err(Error::Attribute("senderNonce")));
    assert_eq!(receive(reply().with(2, printable(2, "19"))), Err(Error::Mismatch("messageType")));
    assert_eq!(receive(reply().without(3)), Err(Error::Attribute("pkiStatus")));
    assert_eq!(receive(reply().with(3, printable(3, "1"))), Err(Error::Attribute("pkiStatus")));
    assert_eq!(receive(reply().with(3, printable(3, "0"))), Err(Error::Content));
    assert_eq!(receive(reply().content(Some(vec![]))), Err(Error::Content));
    assert_eq!(receive(reply().content(Some(vec![0]))), Err(Error::Content));
    assert_eq!(receive(reply().with(4, printable(4, "17"))), Ok(()), "an unknown reason is still a denial");

    let loose = Peer { missing_nonces: true, stray_content: true, ..Peer::default() };
    let loose = world.server(loose);
    for message in [reply().without(6), reply().without(5), reply().content(Some(vec![])), reply().content(Some(vec![0]))] {
        assert!(sent.receive(&message.sign(), &loose, &world.provider).is_ok());
    }
    let wrong = reply().with(6, octets(6, &[0; 16]));
    assert_eq!(sent.receive(&wrong.sign(), &loose, &world.provider).unwrap_err(), Error::Mismatch("recipientNonce"));
}

#[test]
fn a_forged_reply_is_refused_whatever_it_names_and_carries() {
    let world = world();
    let server = world.server(Peer::default());
    let (sent, body) = sent(world, &server);
    let (stranger, key) = (&world.stranger, &world.stranger_key);
    // Its issuer and serial number are the RA's, its key is the stranger's.
    let twin = mdm_core::x509::CertificateTemplate {
        serial: *world.ra.serial(),
        issuer: world.ra.issuer().clone(),
        subject: world.ra.subject().clone(),
        validity: validity(),
        public_key: SigningKey::public_key(key).clone(),
        extensions: mdm_core::x509::Extensions::new(),
        authority_key_identifier: None,
    };
    let twin =
        twin.to_be_signed(SigningKey::public_key(key), key.algorithm(), &world.provider).unwrap().sign_with(key).unwrap();
    for (signer, carried) in
        [(&twin, vec![&twin]), (&twin, vec![]), (&twin, vec![&world.ra, &twin]), (stranger, vec![stranger]), (stranger, vec![])]
    {
        let mut forged = reply(world, &sent, &body);
        forged.signer = Certificate::clone(signer);
        forged.key = key;
        forged.certificates = carried.into_iter().map(|certificate| certificate.as_der().to_vec()).collect();
        assert_eq!(sent.receive(&forged.sign(), &server, &world.provider).unwrap_err(), Error::Untrusted);
    }
}

#[test]
fn a_reply_replayed_into_the_next_request_is_refused() {
    let world = world();
    let server = world.server(Peer::default());
    let enrollment = enrollment(world);
    let (first, message) = enrollment.request(&server, &world.provider).unwrap();
    let reply = serve(world, &message.sign_with(&world.device_key).unwrap());
    assert!(first.receive(&reply, &server, &world.provider).is_ok());
    let (second, _) = enrollment.request(&server, &world.provider).unwrap();
    assert_eq!(second.receive(&reply, &server, &world.provider).unwrap_err(), Error::Mismatch("recipientNonce"));
}

#[test]
fn a_bag_with_the_ca_first_gives_the_certificate_for_the_key() {
    let world = world();
    let server = world.server(Peer::default());
    let (sent, body) = sent(world, &server);
    let issued = world.issue(&name("iPhone"), world.csr.public_key());
    let seal = |certificates: &[&[u8]]| {
        let bag = mdm_core::cms::certificates_only(certificates, &[]);
        let (cipher, transport) = (mdm_core::crypto::ContentCipher::Aes128Cbc, mdm_core::crypto::KeyTransport::RsaPkcs1);
        mdm_core::cms::seal(&bag, &[&world.device], cipher, transport, &world.provider).unwrap()
    };
    let open = |certificates: &[&[u8]]| {
        let message = reply(world, &sent, &body).without(4).with(3, printable(3, "0")).content(Some(seal(certificates)));
        match sent.receive(&message.sign(), &server, &world.provider).unwrap() {
            client::Outcome::Granted(granted) => granted.open(&world.device_opener()),
            other => panic!("{other:?}"),
        }
    };
    let found = open(&[world.ca.as_der(), issued.as_der()]).unwrap();
    assert_eq!((found.certificate, found.others), (issued, vec![world.ca.clone()]));
    assert_eq!(open(&[world.ca.as_der()]).unwrap_err(), Error::NoCertificate);
    assert_eq!(open(&[]).unwrap_err(), Error::NoCertificate);
}

#[test]
fn an_answer_to_get_ca_cert_is_read_whatever_its_label() {
    let world = world();
    let limits = mdm_core::limits::Limits::PKI;
    let alone = CaCertificates::authority(world.ca.clone());
    let (label, body) = alone.to_body();
    assert_eq!((label, body.as_slice()), (media_type::CA_CERTIFICATE, world.ca.as_der()));
    assert_eq!(CaCertificates::parse(&body, &limits).unwrap(), alone);
    let both = CaCertificates::registration(vec![world.ra.clone()], vec![world.ca.clone()]).unwrap();
    let (label, body) = both.to_body();
    assert_eq!(label, media_type::CA_RA_CERTIFICATES);
    assert_eq!(CaCertificates::parse(&body, &limits).unwrap(), both);
    assert_eq!(both.as_slice(), [world.ra.clone(), world.ca.clone()]);
    let empty = mdm_core::cms::certificates_only(&[b"\x30\x00"], &[]);
    assert_eq!(CaCertificates::parse(&empty, &limits).unwrap_err(), Error::CaCertificates("none that can be read"));
    assert!(matches!(CaCertificates::parse(b"<html>", &limits), Err(Error::Cms(_))));
    assert!(matches!(CaCertificates::registration(vec![], vec![world.ca.clone()]), Err(Error::Misuse(_))));
    assert!(matches!(CaCertificates::registration(vec![world.ca.clone()], vec![world.ca.clone()]), Err(Error::Misuse(_))));
    assert!(matches!(CaCertificates::registration(vec![world.ra.clone()], vec![]), Err(Error::Misuse(_))));
}

#[test]
fn a_fingerprint_vouches_for_what_a_path_leads_to() {
    let world = world();
    let limits = mdm_core::limits::Limits::PKI;
    let peer = Peer::default();
    let (ra, ca, stranger) = (world.ra.as_der(), world.ca.as_der(), world.stranger.as_der());
    let body = mdm_core::cms::certificates_only(&[stranger, ra, ca], &[]);
    let certificates = CaCertificates::parse(&body, &limits).unwrap();
    let digest = |certificate: &Certificate, algorithm| certificate.fingerprint(&world.provider, algorithm);
    use mdm_core::crypto::DigestAlgorithm::{Sha1, Sha256, Sha512};
    for algorithm in [Sha256, Sha512] {
        let pinned = certificates.pin(digest(&world.ca, algorithm).as_ref(), &world.provider, &peer).unwrap();
        assert_eq!(pinned.as_slice(), [world.ra.clone(), world.ca.clone()], "the stranger is dropped");
    }
    let pinned = certificates.pin(digest(&world.ra, Sha256).as_ref(), &world.provider, &peer).unwrap();
    assert_eq!(pinned.as_slice(), std::slice::from_ref(&world.ra), "an RA vouches for nobody");
    let unknown = certificates.pin(&[0; 32], &world.provider, &peer).unwrap_err();
    assert_eq!(unknown, Error::CaCertificates("none has the fingerprint"));
    let sha1 = digest(&world.ca, Sha1);
    assert!(certificates.pin(sha1.as_ref(), &world.provider, &peer).is_err());
    let old = Peer { legacy: Legacy { sha1: true, ..Legacy::NONE }, ..peer };
    assert!(certificates.pin(sha1.as_ref(), &world.provider, &old).is_ok());
    assert!(certificates.pin(&[], &world.provider, &peer).is_err());
    let many = mdm_core::cms::certificates_only(&[ca; 17], &[]);
    let many = CaCertificates::parse(&many, &limits).unwrap();
    assert_eq!(
        many.pin(digest(&world.ca, Sha256).as_ref(), &world.provider, &peer).unwrap_err(),
        Error::CaCertificates("more than 16")
    );
}

#[test]
fn requests_are_encrypted_to_whoever_may_decrypt() {
    use mdm_core::x509::{Extensions, KeyUsage, SerialNumber};
    let world = world();
    let with_usage = |usage: Option<KeyUsage>, subject: &str| {
        let serial = SerialNumber::random(world.provider.random).unwrap();
        let key = world.device.public_key().clone();
        let mut template = mdm_core::x509::CertificateTemplate::under(&world.ca, serial, name(subject), validity(), key);
        template.extensions = usage.map_or(Extensions::new(), |usage| Extensions::new().with(&usage));
        let tbs = template.to_be_signed(world.ca.public_key(), world.ca_key.algorithm(), &world.provider);
        tbs.unwrap().sign_with(&world.ca_key).unwrap()
    };
    let signs = with_usage(Some(KeyUsage::DIGITAL_SIGNATURE), "signing RA");
    let opens = with_usage(Some(KeyUsage::KEY_ENCIPHERMENT), "encryption RA");
    let any = with_usage(None, "RA for everything");
    let recipient = |ras: Vec<&Certificate>, peer: &Peer| {
        let chain = vec![world.ca.clone()];
        let certificates = CaCertificates::registration(ras.into_iter().cloned().collect(), chain).unwrap();
        certificates.recipient(peer).cloned()
    };
    let peer = Peer::default();
    assert_eq!(recipient(vec![&signs, &opens], &peer).as_ref(), Ok(&opens), "as NDES orders them");
    assert_eq!(recipient(vec![&opens, &signs], &peer).as_ref(), Ok(&opens));
    assert_eq!(recipient(vec![&signs], &peer).as_ref(), Ok(&world.ca), "the CA may, the RA may not");
    let alone = |certificate: &Certificate| CaCertificates::authority(certificate.clone());
    assert_eq!(alone(&any).recipient(&peer), Ok(&any));
    assert!(matches!(alone(&signs).recipient(&peer), Err(Error::CaCertificates(_))));
    assert_eq!(alone(&signs).recipient(&Peer::micromdm_server()), Ok(&signs));
}

#[test]
fn the_next_ca_is_announced_by_the_current_one() {
    let world = world();
    let peer = Peer::default();
    let next = CaCertificates::authority(world.stranger.clone());
    let signer = Signer { certificate: &world.ca, key: &world.ca_key };
    let body = next.to_be_signed_by(signer.certificate, &world.provider).unwrap().sign_with(signer.key).unwrap();
    let current = CaCertificates::authority(world.ca.clone());
    assert_eq!(current.parse_next(&body, &world.provider, &peer).unwrap(), next);
    let other = CaCertificates::authority(world.stranger.clone());
    assert_eq!(other.parse_next(&body, &world.provider, &peer).unwrap_err(), Error::Untrusted);
    let ra_signed = next.to_be_signed_by(&world.ra, &world.provider).unwrap().sign_with(&world.ra_key).unwrap();
    let both = CaCertificates::registration(vec![world.ra.clone()], vec![world.ca.clone()]).unwrap();
    assert_eq!(both.parse_next(&ra_signed, &world.provider, &peer).unwrap_err(), Error::Untrusted, "an RA does not announce");
    let (_, unsigned) = CaCertificates::registration(vec![world.ra.clone()], vec![world.ca.clone()]).unwrap().to_body();
    assert!(current.parse_next(&unsigned, &world.provider, &peer).is_err());
}

#[test]
fn a_server_without_a_certificate_to_encrypt_to_is_no_server() {
    let world = world();
    let capabilities = Capabilities::server(&Peer::default());
    let ec = crate::support::key(&world.provider, "scep/ec.key");
    let ec = world.issue(&name("EC"), SigningKey::public_key(&ec));
    let refused = client::Server::new(CaCertificates::authority(ec), capabilities, Peer::default());
    assert!(matches!(refused.unwrap_err(), Error::CaCertificates(_)));
    let refused = client::Server::new(CaCertificates::authority(world.ca.clone()), Capabilities::default(), Peer::default());
    assert_eq!(refused.unwrap_err(), Error::Capability("content cipher"));
}

#[test]
fn an_operation_carries_a_message_through_a_get() {
    let world = world();
    let body = world.pkcs_req();
    let query = Operation::PkiOperation { message: Some(body.clone()) }.to_query();
    assert!(!query.contains('+') && !query.contains("/"), "everything is escaped");
    let read = Operation::from_query(&query, &mdm_core::limits::Limits::PKI).unwrap();
    assert_eq!(read, Operation::PkiOperation { message: Some(body) });
}
