//! What others fell to. Each test attacks.

use mdm_core::asn1::Oid;
use mdm_core::cms::{self, Attribute, SignedData};
use mdm_core::crypto::{ContentCipher, Legacy, SigningKey};
use mdm_core::limits::Limits;
use mdm_core::scep::{
    CertPoll, Error, FailInfo, MessageType, Peer, PkiMessage, PkiStatus, Received, RenewalAuthority, Request,
};
use mdm_core::x509::{CertificateTemplate, Extensions, Standing};

use crate::probes::probes;
use crate::server::{read, receive, renewal, renewal_req};
use crate::support;
use crate::world::{NOW, csr, name, octets, printable, validity, world, worlds};

#[test]
fn every_probe_of_the_decryption_gets_one_answer() {
    for world in worlds() {
        let mut replies = Vec::new();
        for (what, probe) in probes(world) {
            let body = world.message(19).content(Some(probe)).sign();
            let refused = receive(world, &body, &Peer::default()).map(|_| ()).unwrap_err();
            assert_eq!(refused.error(), &Error::Unopened, "{what}");
            let reply = read(world, refused.into_reply().unwrap());
            assert_eq!(
                (reply.pki_status(), reply.fail_info()),
                (Some(PkiStatus::Failure), Some(FailInfo::BadMessageCheck)),
                "{what}"
            );
            assert_eq!((reply.fail_info_text(), reply.signed_data().content()), (None, None), "{what}");
            replies.push(reply.signed_data().as_der().len());
        }
        replies.dedup();
        assert_eq!(replies.len(), 1, "replies of one length: {replies:?}");
    }
}

#[test]
fn the_two_halves_give_the_same_one_answer() {
    let world = world();
    for key in [None, Some(vec![]), Some(vec![0; 16]), Some(vec![0; 17])] {
        let received = Received::parse(&world.pkcs_req(), &Peer::default(), &world.provider).unwrap();
        let refused = received.open_with_key(key.map(Into::into)).unwrap_err();
        assert_eq!(refused.error(), &Error::Unopened);
    }
}

#[test]
fn types_that_nobody_acts_upon_are_refused_whatever_is_inside() {
    let world = world();
    for code in [0, 1, 18, 23, 99, 999_999_999] {
        let refused = receive(world, &world.message(code).sign(), &Peer::apple()).unwrap_err();
        assert_eq!(refused.error(), &Error::MessageType(MessageType::Other(code)));
        assert_eq!(refused.into_reply().unwrap().fail_info(), Some(FailInfo::BadRequest));
    }
    let refused = receive(world, &world.message(3).sign(), &Peer::default()).unwrap_err();
    assert_eq!(refused.error(), &Error::MessageType(MessageType::CertRep));
    for text in ["", "x", "-1", "19 ", "1000000000", "\u{661}"] {
        let body = world.message(19).with(2, printable(2, text)).sign();
        let refused = receive(world, &body, &Peer::default()).unwrap_err();
        assert_eq!(refused.error(), &Error::Attribute("messageType"), "{text:?}");
    }
}

#[test]
fn transaction_identifiers_of_every_shape_are_read_or_refused() {
    let world = world();
    let parse = |id: &str| {
        let body = world.message(19).with(7, printable(7, id)).sign();
        Received::parse(&body, &Peer::default(), &world.provider).map(|received| received.transaction_id().as_str().to_owned())
    };
    for id in ["1", "../../etc/passwd", &"7".repeat(256)] {
        assert_eq!(parse(id).unwrap(), id);
    }
    for id in ["", "a\0b", "a\r\nb", &"7".repeat(257), &"7".repeat(100_000)] {
        let refused = parse(id).unwrap_err();
        assert_eq!(refused.error(), &Error::TransactionId);
        assert_eq!(refused.error().http_status(), 400);
        assert!(refused.into_reply().is_none(), "nothing to answer to");
    }
}

#[test]
fn an_attribute_twice_is_refused() {
    let world = world();
    for (number, other) in [(2, printable(2, "17")), (7, printable(7, "other")), (5, octets(5, &[9; 16]))] {
        let mut message = world.message(19);
        message.attributes.push(other);
        let refused = receive(world, &message.sign(), &Peer::default()).unwrap_err();
        assert!(matches!(refused.error(), Error::Cms(cms::Error::AttributeRepeated(_))), "{number}");
        assert!(refused.into_reply().is_none());
    }
    let mut message = world.message(19);
    let unknown = || Attribute::new(Oid::from_content(&[0x2A, 0x03]), |w| w.null());
    message.attributes.extend([unknown(), unknown()]);
    let refused = receive(world, &message.sign(), &Peer::default()).unwrap_err();
    assert!(matches!(refused.error(), Error::Cms(cms::Error::AttributeRepeated(_))), "of a type that nobody reads, too");
}

