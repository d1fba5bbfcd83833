//! The good artefacts that are damaged, and the keys that sign them anew.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::asn1::{Tag, Writer};
use mdm_core::crypto::{
    DigestAlgorithm, Error, KeyKind, Provider, PublicKey, Random, SignatureAlgorithm, SigningKey, SoftwareKey,
};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, CrlNumber, CrlTemplate, ExtendedKeyUsage, Extensions, GeneralName,
    KeyIdentifier, KeyUsage, Name, RevocationReason, RevokedEntry, SerialNumber, SubjectAlternativeNames, Validity, oid,
};

pub type Fail = Box<dyn std::error::Error>;

/// The moment of every judgement.
pub const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::EcdsaSha256;

/// Other octets each time, and the same in each run.
struct Counted;

static DRAWN: AtomicU64 = AtomicU64::new(0);

impl Random for Counted {
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
        for chunk in dest.chunks_mut(32) {
            let number = DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let digest = Provider::rustcrypto(&Counted).digest(DigestAlgorithm::Sha256, &number);
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
        Ok(())
    }
}

pub fn provider() -> Provider {
    Provider::rustcrypto(&Counted)
}

/// A private key and a certificate from `tests/data`, in PEM.
pub fn pair(key: &str, certificate: &str) -> Result<(SoftwareKey, Certificate), Fail> {
    Ok((provider().load(&Secret::new(der(key)?))?, Certificate::from_pem(certificate)?))
}

pub fn der(pem: &str) -> Result<Vec<u8>, Fail> {
    Ok(STANDARD.decode(pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>())?)
}

/// A root, an authority below it, and a device's certificate below that.
pub struct House {
    pub root_key: SoftwareKey,
    pub authority_key: SoftwareKey,
    pub root: Certificate,
    pub authority: Certificate,
    pub leaf: Certificate,
    /// A list of the authority on which the device's certificate does not stand.
    pub list: Vec<u8>,
}

impl House {
    pub fn new() -> Result<House, Fail> {
        let provider = provider();
        let key = || -> Result<SoftwareKey, Fail> { Ok(provider.load(&provider.generate(KeyKind::P256)?)?) };
        let (root_key, authority_key, leaf_key) = (key()?, key()?, key()?);
        let name = |common| Name::builder().country("DE").organization("Example").common_name(common).build();
        let validity = Validity { not_before: NOW.plus_days(-30), not_after: NOW.plus_days(30) };
        let usage = KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN;
        let public = |key: &SoftwareKey| -> PublicKey { SigningKey::public_key(key).clone() };
        let root = CertificateTemplate {
            serial: SerialNumber::from_bytes(&[0x11, 0x22])?,
            issuer: name("Root")?,
            subject: name("Root")?,
            validity,
            public_key: public(&root_key),
            extensions: Extensions::new().with(&BasicConstraints::authority(None)).with(&usage),
            authority_key_identifier: None,
        };
        let root = root.to_be_signed(&public(&root_key), ALGORITHM, &provider)?.sign_with(&root_key)?;
        let serial = SerialNumber::random(provider.random)?;
        let mut authority = CertificateTemplate::under(&root, serial, name("Authority")?, validity, public(&authority_key));
        authority.extensions = Extensions::new().with(&BasicConstraints::authority(Some(0))).with(&usage);
        let authority = authority.to_be_signed(root.public_key(), ALGORITHM, &provider)?.sign_with(&root_key)?;
        let serial = SerialNumber::random(provider.random)?;
        let mut leaf = CertificateTemplate::under(&authority, serial, name("Device")?, validity, public(&leaf_key));
        let names = SubjectAlternativeNames { names: vec![GeneralName::Dns("device.example.com".into())] };
        leaf.extensions = Extensions::new()
            .with(&BasicConstraints::end_entity())
            .with(&KeyUsage::DIGITAL_SIGNATURE)
            .with(&ExtendedKeyUsage::new(&[oid::CLIENT_AUTH]))
            .with(&names);
        let leaf = leaf.to_be_signed(authority.public_key(), ALGORITHM, &provider)?.sign_with(&authority_key)?;
        let list = Self::list(&authority, &authority_key)?;
        Ok(House { root_key, authority_key, root, authority, leaf, list })
    }

