//! What real peers do otherwise, and the name under which each is tolerated.

use mdm_core::asn1::{Element, Oid, Reader, Tag, Writer};
use mdm_core::cms::{self, SignedData};
use mdm_core::crypto::{ContentCipher, KeyTransport, Legacy, SignatureAlgorithm, SigningKey};
use mdm_core::scep::{
    CaCertificates, Capabilities, Challenge, Error, FailInfo, Oddities, Peer, PkiMessage, Received, Request, Warning, client,
};
use mdm_core::secret::Secret;
use mdm_core::x509::{Csr, Name};

use crate::server::{read, receive};
use crate::world::{CHALLENGE, World, csr, name, octets, printable, world};

/// Every element of a message, from the outside in, rewritten by the closure: `None` leaves it as it is.
fn rewrite(der: &[u8], change: &mut dyn FnMut(Element<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
    fn inside(reader: &mut Reader<'_>, w: &mut Writer, change: &mut dyn FnMut(Element<'_>) -> Option<Vec<u8>>) {
        while !reader.is_empty() {
            let element = reader.element().unwrap();
            match change(element) {
                Some(other) => w.raw(&other),
                None if element.tag().is_constructed() => {
                    w.nested(element.tag(), |w| inside(&mut element.reader(), w, change));
                }
                None => w.raw(element.raw()),
            }
        }
    }
    Writer::build(|w| inside(&mut Reader::new(der), w, change))
}

/// The same in BER as Bouncy Castle writes it: indefinite lengths, and OCTET STRINGs in pieces of 1,000.
fn to_ber(der: &[u8], w: &mut Vec<u8>) {
    let mut reader = Reader::new(der);
    while !reader.is_empty() {
        let element = reader.element().unwrap();
        if element.tag().is_constructed() {
            w.extend([element.raw()[0], 0x80]);
            to_ber(element.value(), w);
            w.extend([0, 0]);
        } else if element.tag() == Tag::OCTET_STRING && element.value().len() > 1000 {
            w.extend([0x24, 0x80]);
            for piece in element.value().chunks(1000) {
                w.extend(Writer::build(|w| w.octet_string(piece)));
            }
            w.extend([0, 0]);
        } else {
            w.extend(element.raw());
        }
    }
}

fn examiner(change: impl FnOnce(&mut Oddities)) -> Peer {
    let mut oddities = Oddities::ALL;
    change(&mut oddities);
    Peer { oddities, ..Peer::default() }
}

fn refusal(world: &World, body: &[u8], peer: &Peer) -> Error {
    receive(world, body, peer).map(|_| ()).unwrap_err().into()
}

#[test]
fn ber_is_read_outside_and_inside_unless_it_is_switched_off() {
    let world = world();
    let mut inner = Vec::new();
    to_ber(&world.seal(world.csr.as_der()), &mut inner);
    let message = world.message(19).content(Some(inner)).sign();
    assert!(receive(world, &message, &Peer::default()).is_ok(), "the envelope alone");
    assert_eq!(refusal(world, &message, &examiner(|o| o.ber = false)), Error::Oddity("BER"));

    // The signed attributes stay as they are, since they are hashed; a constructed certificate would be another one.
    let message = world.pkcs_req();
    let mut outer = Vec::new();
    let mut reader = Reader::new(&message);
    let mut info = reader.sequence().unwrap();
    let kind = info.element().unwrap();
    let mut signed = info.nested(Tag::context_constructed(0)).unwrap().sequence().unwrap();
    outer.extend([0x30, 0x80]);
    outer.extend(kind.raw());
    outer.extend([0xA0, 0x80, 0x30, 0x80]);
    for place in 0.. {
        if signed.is_empty() {
            break;
        }
        let element = signed.element().unwrap();
        // version, digestAlgorithms, encapContentInfo, certificates, signerInfos
        if place == 2 { to_ber(element.raw(), &mut outer) } else { outer.extend(element.raw()) }
    }
    outer.extend([0; 6]);
    assert!(receive(world, &outer, &Peer::default()).is_ok(), "the whole, in pieces");
    assert_eq!(refusal(world, &outer, &examiner(|o| o.ber = false)), Error::Oddity("BER"));
    assert!(receive(world, &message, &examiner(|o| *o = Oddities::NONE)).is_ok(), "what this crate writes has no oddity");
}