#[test]
fn messages_without_their_attributes_are_refused() {
    let world = world();
    let refused = |number| receive(world, &world.message(19).without(number).sign(), &Peer::default()).unwrap_err();
    assert_eq!(refused(2).error(), &Error::Attribute("messageType"));
    assert_eq!(refused(7).error(), &Error::TransactionId);
    let nonce = refused(5);
    assert_eq!(nonce.error(), &Error::Attribute("senderNonce"));
    assert_eq!(nonce.into_reply().unwrap().fail_info(), Some(FailInfo::BadRequest));
    let tolerant = Peer { missing_nonces: true, ..Peer::default() };
    assert!(receive(world, &world.message(19).without(5).sign(), &tolerant).is_ok());
    let bare = support::data("cms/detached-noattr.der");
    let refused = receive(world, &bare, &Peer::default()).unwrap_err();
    assert_eq!(refused.error(), &Error::Cms(cms::Error::NoSignedAttributes));
}

#[test]
fn a_message_by_another_key_than_its_certificate_is_refused() {
    let world = world();
    let body = world.pkcs_req();
    let signature_at = body.len() - 10;
    let mut damaged = body.clone();
    damaged[signature_at] ^= 1;
    let refused = receive(world, &damaged, &Peer::default()).unwrap_err();
    assert_eq!(refused.error(), &Error::Cms(cms::Error::Signature));
    assert_eq!(refused.into_reply().unwrap().fail_info(), Some(FailInfo::BadMessageCheck));

    let mut anonymous = world.message(19);
    anonymous.certificates.clear();
    let refused = receive(world, &anonymous.sign(), &Peer::default()).unwrap_err();
    assert_eq!(refused.error(), &Error::Cms(cms::Error::NoSignerCertificate));
}

#[test]
fn a_signer_with_a_short_key_is_answered_with_bad_alg() {
    let world = world();
    // No provider signs with such a key, so that the message cannot be made; its certificate can be taken for the device's.
    let short = PkiMessage::parse(&world.pkcs_req(), &Peer::default()).unwrap();
    let modulus: Vec<u8> = (0..128).map(|octet| octet | 0x81).collect();
    let key = mdm_core::crypto::PublicKey::from_rsa(&modulus, &[1, 0, 1]).unwrap();
    let verdict = short.verify(&key, &world.provider, &Peer::default());
    assert_eq!(verdict, Err(Error::Cms(cms::Error::Algorithm("signer's key"))));
    assert_eq!(verdict.unwrap_err().fail_info(), Some(FailInfo::BadAlg));
    let verdict = short.verify(&key, &world.provider, &Peer::cisco());
    assert_eq!(verdict, Err(Error::Cms(cms::Error::Signature)), "believed long enough, and still not the signer");
}

#[test]
fn a_renewal_by_a_certificate_that_is_not_ours_is_refused() {
    let world = world();
    let issuers = [world.ca.clone()];
    let authority = RenewalAuthority { issuers: &issuers, standing: Standing::InForce, now: NOW };
    let standing = |body: &[u8]| match renewal_req(world, body, &Peer::default()).authorize(&authority) {
        Err(refused) => refused.error().clone(),
        Ok(_) => panic!("authorized"),
    };
    assert_eq!(standing(&renewal(world, &world.device)), Error::Renewal(Standing::NotIssued), "self-signed");

    // The name and serial number of a certificate of ours, under the device's own signature.
    let ours = world.issue(&name("Director"), world.stranger.public_key());
    let key = &world.device_key;
    let twin = CertificateTemplate {
        serial: *ours.serial(),
        issuer: ours.issuer().clone(),
        subject: ours.subject().clone(),
        validity: validity(),
        public_key: SigningKey::public_key(key).clone(),
        extensions: Extensions::new(),
        authority_key_identifier: None,
    };
    let twin =
        twin.to_be_signed(SigningKey::public_key(key), key.algorithm(), &world.provider).unwrap().sign_with(key).unwrap();
    assert_eq!(standing(&renewal(world, &twin)), Error::Renewal(Standing::NotIssued), "same issuer and serial number");

    // The CA itself, and an RA that became a CA, are not renewed over the wire.
    let mut message = world.message(17);
    (message.signer, message.key) = (world.ca.clone(), &world.ca_key);
    message.certificates = vec![world.ca.as_der().to_vec()];
    assert_eq!(standing(&message.sign()), Error::Renewal(Standing::NotIssued), "the CA");
}

#[test]
fn a_challenge_does_not_buy_a_renewal() {
    let world = world();
    let request = renewal_req(world, &renewal(world, &world.device), &Peer::default());
    assert!(request.challenge().is_some());
    let authority = RenewalAuthority { issuers: &[], standing: Standing::InForce, now: NOW };
    assert!(request.authorize(&authority).is_err(), "a RenewalReq has no other door");
}

