//! The server's steps.

use mdm_core::cms::{EnvelopedData, RecipientInfo, SignedData};
use mdm_core::crypto::{ContentCipher, DecryptionKey, KeyTransport, Legacy, SigningKey};
use mdm_core::limits::Limits;
use mdm_core::scep::{
    Authorized, Challenge, Error, FailInfo, Held, MessageType, Peer, PkcsReq, PkiMessage, PkiStatus, Received, Refused,
    RenewalAuthority, RenewalReq, ReplayKey, Reply, Request, Transaction,
};
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, Standing};

use crate::support;
use crate::world::{CHALLENGE, NOW, World, csr, name, octets, printable, validity, world, worlds};

pub fn receive(world: &World, body: &[u8], peer: &Peer) -> Result<Request, Refused> {
    Received::parse(body, peer, &world.provider)?.open(&world.opener())
}

pub fn pkcs_req(world: &World, body: &[u8]) -> PkcsReq {
    match receive(world, body, &Peer::default()).unwrap() {
        Request::PkcsReq(request) => request,
        other => panic!("{other:?}"),
    }
}

pub fn renewal_req(world: &World, body: &[u8], peer: &Peer) -> RenewalReq {
    match receive(world, body, peer).unwrap() {
        Request::RenewalReq(request) => request,
        other => panic!("{other:?}"),
    }
}

fn authorized(world: &World) -> Authorized {
    pkcs_req(world, &world.pkcs_req()).authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap()
}

/// The reply as a client sees it.
pub fn read(world: &World, reply: Reply) -> PkiMessage {
    let body = reply.sign_with(&world.signer()).unwrap();
    let message = PkiMessage::parse(&body, &Peer::default()).unwrap();
    message.verify(world.ra.public_key(), &world.provider, &Peer::default()).unwrap();
    message
}

fn fail_info(refused: Refused) -> Option<FailInfo> {
    refused.into_reply().and_then(|reply| reply.fail_info())
}

#[test]
fn a_first_request_is_opened_authorized_and_granted() {
    for world in worlds() {
        let request = pkcs_req(world, &world.pkcs_req());
        assert_eq!(request.csr(), &world.csr);
        assert_eq!(request.challenge(), Some(&Secret::from(CHALLENGE)));
        assert_eq!(request.signer(), &world.device);
        assert_eq!(request.transaction_id().as_str(), "transaction");
        let authorized = request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap();
        let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
        let reply = authorized.grant(&certificate).unwrap();
        assert_eq!((reply.status(), reply.fail_info()), (PkiStatus::Success, None));

        let message = read(world, reply);
        assert_eq!(message.message_type(), MessageType::CertRep);
        assert_eq!(message.pki_status(), Some(PkiStatus::Success));
        assert_eq!(message.transaction_id().as_str(), "transaction");
        assert_eq!(message.recipient_nonce().unwrap().as_bytes(), [7; 16]);
        assert_ne!(message.sender_nonce(), message.recipient_nonce());
        assert_eq!(message.signed_data().certificates().collect::<Vec<_>>(), [world.ra.as_der()]);

        let envelope = message.envelope(&Peer::default()).unwrap();
        assert_eq!(envelope.cipher(), Some(ContentCipher::Aes128Cbc));
        let opened = envelope.open(&world.device, &world.device_key, &world.provider, &Default::default()).unwrap();
        let bag = SignedData::parse(opened.expose(), &Limits::PKI).unwrap();
        assert_eq!(bag.certificates().collect::<Vec<_>>(), [certificate.as_der()], "the leaf and nothing else");
    }
}

#[test]
fn a_request_that_openssl_made_is_read() {
    let world = world();
    let body = world.message(19).content(Some(world.seal(&support::data("scep/request.der")))).sign();
    let request = pkcs_req(world, &body);
    assert_eq!(request.csr().subject().to_string(), "CN=iPhone,O=Example");
    assert_eq!(request.challenge(), Some(&Secret::from(CHALLENGE)));
}