#[test]
fn a_signature_algorithm_that_names_its_digest_is_read_unless_it_is_switched_off() {
    let world = world();
    let rsa = Writer::build(|w| KeyTransport::RsaPkcs1.write(w));
    let message = world.pkcs_req();
    let signed = SignedData::parse(&message, &Peer::default().limits).unwrap();
    assert!(signed.sole_signer().unwrap().names_digest_once());
    // The last one is the signer's; those before are in keys.
    let mut total = 0;
    rewrite(&message, &mut |element| {
        total += usize::from(element.raw() == rsa);
        None
    });
    let mut seen = 0;
    let other = rewrite(&message, &mut |element| {
        seen += usize::from(element.raw() == rsa);
        (element.raw() == rsa && seen == total).then(|| Writer::build(|w| SignatureAlgorithm::RsaSha256.write(w)))
    });
    assert!(other != message && total > 1);
    assert!(receive(world, &other, &Peer::default()).is_ok());
    let strict = examiner(|o| o.digest_named_twice = false);
    assert_eq!(refusal(world, &other, &strict), Error::Oddity("a signature algorithm that names its digest"));
    assert!(receive(world, &message, &strict).is_ok());
}

#[test]
fn an_envelope_of_another_version_is_read_unless_it_is_switched_off() {
    let world = world();
    let sealed = world.seal(world.csr.as_der());
    let mut first = true;
    // The first INTEGER is the version of the envelope.
    let one = rewrite(&sealed, &mut |element| {
        (element.tag() == Tag::INTEGER && std::mem::take(&mut first)).then(|| vec![0x02, 0x01, 0x01])
    });
    let message = world.message(19).content(Some(one)).sign();
    assert!(receive(world, &message, &Peer::default()).is_ok(), "PyScep");
    let strict = examiner(|o| o.any_envelope_version = false);
    assert_eq!(refusal(world, &message, &strict), Error::Oddity("the version of the envelope"));
    assert!(receive(world, &world.pkcs_req(), &strict).is_ok());
    let refused = receive(world, &message, &strict).unwrap_err();
    assert_eq!(refused.into_reply().unwrap().fail_info(), Some(FailInfo::BadRequest));
}

#[test]
fn several_recipients_are_read_unless_it_is_switched_off() {
    let world = world();
    let (cipher, transport) = (ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1);
    let sealed = cms::seal(world.csr.as_der(), &[&world.ca, &world.ra], cipher, transport, &world.provider).unwrap();
    let message = world.message(19).content(Some(sealed)).sign();
    assert!(receive(world, &message, &Peer::default()).is_ok(), "micromdm's client");
    assert_eq!(refusal(world, &message, &examiner(|o| o.several_recipients = false)), Error::Oddity("several recipients"));
}

/// A request whose challenge stands in this element.
fn with_challenge(world: &World, tag: u8, text: &[u8]) -> Csr {
    let key = &world.device_key;
    let info = Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(0);
            w.raw(name("iPhone").as_der());
            w.raw(SigningKey::public_key(key).as_der());
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.oid(Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x07]));
                    w.nested(Tag::SET, |w| {
                        w.raw(&[tag, u8::try_from(text.len()).unwrap()]);
                        w.raw(text);
                    });
                });
            });
        });
    });
    let signature = key.sign(SignatureAlgorithm::RsaSha256, &info).unwrap();
    let der = Writer::build(|w| {
        w.sequence(|w| {
            w.raw(&info);
            SignatureAlgorithm::RsaSha256.write(w);
            w.bit_string(&signature);
        });
    });
    Csr::from_der(&der).unwrap()
}

#[test]
fn a_challenge_is_read_in_any_type_and_in_directory_strings_alone_where_others_are_switched_off() {
    let world = world();
    let strict = examiner(|o| o.any_challenge_type = false);
    let wide: Vec<u8> = CHALLENGE.bytes().flat_map(|octet| [0, octet]).collect();
    for (what, tag, text, directory) in [
        ("UTF8String", 0x0C, CHALLENGE.as_bytes(), true),
        ("PrintableString", 0x13, CHALLENGE.as_bytes(), true),
        ("TeletexString", 0x14, CHALLENGE.as_bytes(), true),
        ("BMPString", 0x1E, &wide, true),
        ("IA5String", 0x16, CHALLENGE.as_bytes(), false),
        ("VisibleString", 0x1A, CHALLENGE.as_bytes(), false),
        ("OCTET STRING", 0x04, CHALLENGE.as_bytes(), false),
    ] {
        let csr = with_challenge(world, tag, text);
        let body = world.message(19).content(Some(world.seal(csr.as_der()))).sign();
        let Request::PkcsReq(request) = receive(world, &body, &Peer::default()).unwrap() else { panic!() };
        assert!(request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).is_ok(), "{what}");
        assert_eq!(receive(world, &body, &strict).is_ok(), directory, "{what}");
    }
    let printable = csr(&world.provider, &world.device_key, Some(CHALLENGE));
    assert_eq!(printable.challenge_tag(), Some(Tag::PRINTABLE_STRING), "what every server reads, where the characters allow");
    let other = csr(&world.provider, &world.device_key, Some("sésame@*"));
    assert_eq!(other.challenge_tag(), Some(Tag::UTF8_STRING));
}

