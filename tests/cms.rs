//! CMS against OpenSSL: what it made is read here, what is made here is read back, and nothing damaged is believed.
//!
//! `data/cms/make.sh` has the command that made each file.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use mdm_core::asn1::{Oid, Tag, Writer};
use mdm_core::cms::{
    Attribute, EnvelopedData, Error, MdmSignature, MdmSignaturePolicy, OpeningPolicy, RecipientInfo, SignaturePolicy,
    SignedContent, SignedData, SignedDataTemplate, certificates_only, seal, seal_with_password,
};
use mdm_core::crypto::{
    self, ContentCipher, DecryptionKey, DigestAlgorithm, KeyTransport, Legacy, Provider, SigningKey, SoftwareKey,
};
use mdm_core::limits::Limits;
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, CertificateTemplate, SerialNumber};

mod support;
use support::{data, providers};

const CONTENT: &[u8] = b"What is signed here is what is read there.\n";

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(data(&format!("cms/{name}.pem"))).unwrap()
}

fn key(provider: &Provider, name: &str) -> SoftwareKey {
    support::key(provider, &format!("cms/{name}.key"))
}

fn signed(file: &str) -> SignedData {
    SignedData::parse(&data(&format!("cms/{file}")), &Limits::PKI).unwrap()
}

fn enveloped(file: &str) -> EnvelopedData {
    EnvelopedData::parse(&data(&format!("cms/{file}")), &Limits::PKI).unwrap()
}

/// Nothing but padding tells a wrong content key from the right one in CBC, and about one wrong key in 256 leaves a padding behind that
/// could be one. So what is shut gives the one error, or octets that are not the content.
fn assert_shut(opened: Result<Secret, Error>, what: &str) {
    match opened {
        Ok(other) => assert_ne!(other.expose(), CONTENT, "{what}"),
        Err(error) => assert_eq!(error, Error::Unopened, "{what}"),
    }
}

const STRICT: SignaturePolicy = SignaturePolicy {
    legacy: Legacy::NONE,
    without_signed_attributes: false,
    unsorted_attributes: false,
    missing_content_type: false,
};

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
fn what_openssl_sealed_is_opened() {
    let legacy = Legacy { triple_des: true, single_des: true, ..Legacy::NONE };
    let policy = OpeningPolicy { legacy, ..OpeningPolicy::default() };
    for (name, provider) in providers() {
        let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
        for (file, cipher) in [
            ("aes128.der", ContentCipher::Aes128Cbc),
            ("aes192.der", ContentCipher::Aes192Cbc),
            ("aes256-stream.ber", ContentCipher::Aes256Cbc),
            ("triple-des.der", ContentCipher::TripleDesCbc),
            ("single-des.der", ContentCipher::DesCbc),
            ("keyid-recipient.der", ContentCipher::Aes128Cbc),
            ("two-recipients.der", ContentCipher::Aes128Cbc),
            ("oaep-sha1.der", ContentCipher::Aes128Cbc),
            ("oaep-sha256.der", ContentCipher::Aes128Cbc),
        ] {
            let envelope = enveloped(file);
            assert_eq!(envelope.cipher(), Some(cipher), "{file}");
            let opened = envelope.open(&certificate, &key, &provider, &policy);
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
        }
    }
}

#[test]
fn broken_and_unknown_ciphers_are_refused_before_any_key_is_used() {
    for (_, provider) in providers() {
        let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
        for file in ["triple-des.der", "single-des.der", "rc2.der"] {
            let outcome = enveloped(file).open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(outcome, Err(Error::Algorithm("content cipher")), "{file}");
        }
    }
}

