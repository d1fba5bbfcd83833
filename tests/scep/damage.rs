//! Messages that were cut or flipped on the way.

use mdm_core::crypto::{ContentCipher, KeyTransport, SigningKey, ToBeSigned};
use mdm_core::limits::Limits;
use mdm_core::scep::{CaCertificates, Capabilities, Challenge, Error, FailInfo, Operation, Peer, PkiMessage, Received, client};
use mdm_core::secret::Secret;
use mdm_core::x509::CsrTemplate;

use crate::server::receive;
use crate::world::{World, name, world, worlds};

/// One message of each kind that a client sends, as this crate's client makes it.
fn requests(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let server = world.server(Peer::default());
    let current = world.issue(&name("iPhone"), world.csr.public_key());
    let mut waiting = client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap();
    let sign = |message: ToBeSigned<Vec<u8>>| message.sign_with(&world.device_key).unwrap();
    let enroll = |enrollment: &client::Enrollment| sign(enrollment.request(&server, &world.provider).unwrap().1);
    let ask = |lookup: client::Lookup| sign(lookup.request(&world.device, &server, &world.provider).unwrap().1);
    let first = enroll(&waiting);
    waiting.waiting();
    vec![
        ("PKCSReq", first),
        ("RenewalReq", enroll(&client::Enrollment::renewal(world.csr.clone(), current.clone(), &world.provider).unwrap())),
        ("CertPoll", enroll(&waiting)),
        ("GetCert", ask(client::Lookup::certificate(current.issuer().clone(), *current.serial()))),
        ("GetCRL", ask(client::Lookup::crl(&current))),
    ]
}

#[test]
fn a_request_of_any_kind_cut_at_any_byte_is_refused() {
    let world = world();
    for (kind, body) in requests(world) {
        for end in 0..body.len() {
            let refused = Received::parse(&body[..end], &Peer::default(), &world.provider).unwrap_err();
            assert!(matches!(refused.error(), Error::Cms(_)), "{kind} {end}");
            assert_eq!(refused.error().http_status(), 400);
            assert!(refused.into_reply().is_none(), "{kind} {end}");
        }
    }
}

#[test]
fn a_request_of_any_kind_with_any_bit_flipped_is_refused_or_says_the_same() {
    let world = worlds().last().unwrap();
    std::thread::scope(|scope| {
        for (kind, body) in requests(world) {
            scope.spawn(move || flip_each_bit(world, kind, &body));
        }
    });
}

fn flip_each_bit(world: &World, kind: &str, body: &[u8]) {
    let original = PkiMessage::parse(body, &Peer::default()).unwrap();
    let signer = original.signer_certificate().unwrap();
    let mut damaged = body.to_vec();
    for at in 0..body.len() * 8 {
        damaged[at / 8] ^= 1 << (at % 8);
        let received = Received::parse(&damaged, &Peer::default(), &world.provider);
        damaged[at / 8] ^= 1 << (at % 8);
        let received = match received {
            Ok(received) => received,
            Err(refused) => {
                assert_eq!(refused.error().http_status(), 400, "{kind} bit {at}: {}", refused.error());
                continue;
            }
        };
        // Not covered by the signature: what only frames it, and the carried certificate, which says who is answered.
        assert_eq!(received.message().signed_data().content(), original.signed_data().content(), "{kind} bit {at}");
        assert_eq!(received.transaction_id(), original.transaction_id(), "{kind} bit {at}");
        assert_eq!(received.message().sender_nonce(), original.sender_nonce(), "{kind} bit {at}");
        assert_eq!(received.message_type(), original.message_type(), "{kind} bit {at}");
        assert_eq!(received.signer().public_key().key_bits(), signer.public_key().key_bits(), "{kind} bit {at}");
        if at % 97 == 0 {
            assert!(received.open(&world.opener()).is_ok(), "{kind} bit {at}: the envelope is whole");
        }
    }
}

#[test]
fn a_reply_of_any_kind_cut_or_flipped_anywhere_is_refused_or_says_the_same() {
    let world = worlds().last().unwrap();
    let server = world.server(Peer::default());
    let enrollment = client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap();
    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let authorized = || crate::server::pkcs_req(world, &body).authorize(Challenge::AcceptedByHost).unwrap();
    let issued = world.issue(world.csr.subject(), world.csr.public_key());
    let replies = [
        ("SUCCESS", authorized().grant(&issued).unwrap()),
        ("FAILURE", authorized().deny(FailInfo::BadTime).because("no")),
        ("PENDING", authorized().hold().1),
    ];
    for (kind, reply) in replies {
        let reply = reply.sign_with(&world.signer()).unwrap();
        let read = |bytes: &[u8]| match sent.receive(bytes, &server, &world.provider) {
            Ok(client::Outcome::Granted(_)) => Ok("SUCCESS"),
            Ok(client::Outcome::Denied { fail_info: Some(FailInfo::BadTime), text: Some(text) }) if text == "no" => {
                Ok("FAILURE")
            }
            Ok(client::Outcome::Denied { .. }) => Ok("another FAILURE"),
            Ok(client::Outcome::Pending) => Ok("PENDING"),
            Err(error) => Err(error),
        };
        assert_eq!(read(&reply), Ok(kind));
        for end in 0..reply.len() {
            assert!(read(&reply[..end]).is_err(), "{kind} {end}");
        }
        for at in 0..reply.len() * 8 {
            let mut damaged = reply.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(read(&damaged).map_or(true, |read| read == kind), "{kind} bit {at}");
        }
    }
}