#[test]
fn a_wrong_challenge_is_denied_and_no_certificate_can_follow() {
    let world = world();
    for wrong in ["", "Open sesame", "open sesame\0"] {
        let refused = pkcs_req(world, &world.pkcs_req()).authorize(Challenge::Fixed(&Secret::from(wrong))).unwrap_err();
        assert_eq!(refused.error(), &Error::Challenge);
        assert_eq!(fail_info(refused), Some(FailInfo::BadRequest));
    }
    let silent = world.message(19).content(Some(world.seal(csr(&world.provider, &world.device_key, None).as_der()))).sign();
    let refused = pkcs_req(world, &silent).authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap_err();
    assert_eq!(refused.error(), &Error::Challenge);
    assert!(pkcs_req(world, &silent).authorize(Challenge::AcceptWithoutChallenge).is_ok());
}

#[test]
fn a_certificate_for_another_key_is_not_handed_out() {
    let world = world();
    let other = world.issue(&name("iPhone"), world.stranger.public_key());
    let refused = authorized(world).grant(&other).unwrap_err();
    assert!(matches!(refused.error(), Error::Misuse(_)));
    assert_eq!(refused.error().http_status(), 500);
    assert!(refused.into_reply().is_none());
}

#[test]
fn denials_and_pending_carry_no_content() {
    let world = world();
    for reason in [FailInfo::BadAlg, FailInfo::BadMessageCheck, FailInfo::BadRequest, FailInfo::BadTime, FailInfo::BadCertId] {
        let message = read(world, authorized(world).deny(reason).because("pas ici, désolé").signed_at(NOW));
        assert_eq!((message.pki_status(), message.fail_info()), (Some(PkiStatus::Failure), Some(reason)));
        assert_eq!(message.fail_info_text(), Some("pas ici, désolé"));
        assert_eq!(message.signed_data().content(), None);
        assert_eq!(message.signed_data().sole_signer().unwrap().signing_time(), Ok(Some(NOW)));
    }
    let (_, reply) = authorized(world).hold();
    let message = read(world, reply.because("a pending request has no reason"));
    assert_eq!((message.pki_status(), message.fail_info()), (Some(PkiStatus::Pending), None));
    assert_eq!(message.fail_info_text(), None);
    assert_eq!(message.signed_data().content(), None);
}

#[test]
fn a_reply_for_certmonger_has_a_content_of_no_octets_and_a_grant_stays_as_it_is() {
    let world = world();
    let denied = pkcs_req(world, &world.pkcs_req()).deny(FailInfo::BadRequest).with_empty_content();
    assert_eq!(read(world, denied).signed_data().content(), Some(&[][..]));
    let (_, pending) = pkcs_req(world, &world.pkcs_req()).hold();
    assert_eq!(read(world, pending.with_empty_content()).signed_data().content(), Some(&[][..]));
    let authorized = authorized(world);
    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
    let granted = read(world, authorized.grant(&certificate).unwrap().with_empty_content());
    assert!(granted.envelope(&Peer::default()).is_ok());
}

#[test]
fn two_replies_never_share_a_nonce() {
    let world = world();
    let nonce = || read(world, authorized(world).deny(FailInfo::BadRequest)).sender_nonce().unwrap().clone();
    assert_ne!(nonce(), nonce());
}

#[test]
fn the_request_chooses_among_the_allowed_ciphers() {
    let world = world();
    for cipher in [ContentCipher::Aes192Cbc, ContentCipher::Aes256Cbc] {
        let body = world.message(19).content(Some(world.seal_with(world.csr.as_der(), cipher))).sign();
        let request = pkcs_req(world, &body).authorize(Challenge::AcceptWithoutChallenge).unwrap();
        let certificate = world.issue(request.csr().subject(), request.csr().public_key());
        let message = read(world, request.grant(&certificate).unwrap());
        assert_eq!(message.envelope(&Peer::default()).unwrap().cipher(), Some(cipher));
    }
}

