//! Signed messages: OpenSSL's, ours, and the header of a device.

use mdm_core::asn1::{Oid, Tag, Writer};
use mdm_core::cms::{
    Attribute, Error, MdmSignature, MdmSignaturePolicy, SignaturePolicy, SignedContent, SignedData, SignedDataTemplate,
    certificates_only,
};
use mdm_core::crypto::{DigestAlgorithm, Legacy, Provider, SigningKey};
use mdm_core::limits::Limits;
use mdm_core::time::Timestamp;
use mdm_core::x509::Certificate;

use super::{CONTENT, STRICT, certificate, data, key, providers, signed};

#[test]
fn the_default_forgives_nothing() {
    assert_eq!(SignaturePolicy::default(), STRICT);
}

const SHA1: SignaturePolicy = SignaturePolicy { legacy: Legacy { sha1: true, ..Legacy::NONE }, ..STRICT };

#[test]
fn what_openssl_signed_is_verified() {
    for (name, provider) in providers() {
        for (file, signer) in [
            ("sha256.der", "rsa"),
            ("sha512.der", "rsa"),
            ("stream.ber", "rsa"),
            ("keyid.der", "rsa"),
            ("ec.der", "ec"),
            ("detached.der", "rsa"),
        ] {
            let message = signed(file);
            assert!(message.is_data());
            assert_eq!(message.content(), (file != "detached.der").then_some(CONTENT), "{file}");
            let info = message.sole_signer().unwrap();
            let candidate = message.signer_certificate(&info).unwrap();
            assert_eq!(candidate, certificate(signer), "{name} {file}");
            let verify = |content, key| info.verify(content, key, &provider, &STRICT);
            assert_eq!(verify(CONTENT, candidate.public_key()), Ok(()), "{name} {file}");
            assert_eq!(verify(b"other", candidate.public_key()), Err(Error::Signature), "{file}");
            assert!(verify(CONTENT, certificate("other").public_key()).is_err(), "{file}");
            assert!(info.signing_time().unwrap().is_some());
        }
    }
}

#[test]
fn sha1_is_believed_by_named_policy_only() {
    for (_, provider) in providers() {
        let message = signed("sha1.der");
        let key = certificate("rsa");
        let info = message.sole_signer().unwrap();
        let verify = |policy| info.verify(CONTENT, key.public_key(), &provider, policy);
        assert_eq!(verify(&STRICT), Err(Error::Algorithm("digest algorithm")));
        assert_eq!(verify(&SHA1), Ok(()));
    }
}

#[test]
fn bare_content_is_believed_by_named_policy_only() {
    for (_, provider) in providers() {
        let message = signed("detached-noattr.der");
        let info = message.sole_signer().unwrap();
        let key = certificate("rsa");
        let bare = SignaturePolicy { without_signed_attributes: true, ..SignaturePolicy::default() };
        let verify = |content, policy| info.verify(content, key.public_key(), &provider, policy);
        assert_eq!(verify(CONTENT, &STRICT), Err(Error::NoSignedAttributes));
        assert_eq!(verify(CONTENT, &bare), Ok(()));
        assert_eq!(verify(b"other", &bare), Err(Error::Signature));
    }
}

/// A signature over signed attributes, presented as one over content that happens to be those attributes.
#[test]
fn attributes_are_not_mistaken_for_content() {
    for (_, provider) in providers() {
        let signer = certificate("rsa");
        let template = SignedDataTemplate::new(SignedContent::Attached(CONTENT));
        let attributes = template.to_be_signed(&signer, &provider).unwrap().bytes().to_vec();
        let info = signed("detached-noattr.der");
        let bare = SignaturePolicy { without_signed_attributes: true, ..SignaturePolicy::default() };
        let verdict = info.sole_signer().unwrap().verify(&attributes, signer.public_key(), &provider, &bare);
        assert_eq!(verdict, Err(Error::NoSignedAttributes));
    }
}

#[test]
fn a_message_has_one_signer_or_is_refused() {
    assert_eq!(signed("two-signers.der").sole_signer().unwrap_err(), Error::Signers(2));
    assert_eq!(signed("two-signers.der").signers().len(), 2);
    assert_eq!(signed("certificates-only.der").sole_signer().unwrap_err(), Error::Signers(0));
}

#[test]
fn a_signer_without_certificate_is_no_candidate() {
    let message = signed("no-certificates.der");
    assert_eq!(message.signer_certificate(&message.sole_signer().unwrap()), None);
}

#[test]
fn a_bag_of_certificates_keeps_their_order_and_one_odd_does_not_spoil_it() {
    let bag = signed("certificates-only.der");
    assert_eq!(bag.content(), None);
    let read: Vec<Certificate> = bag.certificates().filter_map(|der| Certificate::from_der(der).ok()).collect();
    assert_eq!(read.len(), 2);

    let odd = Writer::build(|w| w.sequence(|w| w.small_integer(7)));
    let (rsa, ec) = (certificate("rsa"), certificate("ec"));
    let made = certificates_only(&[rsa.as_der(), &odd, ec.as_der()], &[&odd]);
    let bag = SignedData::parse(&made, &Limits::PKI).unwrap();
    assert_eq!(bag.certificates().collect::<Vec<_>>(), [rsa.as_der(), &odd[..], ec.as_der()]);
    assert_eq!(bag.crls().collect::<Vec<_>>(), [&odd[..]]);
    assert_eq!(certificates_only(&[certificate("rsa").as_der()], &[])[..2], [0x30, 0x82]);
}