#[test]
fn a_request_for_another_recipient_is_refused_without_trying_keys() {
    let world = world();
    let (cipher, transport) = (ContentCipher::Aes128Cbc, mdm_core::crypto::KeyTransport::RsaPkcs1);
    let sealed = |recipients: &[&mdm_core::x509::Certificate]| {
        cms::seal(world.csr.as_der(), recipients, cipher, transport, &world.provider).unwrap()
    };
    let open = |content| receive(world, &world.message(19).content(Some(content)).sign(), &Peer::default());
    let refused = open(sealed(&[&world.ca])).unwrap_err();
    assert_eq!(refused.error(), &Error::Cms(cms::Error::NoRecipient));
    assert_eq!(refused.into_reply().unwrap().fail_info(), Some(FailInfo::BadMessageCheck));
    assert!(open(sealed(&[&world.ca, &world.stranger, &world.ra])).is_ok(), "micromdm's client encrypts to everybody");
    assert!(open(sealed(&[])).is_err());
    let misnamed = Peer { misnamed_recipient: true, ..Peer::default() };
    let body = world.message(19).content(Some(sealed(&[&world.ca]))).sign();
    assert_eq!(receive(world, &body, &misnamed).unwrap_err().error(), &Error::Unopened);
}

#[test]
fn a_recipient_whose_key_is_not_its_certificates_is_the_hosts_fault() {
    let world = world();
    let received = Received::parse(&world.pkcs_req(), &Peer::default(), &world.provider).unwrap();
    let recipient = mdm_core::scep::Recipient { certificate: &world.ra, key: &world.ca_key };
    let refused = received.open(&recipient).unwrap_err();
    assert!(matches!(refused.error(), Error::Misuse(_)));
    assert!(refused.into_reply().is_none());
}

#[test]
fn a_reply_under_a_challenge_opens_with_that_challenge_alone() {
    let world = world();
    let ec = support::key(&world.provider, "scep/ec.key");
    let certificate = world.issue(&name("EC"), SigningKey::public_key(&ec));
    let csr = csr(&world.provider, &ec, Some("open sesame"));
    let mut message = world.message(19).content(Some(world.seal(csr.as_der())));
    (message.signer, message.key) = (certificate.clone(), &ec);
    message.certificates = vec![certificate.as_der().to_vec()];
    let request = crate::server::pkcs_req(world, &message.sign());
    let request = request.authorize(mdm_core::scep::Challenge::AcceptWithoutChallenge).unwrap();
    let issued = world.issue(request.csr().subject(), request.csr().public_key());
    let reply = read(world, request.grant(&issued).unwrap());
    let envelope = reply.envelope(&Peer::default()).unwrap();
    let opened = envelope.open_with_password(&"open sesame".into(), &world.provider, &Default::default()).unwrap();
    assert_eq!(SignedData::parse(opened.expose(), &Limits::PKI).unwrap().certificates().len(), 1);
    assert!(envelope.open_with_password(&"open says me".into(), &world.provider, &Default::default()).is_err());
}

#[test]
fn envelopes_that_are_none_are_refused_before_any_key_is_used() {
    let world = world();
    for content in [None, Some(vec![]), Some(vec![0]), Some(b"\x30\x00".to_vec()), Some(world.csr.as_der().to_vec())] {
        let refused = receive(world, &world.message(19).content(content).sign(), &Peer::default()).unwrap_err();
        assert!(matches!(refused.error(), Error::Content | Error::Cms(_)));
        assert!(refused.into_reply().is_some());
    }
}

#[test]
fn polls_and_questions_that_are_garbled_are_one_error_too() {
    let world = world();
    for code in [20, 21, 22] {
        for plain in [&b""[..], b"\x30\x00", world.csr.as_der()] {
            let body = world.message(code).content(Some(world.seal(plain))).sign();
            assert_eq!(receive(world, &body, &Peer::default()).unwrap_err().error(), &Error::Unopened, "{code}");
        }
    }
    let _: Option<CertPoll> = None;
}

#[test]
fn sha1_signatures_are_refused_by_default() {
    let world = world();
    // `sha1.der` is no SCEP message; that its digest is refused shows in its own layer.
    let message = SignedData::parse(&support::data("cms/sha1.der"), &Limits::PKI).unwrap();
    let signer = message.sole_signer().unwrap();
    let certificate = message.signer_certificate(&signer).unwrap();
    let content = message.content().unwrap();
    let policy = cms::SignaturePolicy { legacy: Legacy::NONE, ..Default::default() };
    let verdict = signer.verify(content, certificate.public_key(), &world.provider, &policy);
    assert_eq!(verdict, Err(cms::Error::Algorithm("digest algorithm")));
    assert_eq!(Error::from(cms::Error::Algorithm("digest algorithm")).fail_info(), Some(FailInfo::BadAlg));
}

#[test]
fn a_request_is_dropped_without_effect() {
    let world = world();
    let request = receive(world, &world.pkcs_req(), &Peer::default()).unwrap();
    assert_eq!(request.message_type(), MessageType::PkcsReq);
    assert_eq!(request.signer(), &world.device);
    let Request::PkcsReq(_) = request else { panic!() };
    let other = csr(&world.provider, &world.stranger_key, None);
    assert_ne!(&other, &world.csr);
}