#[test]
fn the_request_chooses_how_its_key_is_carried() {
    let world = world();
    for transport in [KeyTransport::RsaOaepSha1, KeyTransport::RsaOaepSha256] {
        let sealed =
            mdm_core::cms::seal(world.csr.as_der(), &[&world.ra], ContentCipher::Aes128Cbc, transport, &world.provider);
        let body = world.message(19).content(Some(sealed.unwrap())).sign();
        let request = pkcs_req(world, &body).authorize(Challenge::AcceptWithoutChallenge).unwrap();
        let certificate = world.issue(request.csr().subject(), request.csr().public_key());
        let message = read(world, request.grant(&certificate).unwrap());
        assert_eq!(message.envelope(&Peer::default()).unwrap().key_transport(), Some(transport));
    }
}

#[test]
fn a_server_whose_key_cannot_decrypt_opens_with_the_challenge() {
    let world = world();
    let challenge = Secret::from(CHALLENGE);
    let sealed = mdm_core::cms::seal_with_password(world.csr.as_der(), &challenge, ContentCipher::Aes128Cbc, &world.provider);
    let body = world.message(19).content(Some(sealed.unwrap())).sign();
    let received = || Received::parse(&body, &Peer::default(), &world.provider).unwrap();
    let Request::PkcsReq(request) = received().open_with_password(&challenge).unwrap() else { panic!() };
    assert!(request.authorize(Challenge::Fixed(&challenge)).is_ok());
    assert_eq!(received().open_with_password(&Secret::from("guess")).unwrap_err().error(), &Error::Unopened);
}

#[test]
fn broken_ciphers_are_answered_with_bad_alg_unless_the_policy_names_them() {
    let world = world();
    for (cipher, legacy) in [
        (ContentCipher::DesCbc, Legacy { single_des: true, ..Legacy::NONE }),
        (ContentCipher::TripleDesCbc, Legacy { triple_des: true, ..Legacy::NONE }),
    ] {
        let body = world.message(19).content(Some(world.seal_with(world.csr.as_der(), cipher))).sign();
        let refused = receive(world, &body, &Peer::default()).unwrap_err();
        assert_eq!(fail_info(refused), Some(FailInfo::BadAlg));
        let peer = Peer { legacy, ..Peer::default() };
        let Request::PkcsReq(request) = receive(world, &body, &peer).unwrap() else { panic!() };
        let request = request.authorize(Challenge::AcceptWithoutChallenge).unwrap();
        let certificate = world.issue(request.csr().subject(), request.csr().public_key());
        let message = read(world, request.grant(&certificate).unwrap());
        assert_eq!(message.envelope(&peer).unwrap().cipher(), Some(cipher), "answered in what the client can read");

        let received = Received::parse(&body, &Peer::default(), &world.provider).unwrap();
        assert_eq!(received.content_key_request(&world.ra).unwrap_err().fail_info(), Some(FailInfo::BadAlg));
        let refused = received.open_with_key(Some(Secret::new(vec![0; 8]))).unwrap_err();
        assert_eq!(fail_info(refused), Some(FailInfo::BadAlg));
    }
}

#[test]
fn a_key_elsewhere_opens_and_signs_in_two_halves() {
    for world in worlds() {
        let received = Received::parse(&world.pkcs_req(), &Peer::default(), &world.provider).unwrap();
        let request = received.content_key_request(&world.ra).unwrap();
        assert_eq!((request.algorithm, request.key_len), (KeyTransport::RsaPkcs1, 16));
        let substitute = Secret::new(vec![0; request.key_len]);
        let content_key = world.ra_key.unwrap_key(request.algorithm, request.wrapped, substitute).unwrap();
        let Request::PkcsReq(request) = received.open_with_key(Some(content_key)).unwrap() else { panic!() };
        let reply = request.deny(FailInfo::BadRequest).to_be_signed(&world.ra).unwrap();
        let signature = world.ra_key.sign(reply.algorithm(), reply.bytes()).unwrap();
        let body = reply.complete(&signature).unwrap();
        let message = PkiMessage::parse(&body, &Peer::default()).unwrap();
        assert_eq!(message.fail_info(), Some(FailInfo::BadRequest));

        let received = Received::parse(&world.pkcs_req(), &Peer::default(), &world.provider).unwrap();
        assert_eq!(received.open_with_key(None).unwrap_err().error(), &Error::Unopened);
    }
}