#[test]
fn what_is_signed_here_is_verified_here() {
    for (name, provider) in providers() {
        for (signer, digest) in [
            ("rsa", DigestAlgorithm::Sha256),
            ("rsa", DigestAlgorithm::Sha512),
            ("rsa", DigestAlgorithm::Sha1),
            ("ec", DigestAlgorithm::Sha256),
        ] {
            let certificate = certificate(signer);
            let mut template = SignedDataTemplate::new(SignedContent::Attached(CONTENT));
            template.digest = digest;
            template.signing_time = Some(Timestamp::from_unix(1_800_000_000));
            template.certificates.push(certificate.as_der());
            let message = template.to_be_signed(&certificate, &provider).unwrap().sign_with(&key(&provider, signer)).unwrap();
            let message = SignedData::parse(&message, &Limits::PKI).unwrap();
            let info = message.sole_signer().unwrap();
            assert_ne!(info.digest_algorithm(), Some(DigestAlgorithm::Sha1), "SHA-1 is never made");
            assert_eq!(info.signing_time(), Ok(Some(Timestamp::from_unix(1_800_000_000))));
            assert_eq!(message.signer_certificate(&info), Some(certificate.clone()));
            let verdict = info.verify(CONTENT, certificate.public_key(), &provider, &STRICT);
            assert_eq!(verdict, Ok(()), "{name} {signer} {digest:?}");
        }
    }
}

#[test]
fn an_absent_content_is_signed_as_no_octets() {
    for (_, provider) in providers() {
        let certificate = certificate("rsa");
        let template = SignedDataTemplate::new(SignedContent::Absent);
        let message = template.to_be_signed(&certificate, &provider).unwrap().sign_with(&key(&provider, "rsa")).unwrap();
        let message = SignedData::parse(&message, &Limits::PKI).unwrap();
        assert_eq!(message.content(), None);
        let info = message.sole_signer().unwrap();
        assert_eq!(info.verify(b"", certificate.public_key(), &provider, &STRICT), Ok(()));
    }
}

/// The attributes of one message of ours, by hand, so that their order and number can be wrong.
struct Forge {
    attributes: Vec<Attribute>,
    order_signed: fn(&[Attribute]) -> Vec<Attribute>,
}

impl Forge {
    const CONTENT_TYPE: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03]);
    const MESSAGE_DIGEST: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04]);
    const DATA: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01]);

    fn content_type() -> Attribute {
        Attribute::new(Self::CONTENT_TYPE, |w| w.oid(Self::DATA))
    }

    fn message_digest(provider: &Provider) -> Attribute {
        let digest = provider.digest(DigestAlgorithm::Sha256, CONTENT);
        Attribute::new(Self::MESSAGE_DIGEST, |w| w.octet_string(digest.as_ref()))
    }

    fn make(&self, provider: &Provider) -> SignedData {
        let set = |tag, attributes: &[Attribute]| {
            Writer::build(|w| w.nested(tag, |w| attributes.iter().for_each(|attribute| w.raw(attribute.as_ref()))))
        };
        let covered = set(Tag::SET, &(self.order_signed)(&self.attributes));
        let signature = key(provider, "rsa").sign(mdm_core::crypto::SignatureAlgorithm::RsaSha256, &covered).unwrap();
        let signer = certificate("rsa");
        let der = Writer::build(|w| {
            w.sequence(|w| {
                w.oid(Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02]));
                w.nested(Tag::context_constructed(0), |w| {
                    w.sequence(|w| {
                        w.small_integer(1);
                        w.nested(Tag::SET, |w| DigestAlgorithm::Sha256.write(w));
                        w.sequence(|w| w.oid(Self::DATA));
                        w.nested(Tag::SET, |w| {
                            w.sequence(|w| {
                                w.small_integer(1);
                                w.sequence(|w| {
                                    w.raw(signer.issuer().as_der());
                                    signer.serial().write(w);
                                });
                                DigestAlgorithm::Sha256.write(w);
                                w.raw(&set(Tag::context_constructed(0), &self.attributes));
                                mdm_core::crypto::SignatureAlgorithm::RsaSha256.write(w);
                                w.octet_string(&signature);
                            });
                        });
                    });
                });
            });
        });
        SignedData::parse(&der, &Limits::PKI).unwrap()
    }

    fn verify(&self, provider: &Provider, policy: &SignaturePolicy) -> Result<(), Error> {
        let message = self.make(provider);
        let signer = message.sole_signer().unwrap();
        signer.verify(CONTENT, certificate("rsa").public_key(), provider, policy)
    }
}

fn sorted(attributes: &[Attribute]) -> Vec<Attribute> {
    let mut sorted = attributes.to_vec();
    sorted.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    sorted
}