#[test]
fn an_envelope_for_somebody_else_stays_shut() {
    for (_, provider) in providers() {
        let (other, key) = (certificate("other"), key(&provider, "other"));
        let open = |file, policy| enveloped(file).open(&other, &key, &provider, &policy);
        assert_eq!(open("aes128.der", OpeningPolicy::default()), Err(Error::NoRecipient));
        assert_eq!(open("ecdh.der", OpeningPolicy::default()), Err(Error::NoRecipient));
        let guessed = open("ecdh.der", OpeningPolicy { misnamed_recipient: true, ..OpeningPolicy::default() });
        assert_eq!(guessed, Err(Error::Algorithm("key agreement algorithm")), "an RSA key agrees with nobody");
        let misnamed = OpeningPolicy { misnamed_recipient: true, ..OpeningPolicy::default() };
        let (ec, ec_key) = (certificate("ec"), self::key(&provider, "ec"));
        let guessed = enveloped("aes128.der").open(&ec, &ec_key, &provider, &misnamed);
        assert_eq!(guessed, Err(Error::Algorithm("key transport algorithm")), "and no other decrypts");
        let tolerant = OpeningPolicy { misnamed_recipient: true, ..OpeningPolicy::default() };
        // Taken for ours since it is alone, and then not ours: no other error than any that fails to open.
        assert_shut(open("aes128.der", tolerant), "another key");
        let second = certificate("ec");
        let envelope = enveloped("two-recipients.der");
        let request = envelope.content_key_request(&second, &tolerant);
        assert_eq!(request, Err(Error::NoRecipient), "two recipients are never guessed at");
    }
}

#[test]
fn recipients_of_other_kinds_are_told() {
    let envelope = enveloped("mixed.der");
    let mut kinds: Vec<_> = envelope
        .recipients()
        .map(|recipient| match recipient {
            RecipientInfo::KeyTransport { id, .. } if id.names(&certificate("rsa")) => "RSA",
            RecipientInfo::KeyAgreement { id, known: true, wrapped } if id.names(&certificate("ec")) && wrapped.len() == 24 => {
                "EC"
            }
            RecipientInfo::Password { iterations: 2048 } => "password",
            other => panic!("{other:?}"),
        })
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["EC", "RSA", "password"]);
}

#[test]
fn what_openssl_sealed_to_an_elliptic_curve_key_is_opened() {
    for (name, provider) in providers() {
        let (certificate, key) = (certificate("ec"), key(&provider, "ec"));
        for (file, cipher) in [
            ("ecdh.der", ContentCipher::Aes128Cbc),
            ("ecdh-sha256.der", ContentCipher::Aes128Cbc),
            ("ecdh-keyid.der", ContentCipher::Aes192Cbc),
            ("ecdh-aes256.der", ContentCipher::Aes256Cbc),
            ("gcm-ecdh.der", ContentCipher::Aes256Gcm),
            ("mixed.der", ContentCipher::Aes128Cbc),
        ] {
            // OpenSSL names a subject key identifier, which our certificate has too.
            let envelope = enveloped(file);
            assert_eq!(envelope.cipher(), Some(cipher), "{file}");
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
        }
    }
}

#[test]
fn what_openssl_authenticated_is_opened_and_nothing_else() {
    for (name, provider) in providers() {
        let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
        for (file, cipher) in [
            ("gcm-aes128.der", ContentCipher::Aes128Gcm),
            ("gcm-aes192.der", ContentCipher::Aes192Gcm),
            ("gcm-aes256-stream.ber", ContentCipher::Aes256Gcm),
        ] {
            let envelope = enveloped(file);
            assert!(envelope.is_authenticated() && envelope.cipher() == Some(cipher), "{file}");
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
        }
        // Authenticated is the content, by an authenticator that stands at the end.
        let der = data("cms/gcm-aes128.der");
        for at in der.len() - 16 - 2 - CONTENT.len()..der.len() {
            let mut damaged = der.clone();
            damaged[at] ^= 1;
            let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI) else { continue };
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(opened, Err(Error::Unopened), "{name} byte {at}");
        }
    }
}