#[test]
fn the_answer_is_sealed_to_the_signer_alone() {
    let world = world();
    let mut message = world.message(19);
    message.certificates.push(world.stranger.as_der().to_vec());
    message.certificates.insert(0, world.ca.as_der().to_vec());
    let request = pkcs_req(world, &message.sign()).authorize(Challenge::AcceptWithoutChallenge).unwrap();
    let certificate = world.issue(request.csr().subject(), request.csr().public_key());
    let reply = read(world, request.grant(&certificate).unwrap());
    let envelope: EnvelopedData = reply.envelope(&Peer::default()).unwrap();
    let recipients: Vec<RecipientInfo<'_>> = envelope.recipients().collect();
    let [RecipientInfo::KeyTransport { id, .. }] = recipients.as_slice() else { panic!("{recipients:?}") };
    assert!(id.names(&world.device));
}

#[test]
fn an_ephemeral_signer_may_ask_for_another_key() {
    let world = world();
    let mut message = world.message(19);
    (message.signer, message.key) = (world.stranger.clone(), &world.stranger_key);
    message.certificates = vec![world.stranger.as_der().to_vec()];
    let request = pkcs_req(world, &message.sign()).authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap();
    assert_ne!(request.signer().public_key(), request.csr().public_key());
    let certificate = world.issue(request.csr().subject(), request.csr().public_key());
    let reply = read(world, request.grant(&certificate).unwrap());
    let envelope = reply.envelope(&Peer::default()).unwrap();
    assert!(envelope.open(&world.stranger, &world.stranger_key, &world.provider, &Default::default()).is_ok());
}

/// A renewal signed by this certificate, whose key is the device's.
pub fn renewal(world: &World, current: &Certificate) -> Vec<u8> {
    let mut message = world.message(17);
    message.signer = current.clone();
    message.certificates = vec![current.as_der().to_vec()];
    message.sign()
}

#[test]
fn a_renewal_is_granted_to_a_certificate_that_is_in_force() {
    let world = world();
    let current = world.issue(&name("iPhone"), world.csr.public_key());
    let body = renewal(world, &current);
    let issuers = [world.stranger.clone(), world.ca.clone()];
    let with = |standing, now| RenewalAuthority { issuers: &issuers, standing, now };
    let request = renewal_req(world, &body, &Peer::default());
    assert_eq!(request.renewal_of(), &current);
    let request = request.authorize(&with(Standing::InForce, NOW)).unwrap();
    let certificate = world.issue(request.csr().subject(), request.csr().public_key());
    assert_eq!(read(world, request.grant(&certificate).unwrap()).pki_status(), Some(PkiStatus::Success));

    let late = validity().not_after.plus_seconds(1);
    let early = validity().not_before.plus_seconds(-1);
    for (authority, standing) in [
        (with(Standing::Revoked(NOW), NOW), Standing::Revoked(NOW)),
        (with(Standing::Revoked(NOW), late), Standing::Revoked(NOW)),
        (with(Standing::Held(NOW), NOW), Standing::Held(NOW)),
        (with(Standing::NotIssued, NOW), Standing::NotIssued),
        (with(Standing::InForce, late), Standing::Expired(validity().not_after)),
        (with(Standing::InForce, early), Standing::NotYet(validity().not_before)),
    ] {
        let refused = renewal_req(world, &body, &Peer::default()).authorize(&authority).unwrap_err();
        assert_eq!(refused.error(), &Error::Renewal(standing));
        assert_eq!(fail_info(refused), Some(FailInfo::BadRequest));
    }
    let tolerant = Peer { expired_renewal: true, ..Peer::default() };
    assert!(renewal_req(world, &body, &tolerant).authorize(&with(Standing::InForce, late)).is_ok());
    assert!(renewal_req(world, &body, &tolerant).authorize(&with(Standing::Revoked(NOW), late)).is_err());
}

