//! Messages that were cut or flipped on the way.

use mdm_core::limits::Limits;
use mdm_core::scep::{CaCertificates, Capabilities, Error, Peer, PkiMessage, Received};

use crate::server::receive;
use crate::world::world;

#[test]
fn a_request_cut_anywhere_is_refused() {
    let world = world();
    let body = world.pkcs_req();
    for end in 0..body.len() {
        let refused = Received::parse(&body[..end], &Peer::default(), &world.provider).unwrap_err();
        assert!(matches!(refused.error(), Error::Cms(_)), "{end}");
        assert_eq!(refused.error().http_status(), 400);
        assert!(refused.into_reply().is_none(), "{end}");
    }
}

#[test]
fn a_request_with_a_flipped_bit_is_refused() {
    let world = world();
    let body = world.pkcs_req();
    let original = PkiMessage::parse(&body, &Peer::default()).unwrap();
    for at in 0..body.len() {
        let mut damaged = body.clone();
        damaged[at] ^= 1 << (at % 8);
        // Not covered by the signature: what only frames it, and the carried certificate, which says who is answered.
        if let Ok(received) = Received::parse(&damaged, &Peer::default(), &world.provider) {
            assert_eq!(received.message().signed_data().content(), original.signed_data().content(), "byte {at}");
            assert_eq!(received.transaction_id(), original.transaction_id(), "byte {at}");
            assert_eq!(received.message().sender_nonce(), original.sender_nonce(), "byte {at}");
            assert_eq!(received.message_type(), original.message_type(), "byte {at}");
            assert_eq!(received.signer().public_key().key_bits(), world.device.public_key().key_bits(), "byte {at}");
            if at % 97 == 0 {
                let _ = received.open(&world.opener());
            }
        }
    }
}

#[test]
fn envelopes_with_a_flipped_bit_never_open_to_another_request() {
    let world = world();
    let sealed = world.seal(world.csr.as_der());
    for at in (0..sealed.len()).step_by(23) {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1 << (at % 8);
        let body = world.message(19).content(Some(damaged)).sign();
        if let Ok(mdm_core::scep::Request::PkcsReq(request)) = receive(world, &body, &Peer::default()) {
            assert_eq!(request.csr(), &world.csr, "byte {at}");
        }
    }
}

#[test]
fn nesting_and_numbers_are_bounded() {
    let deep = |open: &[u8], count: usize| open.repeat(count);
    for bomb in
        [deep(&[0x30, 0x80], 5_000_000), deep(&[0x24, 0x80], 5_000_000), deep(&[0xA0, 0x80], 100_000), vec![0x30; 10 << 20]]
    {
        assert!(matches!(PkiMessage::parse(&bomb, &Peer::default()), Err(Error::Cms(_))));
        assert!(CaCertificates::parse(&bomb, &Limits::PKI).is_err());
        let _ = Capabilities::parse(&bomb);
    }
    let world = world();
    let mut crowded = world.message(19);
    crowded.certificates.extend(std::iter::repeat_n(world.ca.as_der().to_vec(), 200));
    assert!(Received::parse(&crowded.sign(), &Peer::default(), &world.provider).is_ok(), "a bag of 200 is odd, not wrong");
    crowded.certificates.extend(std::iter::repeat_n(world.ca.as_der().to_vec(), 9_800));
    assert!(
        Received::parse(&crowded.sign(), &Peer::default(), &world.provider).is_err(),
        "ten thousand pass the limit of bytes"
    );
}

#[test]
fn a_crowd_of_recipients_is_read_and_only_ours_is_opened() {
    let world = world();
    let mut crowd = vec![&world.stranger; 200];
    crowd.push(&world.ra);
    let (cipher, transport) = (mdm_core::crypto::ContentCipher::Aes128Cbc, mdm_core::crypto::KeyTransport::RsaPkcs1);
    let sealed = mdm_core::cms::seal(world.csr.as_der(), &crowd, cipher, transport, &world.provider).unwrap();
    assert!(receive(world, &world.message(19).content(Some(sealed)).sign(), &Peer::default()).is_ok());
}

#[test]
fn an_answer_to_get_ca_cert_that_is_damaged_is_no_panic() {
    let world = world();
    let certificates = CaCertificates::registration(vec![world.ra.clone()], vec![world.ca.clone()]).unwrap();
    let (_, body) = certificates.to_body();
    for at in 0..body.len() {
        assert!(CaCertificates::parse(&body[..at], &Limits::PKI).is_err());
        let mut damaged = body.clone();
        damaged[at] ^= 1 << (at % 8);
        let _ = CaCertificates::parse(&damaged, &Limits::PKI);
    }
}