/// The kind of an envelope and its cipher belong together: what was authenticated must not be read as what was not.
#[test]
fn an_authenticated_content_is_not_taken_for_one_that_is_not() {
    let (_, provider) = providers().remove(0);
    let gcm = data("cms/gcm-aes128.der");
    let cbc = data("cms/aes128.der");
    let renamed = |der: &[u8], from: ContentCipher, to: ContentCipher| {
        let mut der = der.to_vec();
        let at = der.windows(9).position(|window| window == from.oid().content()).unwrap();
        der[at..at + 9].copy_from_slice(to.oid().content());
        EnvelopedData::parse(&der, &Limits::PKI)
    };
    let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
    for envelope in [
        renamed(&gcm, ContentCipher::Aes128Gcm, ContentCipher::Aes128Cbc),
        renamed(&cbc, ContentCipher::Aes128Cbc, ContentCipher::Aes128Gcm),
    ] {
        let envelope = envelope.unwrap();
        assert_eq!(envelope.cipher(), None);
        let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
        assert_eq!(opened, Err(Error::Algorithm("content cipher")));
    }
}

#[test]
fn an_elliptic_curve_key_elsewhere_opens_in_two_halves() {
    for (_, provider) in providers() {
        let envelope = enveloped("ecdh-sha256.der");
        let policy = OpeningPolicy::default();
        let request = envelope.agreement_request(&certificate("ec"), &policy).unwrap();
        assert_eq!((request.point.len(), request.point[0]), (65, 4));
        let shared = key(&provider, "ec").agree(request.point).unwrap();
        let content_key = request.content_key(&shared, &provider);
        assert_eq!(envelope.open_with_key(content_key, &provider).unwrap().expose(), CONTENT);
        assert_eq!(request.content_key(&Secret::new(vec![0; 32]), &provider), None);
        assert_shut(envelope.open_with_key(None, &provider), "no key");
        assert_eq!(envelope.content_key_request(&certificate("ec"), &policy), Err(Error::Algorithm("key transport algorithm")));
        let refused = enveloped("aes128.der").agreement_request(&certificate("rsa"), &policy).unwrap_err();
        assert_eq!(refused, Error::Algorithm("key agreement algorithm"));
    }
}

/// A point off the curve, and one that is none at all: the sender's doing, told to nobody.
#[test]
fn a_point_that_is_none_of_the_curve_does_not_open_and_gives_nothing_away() {
    for (name, provider) in providers() {
        let der = data("cms/ecdh-sha256.der");
        let at = der.windows(4).position(|window| window == [0x03, 0x42, 0x00, 0x04]).unwrap() + 3;
        let (certificate, key) = (certificate("ec"), key(&provider, "ec"));
        for (what, octet, value) in
            [("off the curve", at + 40, 0x55_u8), ("compressed", at, 0x02), ("hybrid", at, 0x06), ("infinity", at, 0x00)]
        {
            let mut damaged = der.clone();
            damaged[octet] = if octet == at { value } else { damaged[octet] ^ value };
            let envelope = EnvelopedData::parse(&damaged, &Limits::PKI).unwrap();
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_shut(opened, &format!("{name}: {what}"));
        }
    }
}

#[test]
fn any_flipped_bit_of_an_agreement_is_an_error_or_changes_nothing() {
    let (_, provider) = providers().remove(0);
    let (certificate, key) = (certificate("ec"), key(&provider, "ec"));
    for file in ["gcm-ecdh.der", "ecdh-keyid.der"] {
        let der = data(&format!("cms/{file}"));
        for at in 0..der.len() {
            let mut damaged = der.clone();
            damaged[at] ^= 1 << (at % 8);
            if let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI)
                && let Ok(opened) = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default())
                && file == "gcm-ecdh.der"
            {
                assert_eq!(opened.expose(), CONTENT, "byte {at}");
            }
        }
    }
}