#[test]
fn envelopes_with_a_flipped_bit_never_open_to_another_request() {
    let world = world();
    let sealed = world.seal(world.csr.as_der());
    for at in (0..sealed.len() * 8).step_by(31) {
        let mut damaged = sealed.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        let body = world.message(19).content(Some(damaged)).sign();
        if let Ok(mdm_core::scep::Request::PkcsReq(request)) = receive(world, &body, &Peer::default()) {
            assert_eq!(request.csr(), &world.csr, "bit {at}");
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
    let body = crowded.sign();
    let refused = Received::parse(&body, &Peer::default(), &world.provider).unwrap_err();
    assert!(refused.into_reply().is_none(), "ten thousand pass the limit of bytes");
    let generous = Peer { limits: Limits::PKI.bytes(16 << 20).items(1 << 20), ..Peer::default() };
    assert!(Received::parse(&body, &generous, &world.provider).is_ok(), "and are read where the host allows it");
}

/// Indefinite lengths in one another, as deep as the limits allow and one deeper.
#[test]
fn nesting_ends_exactly_at_the_limit() {
    let limits = Limits::PKI;
    let nested = |levels: usize| [[0x30, 0x80].repeat(levels), vec![0x05, 0x00], vec![0; 2 * levels]].concat();
    assert!(mdm_core::asn1::to_der(&nested(limits.max_depth), &limits).is_ok());
    assert!(mdm_core::asn1::to_der(&nested(limits.max_depth + 1), &limits).is_err());
    for levels in [limits.max_depth, limits.max_depth + 1, 100_000] {
        let refused = Received::parse(&nested(levels), &Peer::default(), &world().provider).unwrap_err();
        assert_eq!(refused.error().http_status(), 400);
        assert!(refused.into_reply().is_none());
    }
}

#[test]
fn a_request_of_a_megabyte_is_refused_before_anything_is_decrypted_and_after() {
    let world = world();
    let key = &world.device_key;
    let mut template = CsrTemplate::new(name("iPhone"), SigningKey::public_key(key).clone());
    template.challenge = Some(Secret::from("x".repeat(1 << 20)));
    let refused = template.to_be_signed(key.algorithm(), &world.provider).and_then(|tbs| Ok(tbs.sign_with(key)?));
    // What is too long to be read back is still made, for this test to send.
    let csr = refused.unwrap();
    let body = world.message(19).content(Some(world.seal(csr.as_der()))).sign();
    let refused = receive(world, &body, &Peer::default()).unwrap_err();
    assert!(matches!(refused.error(), Error::Cms(_)) && refused.error().http_status() == 400, "past the limit of bytes");
    assert!(refused.into_reply().is_none());
    let generous = Peer { limits: Limits::PKI.bytes(4 << 20), ..Peer::default() };
    let refused = receive(world, &body, &generous).unwrap_err();
    assert_eq!(refused.error(), &Error::Unopened, "a request has a limit of its own");
    assert_eq!(refused.into_reply().unwrap().fail_info(), Some(FailInfo::BadMessageCheck));
}

#[test]
fn a_get_whose_message_is_no_base64_is_an_http_400() {
    let world = world();
    let good = Operation::PkiOperation { message: Some(world.pkcs_req()) }.to_query();
    let with = |text: &str| format!("operation=PKIOperation&message={text}");
    let cut = &good[..good.len() - 103];
    let long = "A".repeat(5 << 20);
    let flood = "%41".repeat(1 << 20);
    for query in [
        with("A"),
        with("A*BC"),
        with("AAAA%3D%3D%3D"),
        with("AA%3D%3DAA%3D%3D"),
        with("%"),
        with("%4"),
        with("%zz"),
        with("%00AAA"),
        with("%FF%FE"),
        with("=AAA"),
        with("\u{20AC}AAA"),
        with(&long),
        with(&flood),
        cut.to_owned(),
        good.replacen("message=", "message=%3D", 1),
    ] {
        match Operation::from_query(&query, &Limits::PKI) {
            Err(error @ Error::Query(_)) => {
                assert_eq!((error.http_status(), error.fail_info()), (400, Some(FailInfo::BadRequest)))
            }
            Ok(Operation::PkiOperation { message: Some(message) }) => {
                // A cut that leaves whole groups is a message that is cut.
                assert!(Received::parse(&message, &Peer::default(), &world.provider).is_err(), "{}", &query[..40]);
            }
            other => panic!("{other:?}"),
        }
    }
    let Ok(Operation::PkiOperation { message: None }) = Operation::from_query("operation=PKIOperation&message=", &Limits::PKI)
    else {
        panic!("an empty message is none")
    };
}

#[test]
fn a_crowd_of_recipients_is_read_and_only_ours_is_opened() {
    let world = world();
    let (cipher, transport) = (ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1);
    let generous = Peer { limits: Limits::PKI.bytes(1 << 20).items(1 << 16), ..Peer::default() };
    let mut thousand = vec![&world.stranger; 999];
    thousand.push(&world.ra);
    let sealed = mdm_core::cms::seal(world.csr.as_der(), &thousand, cipher, transport, &world.provider).unwrap();
    let body = world.message(19).content(Some(sealed)).sign();
    assert!(receive(world, &body, &generous).is_ok(), "one key is used, once");
    let refused = receive(world, &body, &Peer::default()).unwrap_err();
    assert!(matches!(refused.error(), Error::Cms(_)) && refused.into_reply().is_none(), "a thousand pass the limit of bytes");
    let mut crowd = vec![&world.stranger; 200];
    crowd.push(&world.ra);
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
