//! Messages that are not what they should be.

use mdm_core::asn1::{Oid, Tag, Writer};
use mdm_core::cms::{
    Attribute, EnvelopedData, Error, MdmSignature, OpeningPolicy, SignedContent, SignedData, SignedDataTemplate,
};
use mdm_core::limits::Limits;
use mdm_core::secret::Secret;

use super::{CONTENT, STRICT, certificate, data, key, providers};

#[test]
fn one_kind_is_not_read_as_the_other() {
    let (signed, sealed) = (data("cms/sha256.der"), data("cms/aes128.der"));
    assert_eq!(SignedData::parse(&sealed, &Limits::PKI).unwrap_err(), Error::ContentType { expected: "SignedData" });
    assert_eq!(EnvelopedData::parse(&signed, &Limits::PKI).unwrap_err(), Error::ContentType { expected: "EnvelopedData" });
}

#[test]
fn truncated_anywhere_is_an_error() {
    for file in ["sha256.der", "stream.ber", "certificates-only.der"] {
        let bytes = data(&format!("cms/{file}"));
        for end in 0..bytes.len() {
            assert!(matches!(SignedData::parse(&bytes[..end], &Limits::PKI), Err(Error::Malformed(_))), "{file} {end}");
        }
    }
    for file in
        ["aes128.der", "aes256-stream.ber", "ecdh.der", "password.der", "gcm-ecdh.der", "gcm-aes256-stream.ber", "mixed.der"]
    {
        let bytes = data(&format!("cms/{file}"));
        for end in 0..bytes.len() {
            assert!(EnvelopedData::parse(&bytes[..end], &Limits::PKI).is_err(), "{file} {end}");
        }
    }
}

#[test]
fn a_flipped_bit_is_never_believed_and_never_a_panic() {
    let (_, provider) = providers().remove(0);
    let bytes = data("cms/ec.der");
    let signer = certificate("ec");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let Ok(message) = SignedData::parse(&damaged, &Limits::PKI) else { continue };
        let Ok(info) = message.sole_signer() else { continue };
        let content = message.content().unwrap_or_default();
        if info.verify(content, signer.public_key(), &provider, &STRICT).is_ok() {
            assert_eq!(content, CONTENT, "byte {at} changed the content and not the verdict");
        }
    }
    let bytes = data("cms/aes128.der");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI) {
            // A content key that is right: only the content and its parameters can be wrong.
            let _ = envelope.open_with_key(Some(Secret::new(vec![0; 16])), &provider);
            let _ = envelope.recipients().count();
        }
    }
}

#[test]
fn limits_hold() {
    let bytes = data("cms/sha256.der");
    let parse = |limits: Limits| SignedData::parse(&bytes, &limits).map(|_| ());
    assert!(parse(Limits::PKI.bytes(bytes.len())).is_ok());
    assert!(matches!(parse(Limits::PKI.bytes(bytes.len() - 1)), Err(Error::Malformed(_))));
    assert!(matches!(parse(Limits::PKI.depth(3)), Err(Error::Malformed(_))));
    assert!(matches!(parse(Limits::PKI.items(20)), Err(Error::Malformed(_))));
    let header = vec![b'A'; 3 * Limits::PKI.max_bytes];
    assert!(matches!(MdmSignature::parse(header, &Limits::PKI), Err(Error::Malformed(_))));
}

/// The first place of these octets, each written as its exchange says.
fn exchanged(file: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = data(&format!("cms/{file}"));
    let at = bytes.windows(from.len()).position(|octets| octets == from).expect("the octets stand there");
    bytes.splice(at..at + from.len(), to.iter().copied());
    bytes
}

#[test]
fn one_content_stands_in_a_message_and_nothing_behind_it() {
    for (file, is_signed) in [("sha256.der", true), ("aes128.der", false)] {
        let bytes = data(&format!("cms/{file}"));
        let mut info = mdm_core::asn1::Reader::new(&bytes).sequence().unwrap();
        let kind = info.element().unwrap().raw();
        let content = info.element().unwrap().value();
        let twice = Writer::build(|w| {
            w.sequence(|w| {
                w.raw(kind);
                w.nested(Tag::context_constructed(0), |w| {
                    w.raw(content);
                    w.raw(content);
                });
            });
        });
        let outcome = match is_signed {
            true => SignedData::parse(&twice, &Limits::PKI).map(drop),
            false => EnvelopedData::parse(&twice, &Limits::PKI).map(drop),
        };
        assert!(matches!(outcome, Err(Error::Malformed(_))), "{file}: {outcome:?}");
    }
}

#[test]
fn the_digests_of_a_message_are_algorithms() {
    // The SET in front of the content holds an AlgorithmIdentifier; its identifier becomes an OCTET STRING.
    let sha256 = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let damaged = exchanged("sha256.der", &sha256, &[&[0x04], &sha256[1..]].concat());
    assert!(matches!(SignedData::parse(&damaged, &Limits::PKI), Err(Error::Malformed(_))));
}

#[test]
fn the_length_of_an_authenticator_is_a_number_or_absent() {
    let length = [0x02, 0x01, 0x10, 0x80];
    let damaged = exchanged("gcm-aes128.der", &length, &[0x04, 0x01, 0x10, 0x80]);
    assert!(matches!(EnvelopedData::parse(&damaged, &Limits::PKI), Err(Error::Malformed(_))));
}

#[test]
fn a_signing_time_without_value_makes_no_signature() {
    let provider = &providers()[0].1;
    let (signer, key) = (certificate("ec"), key(provider, "ec"));
    let mut template = SignedDataTemplate::new(SignedContent::Attached(CONTENT));
    template.certificates = vec![signer.as_der()];
    // signingTime, RFC 5652 section 11.3.
    let signing_time = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x05]);
    template.attributes = vec![Attribute::new(signing_time, |_| {})];
    let message = template.to_be_signed(&signer, provider).unwrap().sign_with(&key).unwrap();
    let message = SignedData::parse(&message, &Limits::PKI).unwrap();
    let outcome = message.sole_signer().unwrap().verify(CONTENT, signer.public_key(), provider, &STRICT);
    assert_eq!(outcome, Err(Error::AttributeRepeated("signingTime")));
}

#[test]
fn a_sender_on_another_curve_is_not_agreed_with() {
    let provider = &providers()[0].1;
    let policy = OpeningPolicy::default();
    let open = |bytes: &[u8]| {
        let envelope = EnvelopedData::parse(bytes, &Limits::PKI).unwrap();
        envelope.open(&certificate("ec"), &key(provider, "ec"), provider, &policy)
    };
    // id-ecPublicKey of the sender, alone in its AlgorithmIdentifier.
    let alone = [0x30, 0x09, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
    let good = data("cms/ecdh.der");
    assert!(good.windows(alone.len()).any(|octets| octets == alone), "the sender's curve is left out");
    assert_eq!(open(&good).unwrap().expose(), CONTENT);
    // Another algorithm than id-ecPublicKey: the same with an arc that does not exist.
    let mut other = alone;
    other[10] = 0x7F;
    assert_eq!(open(&exchanged("ecdh.der", &alone, &other)), Err(Error::Algorithm("key agreement algorithm")));
}