#[test]
fn what_is_sealed_here_is_opened_here_by_each_recipient() {
    let legacy = Legacy { triple_des: true, single_des: true, ..Legacy::NONE };
    let policy = OpeningPolicy { legacy, ..OpeningPolicy::default() };
    for (name, provider) in providers() {
        let (rsa, other) = (certificate("rsa"), certificate("other"));
        for cipher in [
            ContentCipher::Aes128Cbc,
            ContentCipher::Aes256Cbc,
            ContentCipher::TripleDesCbc,
            ContentCipher::DesCbc,
            ContentCipher::Aes128Gcm,
            ContentCipher::Aes192Gcm,
            ContentCipher::Aes256Gcm,
        ] {
            let ec = certificate("ec");
            let both = seal(CONTENT, &[&ec, &rsa], cipher, KeyTransport::RsaPkcs1, &provider);
            let mut holders = vec![(&rsa, key(&provider, "rsa"))];
            let sealed = if cipher == ContentCipher::DesCbc {
                // A key of eight octets cannot be wrapped (RFC 3394 section 2).
                assert_eq!(both, Err(Error::Crypto(crypto::Error::Key)));
                seal(CONTENT, &[&rsa], cipher, KeyTransport::RsaPkcs1, &provider).unwrap()
            } else {
                holders.push((&ec, key(&provider, "ec")));
                both.unwrap()
            };
            let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
            assert_eq!(envelope.is_authenticated(), cipher.is_authenticated());
            for (certificate, key) in holders {
                let opened = envelope.open(certificate, &key, &provider, &policy);
                assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {cipher:?}");
            }
            for transport in [KeyTransport::RsaPkcs1, KeyTransport::RsaOaepSha1, KeyTransport::RsaOaepSha256] {
                let sealed = seal(CONTENT, &[&rsa, &other], cipher, transport, &provider).unwrap();
                let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
                for (certificate, key) in [(&rsa, key(&provider, "rsa")), (&other, key(&provider, "other"))] {
                    let opened = envelope.open(certificate, &key, &provider, &policy);
                    assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {cipher:?} {transport:?}");
                }
            }
        }
        let refused =
            seal(CONTENT, &[&p384_certificate(&provider)], ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1, &provider);
        assert_eq!(refused, Err(Error::Crypto(crypto::Error::Key)));
    }
}

/// A certificate with a key that neither decrypts nor agrees here.
fn p384_certificate(provider: &Provider) -> Certificate {
    let point: Vec<u8> = [4].into_iter().chain([1; 96]).collect();
    let spki = Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.oid(Oid::from_content(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]));
                w.oid(Oid::from_content(&[0x2B, 0x81, 0x04, 0x00, 0x22]));
            });
            w.bit_string(&point);
        });
    });
    let issuer = certificate("ec");
    let template = CertificateTemplate::under(
        &issuer,
        SerialNumber::random(provider.random).unwrap(),
        issuer.subject().clone(),
        issuer.validity(),
        crypto::PublicKey::from_der(&spki).unwrap(),
    );
    let signed = template.to_be_signed(issuer.public_key(), crypto::SignatureAlgorithm::EcdsaSha256, provider).unwrap();
    signed.sign_with(&key(provider, "ec")).unwrap()
}