#[test]
fn an_older_client_renews_with_a_first_request() {
    let world = world();
    let current = world.issue(&name("iPhone"), world.csr.public_key());
    let mut message = world.message(19);
    message.signer = current.clone();
    message.certificates = vec![current.as_der().to_vec()];
    let request = pkcs_req(world, &message.sign()).into_renewal();
    let issuers = [world.ca.clone()];
    let authority = RenewalAuthority { issuers: &issuers, standing: Standing::InForce, now: NOW };
    assert!(request.authorize(&authority).is_ok());
}

#[test]
fn a_held_request_is_granted_to_the_poll_that_belongs_to_it() {
    let world = world();
    let (held, reply) = pkcs_req(world, &world.pkcs_req()).hold();
    assert_eq!(read(world, reply).pki_status(), Some(PkiStatus::Pending));
    let held: Held = serde_json::from_str(&serde_json::to_string(&held).unwrap()).unwrap();
    assert_eq!(held.csr(), &world.csr);

    let question = |subject: &str| {
        mdm_core::asn1::Writer::build(|w| {
            w.sequence(|w| {
                w.raw(world.ca.subject().as_der());
                w.raw(name(subject).as_der());
            });
        })
    };
    let poll = |body: &[u8]| match receive(world, body, &Peer::default()).unwrap() {
        Request::CertPoll(poll) => poll,
        other => panic!("{other:?}"),
    };
    let right = world.message(20).content(Some(world.seal(&question("iPhone"))));
    let body = right.sign();
    assert_eq!(poll(&body).issuer(), world.ca.subject());
    assert_eq!(poll(&body).subject(), &name("iPhone"));
    assert_eq!(&poll(&body).transaction(), held.transaction());
    assert_eq!(read(world, poll(&body).still_pending()).pki_status(), Some(PkiStatus::Pending));
    assert_eq!(read(world, poll(&body).deny(FailInfo::BadCertId)).fail_info(), Some(FailInfo::BadCertId));
    let authorized = poll(&body).approved(&held).unwrap();
    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
    assert_eq!(read(world, authorized.grant(&certificate).unwrap()).pki_status(), Some(PkiStatus::Success));

    let other_name = world.message(20).content(Some(world.seal(&question("iPad")))).sign();
    let other_transaction =
        world.message(20).content(Some(world.seal(&question("iPhone")))).with(7, printable(7, "another")).sign();
    let mut stranger = world.message(20).content(Some(world.seal(&question("iPhone"))));
    (stranger.signer, stranger.key) = (world.stranger.clone(), &world.stranger_key);
    stranger.certificates = vec![world.stranger.as_der().to_vec()];
    for body in [other_name, other_transaction, stranger.sign()] {
        let refused = poll(&body).approved(&held).unwrap_err();
        assert_eq!(refused.error(), &Error::Poll);
        assert_eq!(fail_info(refused), Some(FailInfo::BadCertId));
    }
}