#[test]
fn attributes_are_verified_as_they_were_received() {
    for (_, provider) in providers() {
        // The longer digest sorts behind the content type, so this is not DER's order.
        let attributes = vec![Forge::message_digest(&provider), Forge::content_type()];
        let as_sent = Forge { attributes: attributes.clone(), order_signed: |attributes| attributes.to_vec() };
        assert_eq!(as_sent.verify(&provider, &STRICT), Ok(()));
        let otherwise = Forge { attributes, order_signed: sorted };
        assert_eq!(otherwise.verify(&provider, &STRICT), Err(Error::Signature));
        let tolerant = SignaturePolicy { unsorted_attributes: true, ..SignaturePolicy::default() };
        assert_eq!(otherwise.verify(&provider, &tolerant), Ok(()));
    }
}

#[test]
fn an_attribute_twice_or_missing_or_with_two_values_is_refused() {
    let as_sent = |attributes| Forge { attributes, order_signed: |attributes| attributes.to_vec() };
    for (_, provider) in providers() {
        let (content_type, digest) = (Forge::content_type(), Forge::message_digest(&provider));
        let other = Attribute::new(Oid::from_content(&[0x2A, 0x03]), |w| w.null());
        let verify = |attributes| as_sent(attributes).verify(&provider, &STRICT);
        assert_eq!(verify(vec![content_type.clone(), digest.clone(), other.clone()]), Ok(()));
        assert_eq!(verify(vec![content_type.clone()]), Err(Error::AttributeMissing("messageDigest")));
        assert_eq!(verify(vec![digest.clone()]), Err(Error::AttributeMissing("contentType")));
        let tolerant = SignaturePolicy { missing_content_type: true, ..STRICT };
        assert_eq!(as_sent(vec![digest.clone()]).verify(&provider, &tolerant), Ok(()));
        for twice in [&content_type, &digest, &other] {
            let attributes = vec![content_type.clone(), digest.clone(), other.clone(), twice.clone()];
            assert!(matches!(verify(attributes), Err(Error::AttributeRepeated(_))));
        }
        let two_values = Attribute::new(Forge::CONTENT_TYPE, |w| {
            w.oid(Forge::DATA);
            w.oid(Forge::DATA);
        });
        assert_eq!(verify(vec![two_values, digest.clone()]), Err(Error::AttributeRepeated("contentType")));
        let other_type = Attribute::new(Forge::CONTENT_TYPE, |w| w.oid(Forge::CONTENT_TYPE));
        assert_eq!(verify(vec![other_type, digest]), Err(Error::Signature));
    }
}

#[test]
fn the_header_of_a_device_is_verified_over_its_body() {
    use base64::Engine as _;
    let now = Timestamp::from_unix(1_800_000_000);
    for (_, provider) in providers() {
        let device = certificate("rsa");
        let sign = |signing_time| {
            let mut template = SignedDataTemplate::new(SignedContent::Detached(CONTENT));
            template.signing_time = signing_time;
            template.certificates.push(device.as_der());
            template.to_be_signed(&device, &provider).unwrap().sign_with(&key(&provider, "rsa")).unwrap()
        };
        let policy = MdmSignaturePolicy::at(now);
        let verify = |header: &[u8], body: &[u8], policy: &MdmSignaturePolicy| {
            MdmSignature::parse(header, &Limits::PKI)?.verify(body, &provider, policy)
        };
        let der = sign(None);
        let mut text = base64::engine::general_purpose::STANDARD.encode(&der);
        text.insert(64, '\n');
        for header in [der.as_slice(), text.as_bytes()] {
            assert_eq!(verify(header, CONTENT, &policy).as_ref(), Ok(&device));
            assert_eq!(verify(header, b"another body", &policy), Err(Error::Signature));
        }
        // As macOS signs: no attributes.
        assert_eq!(verify(&data("cms/detached-noattr.der"), CONTENT, &policy).as_ref(), Ok(&device));

        let late = sign(Some(now.plus_seconds(-86_401)));
        assert_eq!(verify(&late, CONTENT, &policy), Err(Error::SigningTime { at: now.plus_seconds(-86_401) }));
        assert_eq!(verify(&late, CONTENT, &policy.skew(86_401)).as_ref(), Ok(&device));
        assert_eq!(verify(&sign(Some(now.plus_seconds(86_400))), CONTENT, &policy).as_ref(), Ok(&device));

        assert_eq!(verify(b"not base64!", CONTENT, &policy), Err(Error::Header));
        assert_eq!(verify(&data("cms/no-certificates.der"), CONTENT, &policy), Err(Error::NoSignerCertificate));
        assert_eq!(verify(&data("cms/two-signers.der"), CONTENT, &policy), Err(Error::Signers(2)));
        let sha1 = data("cms/sha1.der");
        assert_eq!(verify(&sha1, CONTENT, &policy), Err(Error::Algorithm("digest algorithm")));
        let loose = policy.legacy(Legacy { sha1: true, ..Legacy::NONE }).skew(i64::MAX);
        assert_eq!(verify(&sha1, CONTENT, &loose).as_ref(), Ok(&device));
    }
}