#[test]
fn what_openssl_sealed_under_a_password_is_opened() {
    let password = Secret::from("secret");
    for (name, provider) in providers() {
        for file in ["password.der", "password-aes256.der"] {
            let envelope = enveloped(file);
            assert!(matches!(envelope.recipients().next(), Some(RecipientInfo::Password { iterations: 2048 })), "{file}");
            let open = |password: &Secret| envelope.open_with_password(password, &provider, &OpeningPolicy::default());
            assert_eq!(open(&password).as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
            assert_shut(open(&Secret::from("Secret")), name);
            assert_shut(open(&Secret::default()), name);
        }
        let to_a_key = enveloped("aes128.der").open_with_password(&password, &provider, &OpeningPolicy::default());
        assert_eq!(to_a_key, Err(Error::NoRecipient));
    }
}

#[test]
fn what_is_sealed_under_a_password_here_is_opened_here() {
    let password = Secret::from("a longer challenge than most");
    for (name, provider) in providers() {
        for cipher in
            [ContentCipher::Aes128Cbc, ContentCipher::Aes192Cbc, ContentCipher::Aes256Gcm, ContentCipher::TripleDesCbc]
        {
            let sealed = seal_with_password(CONTENT, &password, cipher, &provider).unwrap();
            let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
            let policy = OpeningPolicy { legacy: Legacy { triple_des: true, ..Legacy::NONE }, ..OpeningPolicy::default() };
            let opened = envelope.open_with_password(&password, &provider, &policy);
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {cipher:?}");
        }
        let sealed = seal_with_password(CONTENT, &password, ContentCipher::TripleDesCbc, &provider).unwrap();
        let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
        let refused = envelope.open_with_password(&password, &provider, &OpeningPolicy::default());
        assert_eq!(refused, Err(Error::Algorithm("content cipher")));
    }
}

/// Two thousand rounds in the file become so many, which stand there in two octets.
#[test]
fn a_password_that_would_take_hours_to_derive_is_refused() {
    let (_, provider) = providers().remove(0);
    let der = data("cms/password.der");
    let at = der.windows(4).position(|window| window == [0x02, 0x02, 0x08, 0x00]).unwrap();
    let with = |replacement: [u8; 4]| {
        let mut der = der.clone();
        der[at..at + 4].copy_from_slice(&replacement);
        let envelope = EnvelopedData::parse(&der, &Limits::PKI).unwrap();
        envelope.open_with_password(&Secret::from("secret"), &provider, &OpeningPolicy::default())
    };
    assert_shut(with([0x02, 0x02, 0x08, 0x01]), "one round more");
    // More than two octets do not fit, so the salt before it gives some of its own.
    let mut long = der.clone();
    let salt = at - 10;
    assert_eq!(long[salt..salt + 2], [0x04, 0x08]);
    long[salt + 1] = 0x06;
    long[at - 2..at + 4].copy_from_slice(&[0x02, 0x04, 0x7F, 0xFF, 0xFF, 0xFF]);
    let envelope = EnvelopedData::parse(&long, &Limits::PKI).unwrap();
    let refused = envelope.open_with_password(&Secret::from("secret"), &provider, &OpeningPolicy::default());
    assert_eq!(refused, Err(Error::Algorithm("number of key derivation rounds")));
}

#[test]
fn a_flipped_bit_under_a_password_is_no_panic() {
    let (_, provider) = providers().remove(0);
    let der = data("cms/password.der");
    for at in (0..der.len()).step_by(3) {
        let mut damaged = der.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI)
            && envelope.recipients().all(|recipient| !matches!(recipient, RecipientInfo::Password { iterations: 10_000.. }))
            && let Ok(opened) = envelope.open_with_password(&Secret::from("secret"), &provider, &OpeningPolicy::default())
        {
            // The content is not authenticated; nothing above may take it for more.
            assert!(opened.len() <= CONTENT.len() + 16);
        }
    }
}

#[test]
fn a_key_elsewhere_opens_in_two_halves() {
    for (_, provider) in providers() {
        let envelope = enveloped("aes128.der");
        let request = envelope.content_key_request(&certificate("rsa"), &OpeningPolicy::default()).unwrap();
        assert_eq!(request.key_len, 16);
        let substitute = Secret::new(vec![7; request.key_len]);
        let content_key = key(&provider, "rsa").unwrap_key(request.algorithm, request.wrapped, substitute).unwrap();
        let opened = envelope.open_with_key(Some(content_key), &provider).unwrap();
        assert_eq!(opened.expose(), CONTENT);
        for wrong in [None, Some(Secret::default()), Some(Secret::new(vec![0; 15])), Some(Secret::new(vec![0; 16]))] {
            assert_shut(envelope.open_with_key(wrong, &provider), "a wrong key");
        }
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