#[test]
fn a_request_without_a_subject_is_read() {
    let world = world();
    let key = &world.device_key;
    let template = mdm_core::x509::CsrTemplate::new(Name::empty(), SigningKey::public_key(key).clone());
    let csr = template.to_be_signed(key.algorithm(), &world.provider).unwrap().sign_with(key).unwrap();
    let body = world.message(19).content(Some(world.seal(csr.as_der()))).sign();
    let Request::PkcsReq(request) = receive(world, &body, &Peer::default()).unwrap() else { panic!() };
    assert!(request.csr().subject().is_empty());
    let signer = client::Enrollment::self_signed(&csr, crate::world::validity(), &world.provider).unwrap();
    assert!(signer.sign_with(key).is_ok(), "a certificate that signs itself gets a name");
}

/// A reply of the RA to a request of this client, which the closure spoils.
fn exchange(world: &World, peer: Peer, spoil: impl FnOnce(crate::world::Message<'_>) -> Vec<u8>) -> Result<(), Error> {
    let server = world.server(peer);
    let enrollment = client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap();
    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let request = PkiMessage::parse(&body, &Peer::default()).unwrap();
    let mut reply = world
        .message(3)
        .content(None)
        .with(7, printable(7, request.transaction_id().as_str()))
        .with(6, octets(6, request.sender_nonce().unwrap().as_bytes()))
        .with(3, printable(3, "2"))
        .with(4, printable(4, "2"));
    (reply.signer, reply.key) = (world.ra.clone(), &world.ra_key);
    reply.certificates = vec![world.ra.as_der().to_vec()];
    sent.receive(&spoil(reply), &server, &world.provider).map(|_| ())
}

#[test]
fn a_reply_without_certificates_is_read_unless_it_is_switched_off() {
    let world = world();
    let bare = |mut reply: crate::world::Message<'_>| {
        reply.certificates.clear();
        reply.sign()
    };
    assert_eq!(exchange(world, Peer::default(), bare), Ok(()), "NDES");
    assert_eq!(exchange(world, examiner(|o| o.bare_replies = false), bare), Err(Error::Oddity("a reply without certificates")));
    assert_eq!(exchange(world, examiner(|o| *o = Oddities::NONE), |reply| reply.sign()), Ok(()));
}

#[test]
fn content_that_says_nothing_in_a_failure_is_tolerated_by_name() {
    let world = world();
    for stray in [vec![], vec![0]] {
        let spoil = |reply: crate::world::Message<'_>| reply.content(Some(stray.clone())).sign();
        assert_eq!(exchange(world, Peer::default(), spoil), Err(Error::Content));
        assert_eq!(exchange(world, Peer { stray_content: true, ..Peer::default() }, spoil), Ok(()));
        assert_eq!(exchange(world, Peer { legacy: Legacy::NONE, ..Peer::ndes() }, spoil), Ok(()));
    }
}

#[test]
fn a_reply_whose_attributes_lack_the_type_of_the_content_is_tolerated_by_name() {
    let world = world();
    let content_type = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03]);
    // The attribute is taken out, and what is left is signed again.
    let spoil = |reply: crate::world::Message<'_>| {
        let message = reply.sign();
        let set = Tag::context_constructed(0);
        let is_attributes = |element: &Element<'_>| {
            element.tag() == set
                && element.reader().sequence().is_ok_and(|mut first| first.oid().is_ok() && first.set().is_ok())
        };
        let strip = |element: Element<'_>| {
            let mut rest = element.reader();
            let mut kept = Vec::new();
            while let Ok(attribute) = rest.element() {
                if attribute.reader().oid() != Ok(content_type) {
                    kept.extend_from_slice(attribute.raw());
                }
            }
            kept
        };
        let mut covered = Vec::new();
        let stripped = rewrite(&message, &mut |element| {
            is_attributes(&element).then(|| {
                let kept = strip(element);
                covered = Writer::build(|w| w.element(Tag::SET, &kept));
                Writer::build(|w| w.element(set, &kept))
            })
        });
        let signature = world.ra_key.sign(SignatureAlgorithm::RsaSha256, &covered).unwrap();
        let old = SignedData::parse(&message, &Peer::default().limits).unwrap();
        assert!(old.content().is_none());
        rewrite(&stripped, &mut |element| {
            (element.tag() == Tag::OCTET_STRING && element.value().len() == 256)
                .then(|| Writer::build(|w| w.octet_string(&signature)))
        })
    };
    assert_eq!(exchange(world, Peer::default(), spoil), Err(Error::Cms(cms::Error::AttributeMissing("contentType"))));
    assert_eq!(exchange(world, Peer { missing_content_type: true, ..Peer::default() }, spoil), Ok(()), "OpenXPKI");
}