#[test]
fn what_was_issued_can_be_asked_for_again() {
    let world = world();
    let issued = world.issue(&name("iPhone"), world.csr.public_key());
    let question = mdm_core::asn1::Writer::build(|w| {
        w.sequence(|w| {
            w.raw(issued.issuer().as_der());
            issued.serial().write(w);
        });
    });
    let bag = |reply: Reply| {
        let envelope = read(world, reply).envelope(&Peer::default()).unwrap();
        let opened = envelope.open(&world.device, &world.device_key, &world.provider, &Default::default()).unwrap();
        SignedData::parse(opened.expose(), &Limits::PKI).unwrap()
    };
    let get_cert = || match receive(world, &world.message(21).content(Some(world.seal(&question))).sign(), &Peer::default()) {
        Ok(Request::GetCert(request)) => request,
        other => panic!("{other:?}"),
    };
    assert_eq!((get_cert().issuer(), get_cert().serial()), (issued.issuer(), issued.serial()));
    assert_eq!(bag(get_cert().answer(&issued).unwrap()).certificates().collect::<Vec<_>>(), [issued.as_der()]);
    assert!(matches!(get_cert().answer(&world.ca).unwrap_err().error(), Error::Misuse(_)));
    assert_eq!(get_cert().deny(FailInfo::BadCertId).fail_info(), Some(FailInfo::BadCertId));

    let get_crl = match receive(world, &world.message(22).content(Some(world.seal(&question))).sign(), &Peer::default()) {
        Ok(Request::GetCrl(request)) => request,
        other => panic!("{other:?}"),
    };
    assert_eq!(get_crl.issuer(), issued.issuer());
    let list = mdm_core::asn1::Writer::build(|w| w.sequence(|w| w.small_integer(1)));
    assert_eq!(bag(get_crl.answer(&list).unwrap()).crls().collect::<Vec<_>>(), [&list[..]]);
}

#[test]
fn a_replayed_message_and_a_stolen_transaction_are_told_apart() {
    let world = world();
    let received = |body: &[u8]| Received::parse(body, &Peer::default(), &world.provider).unwrap();
    let first = received(&world.pkcs_req());
    let again = received(&world.pkcs_req());
    assert_eq!(first.replay_key(), again.replay_key());
    assert_eq!(first.transaction(), again.transaction());
    let fresh = received(&world.message(19).with(5, octets(5, &[8; 16])).sign());
    assert_ne!(first.replay_key(), fresh.replay_key());
    assert_eq!(first.transaction(), fresh.transaction());
    let mut stolen = world.message(19);
    (stolen.signer, stolen.key) = (world.stranger.clone(), &world.stranger_key);
    stolen.certificates = vec![world.stranger.as_der().to_vec()];
    let stolen = received(&stolen.sign());
    assert_ne!(first.replay_key(), stolen.replay_key());
    assert_eq!(first.transaction().id(), stolen.transaction().id());
    assert_ne!(first.transaction(), stolen.transaction());

    let key = first.replay_key();
    assert_eq!(serde_json::from_str::<ReplayKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
    assert!(serde_json::from_str::<ReplayKey>("\"00\"").is_err());
    let transaction = first.transaction();
    assert_eq!(serde_json::from_str::<Transaction>(&serde_json::to_string(&transaction).unwrap()).unwrap(), transaction);
}

#[test]
fn what_apple_sends_is_read_where_the_policy_is_apples() {
    let world = world();
    let challenge = mdm_core::cms::Attribute::new(
        mdm_core::asn1::Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x07]),
        |w| w.printable_string("on the outside"),
    );
    let silent = csr(&world.provider, &world.device_key, None);
    let mut message = world.message(19).content(Some(world.seal(silent.as_der()))).with(5, octets(5, &[1; 8]));
    message.attributes.push(challenge);
    let body = message.sign();
    let refused = receive(world, &body, &Peer::default()).unwrap_err();
    assert_eq!(refused.error(), &Error::Attribute("senderNonce"));
    assert_eq!(refused.error().http_status(), 400);
    assert!(refused.into_reply().is_none());
    let Request::PkcsReq(request) = receive(world, &body, &Peer::apple()).unwrap() else { panic!() };
    assert_eq!(request.challenge(), Some(&Secret::from("on the outside")));
    let plain = Peer { signed_challenge: false, ..Peer::apple() };
    let Request::PkcsReq(request) = receive(world, &body, &plain).unwrap() else { panic!() };
    assert_eq!(request.challenge(), None);
}