    fn list(authority: &Certificate, key: &SoftwareKey) -> Result<Vec<u8>, Fail> {
        let entry = |octet| -> Result<RevokedEntry, Fail> { Ok(RevokedEntry::new(SerialNumber::from_bytes(&[octet; 9])?, NOW.plus_days(-2))) };
        let entries = [
            entry(0x21)?,
            entry(0x32)?.because(RevocationReason::KeyCompromise).invalid_since(NOW.plus_days(-3)),
            entry(0x43)?.because(RevocationReason::Superseded),
        ];
        let template = CrlTemplate {
            issuer: authority.subject().clone(),
            this_update: NOW.plus_days(-1),
            next_update: NOW.plus_days(1),
            number: CrlNumber::new(7),
            base: None,
            authority_key_identifier: KeyIdentifier::of(authority.public_key(), &provider()),
            distribution_point: None,
            freshest: vec![],
        };
        let list = template.to_be_signed(entries, authority.public_key(), ALGORITHM, &provider())?.sign_with(key)?;
        Ok(list.as_der().to_vec())
    }
}

/// What was signed in a certificate or a list: the first element in the outer one.
pub fn signed_part(der: &[u8]) -> Result<Vec<u8>, Fail> {
    let mut outer = mdm_core::asn1::Reader::new(der).sequence()?;
    Ok(outer.tagged(Tag::SEQUENCE)?.raw().to_vec())
}

/// A certificate or a list around this part, signed as it is.
pub fn sign_part(part: &[u8], key: &SoftwareKey) -> Result<Vec<u8>, Fail> {
    let signature = key.sign(ALGORITHM, part)?;
    Ok(Writer::build(|w| {
        w.sequence(|w| {
            w.raw(part);
            ALGORITHM.write(w);
            w.bit_string(&signature);
        });
    }))
}

/// SignedData with these attributes, a SET OF, signed as they are.
pub fn sign_attributes(content: &[u8], attributes: &[u8], key: &SoftwareKey, signer: &Certificate) -> Result<Vec<u8>, Fail> {
    const SIGNED_DATA: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
    const DATA: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
    let signature = key.sign(ALGORITHM, attributes)?;
    Ok(Writer::build(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, &SIGNED_DATA);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.small_integer(1);
                    w.nested(Tag::SET, |w| DigestAlgorithm::Sha256.write(w));
                    w.sequence(|w| {
                        w.element(Tag::OID, &DATA);
                        w.nested(Tag::context_constructed(0), |w| w.octet_string(content));
                    });
                    w.element(Tag::context_constructed(0), signer.as_der());
                    w.nested(Tag::SET, |w| {
                        w.sequence(|w| {
                            w.small_integer(1);
                            w.sequence(|w| {
                                w.raw(signer.issuer().as_der());
                                signer.serial().write(w);
                            });
                            DigestAlgorithm::Sha256.write(w);
                            w.raw(&[Tag::context_constructed(0).octet()]);
                            w.raw(&attributes[1..]);
                            ALGORITHM.write(w);
                            w.octet_string(&signature);
                        });
                    });
                });
            });
        });
    }))
}

/// The signed attributes of a good message over this content.
pub fn good_attributes(content: &[u8]) -> Vec<u8> {
    const PKCS9: [u8; 8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09];
    const DATA: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
    let attribute = |number: u8, value: &dyn Fn(&mut Writer)| {
        Writer::build(|w| {
            w.sequence(|w| {
                w.element(Tag::OID, &[&PKCS9[..], &[number]].concat());
                w.nested(Tag::SET, |w| value(w));
            });
        })
    };
    let digest = provider().digest(DigestAlgorithm::Sha256, content);
    let attributes = [
        attribute(3, &|w| w.element(Tag::OID, &DATA)),
        attribute(4, &|w| w.octet_string(digest.as_ref())),
        attribute(5, &|w| w.time(NOW)),
    ];
    Writer::build(|w| w.set_of(Tag::SET, attributes))
}