#[test]
fn attributes_are_written_in_the_types_that_the_standard_gives_them() {
    let world = world();
    let request = receive(world, &world.pkcs_req(), &Peer::default()).unwrap();
    let message = read(world, request.deny(FailInfo::BadRequest).because("pas ici"));
    let attributes = message.signed_data().sole_signer().unwrap().signed_attributes().unwrap();
    let mut types: Vec<(Vec<u8>, u8)> = attributes
        .iter()
        .map(|mut attribute| (attribute.oid.content().to_vec(), attribute.values.element().unwrap().tag().octet()))
        .filter(|(oid, _)| oid.starts_with(&[0x60]) || oid.starts_with(&[0x2B]))
        .collect();
    types.sort();
    let verisign = |number| vec![0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, number];
    let expected = [
        (vec![0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x18, 0x01], 0x0C),
        (verisign(2), 0x13),
        (verisign(3), 0x13),
        (verisign(4), 0x13),
        (verisign(5), 0x04),
        (verisign(6), 0x04),
        (verisign(7), 0x13),
    ];
    assert_eq!(types, expected, "PrintableString, OCTET STRING, and failInfoText as UTF8String");
    assert_eq!(message.sender_nonce().unwrap().as_bytes().len(), 16);
}

#[test]
fn a_bag_has_no_content_no_signer_and_no_digest() {
    let world = world();
    let bag = cms::certificates_only(&[world.ca.as_der()], &[]);
    let mut outer = Reader::new(&bag);
    let mut info = outer.sequence().unwrap();
    info.oid().unwrap();
    let mut signed = info.nested(Tag::context_constructed(0)).unwrap().sequence().unwrap();
    assert_eq!(signed.small_integer(), Ok(1));
    assert!(signed.set().unwrap().is_empty(), "no digest algorithm");
    let mut content = signed.sequence().unwrap();
    content.oid().unwrap();
    assert!(content.is_empty(), "no content");
    signed.nested(Tag::context_constructed(0)).unwrap();
    assert!(signed.set().unwrap().is_empty() && signed.is_empty(), "no signer, no list");
}

#[test]
fn a_cipher_that_works_is_forced_where_what_is_advertised_does_not() {
    let world = world();
    // An NDES of old: it advertises AES, and does not read it.
    let peer = Peer::ndes();
    let certificates = CaCertificates::registration(vec![world.ra.clone()], vec![world.ca.clone()]).unwrap();
    let server = client::Server::new(certificates, Capabilities::parse(b"AES\nSHA-256\n"), peer).unwrap();
    assert_eq!(server.algorithms().cipher, ContentCipher::Aes128Cbc);
    let forced = server.with_cipher(ContentCipher::TripleDesCbc);
    let enrollment = client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap();
    let (_sent, message) = enrollment.request(&forced, &world.provider).unwrap();
    let body = message.sign_with(&world.device_key).unwrap();
    let received = Received::parse(&body, &peer, &world.provider).unwrap();
    assert_eq!(received.message().envelope(&peer).unwrap().cipher(), Some(ContentCipher::TripleDesCbc));
}

#[test]
fn a_ca_that_does_everything_itself_is_warned_of() {
    let world = world();
    let chain = || vec![world.ca.clone()];
    let (certificates, warnings) = CaCertificates::for_server(&world.ra, &world.ra, chain()).unwrap();
    assert_eq!((certificates.as_slice(), warnings), (&[world.ra.clone(), world.ca.clone()][..], vec![]));
    let (certificates, warnings) = CaCertificates::for_server(&world.ca, &world.ca, chain()).unwrap();
    assert_eq!(certificates, CaCertificates::authority(world.ca.clone()));
    assert_eq!(warnings, [Warning::AuthorityDecrypts, Warning::AuthorityAnswers]);
    assert!(warnings[0].to_string().contains("decrypts"));
    let other = world.issue(&name("signing RA"), world.device.public_key());
    let (certificates, warnings) = CaCertificates::for_server(&other, &world.ra, chain()).unwrap();
    assert_eq!((certificates.as_slice(), warnings), (&[other, world.ra.clone(), world.ca.clone()][..], vec![]));
    // The CA's key under a certificate of another name is the CA's key.
    let disguised = world.issue(&name("RA"), world.ca.public_key());
    let (_, warnings) = CaCertificates::for_server(&world.ra, &disguised, chain()).unwrap();
    assert_eq!(warnings, [Warning::AuthorityDecrypts]);
    for (signer, opener, chain) in
        [(&world.ra, &world.ra, vec![]), (&world.ca, &world.ca, vec![world.ra.clone(), world.ca.clone()])]
    {
        assert!(matches!(CaCertificates::for_server(signer, opener, chain), Err(Error::Misuse(_))));
    }
}
