//! A CA, its RA, a device and a stranger.

use std::sync::OnceLock;

use mdm_core::asn1::Oid;
use mdm_core::cms::{self, Attribute, SignedContent, SignedDataTemplate};
use mdm_core::crypto::{ContentCipher, KeyTransport, Provider, PublicKey, SignatureAlgorithm, SigningKey, SoftwareKey};
use mdm_core::scep::{CaCertificates, Capabilities, Peer, Recipient, Signer, client};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, Csr, CsrTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity,
};

use crate::support;

pub const CHALLENGE: &str = "open sesame";

/// 2026-01-01, when everything here is in force.
pub const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);

pub struct World {
    pub provider: Provider,
    pub ca_key: SoftwareKey,
    pub ra_key: SoftwareKey,
    pub device_key: SoftwareKey,
    pub stranger_key: SoftwareKey,
    pub ca: Certificate,
    pub ra: Certificate,
    /// Self-signed, with the key of the request.
    pub device: Certificate,
    pub stranger: Certificate,
    pub csr: Csr,
}

/// One world per provider.
pub fn worlds() -> &'static [World] {
    static WORLDS: OnceLock<Vec<World>> = OnceLock::new();
    WORLDS.get_or_init(|| support::providers().into_iter().map(|(_, provider)| World::new(provider)).collect())
}

/// A world for tests to which the provider does not matter.
pub fn world() -> &'static World {
    &worlds()[0]
}

pub fn name(common_name: &str) -> Name {
    Name::builder().organization("Example").common_name(common_name).build().unwrap()
}

/// From a year before [`NOW`] to a year behind.
pub fn validity() -> Validity {
    Validity { not_before: NOW.plus_days(-365), not_after: NOW.plus_days(365) }
}

impl World {
    fn new(provider: Provider) -> Self {
        let key = |who: &str| support::key(&provider, &format!("scep/{who}.key"));
        let (ca_key, ra_key, device_key, stranger_key) = (key("ca"), key("ra"), key("device"), key("stranger"));
        let signs = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
        let ca_usage = Extensions::new()
            .with(&BasicConstraints::authority(Some(0)))
            .with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN | signs));
        let make = |subject: &str, subject_key: &SoftwareKey, issuer: &str, issuer_key: &SoftwareKey, extensions| {
            CertificateTemplate {
                serial: SerialNumber::random(provider.random).unwrap(),
                issuer: name(issuer),
                subject: name(subject),
                validity: validity(),
                public_key: SigningKey::public_key(subject_key).clone(),
                extensions,
                authority_key_identifier: None,
            }
            .to_be_signed(SigningKey::public_key(issuer_key), SignatureAlgorithm::RsaSha256, &provider)
            .unwrap()
            .sign_with(issuer_key)
            .unwrap()
        };
        let usage = || Extensions::new().with(&signs);
        World {
            ca: make("CA", &ca_key, "CA", &ca_key, ca_usage),
            ra: make("RA", &ra_key, "CA", &ca_key, usage()),
            device: make("iPhone", &device_key, "iPhone", &device_key, usage()),
            stranger: make("Stranger", &stranger_key, "Stranger", &stranger_key, usage()),
            csr: csr(&provider, &device_key, Some(CHALLENGE)),
            provider,
            ca_key,
            ra_key,
            device_key,
            stranger_key,
        }
    }

    pub fn opener(&self) -> Recipient<'_> {
        Recipient { certificate: &self.ra, key: &self.ra_key }
    }

    pub fn signer(&self) -> Signer<'_> {
        Signer { certificate: &self.ra, key: &self.ra_key }
    }

    pub fn device_opener(&self) -> Recipient<'_> {
        Recipient { certificate: &self.device, key: &self.device_key }
    }

    /// What the CA issues: for this subject and key.
    pub fn issue(&self, subject: &Name, key: &PublicKey) -> Certificate {
        self.issue_for(subject, key, validity())
    }

    pub fn issue_for(&self, subject: &Name, key: &PublicKey, validity: Validity) -> Certificate {
        let serial = SerialNumber::random(self.provider.random).unwrap();
        let mut template = CertificateTemplate::under(&self.ca, serial, subject.clone(), validity, key.clone());
        template.extensions = Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT));
        let key = SigningKey::public_key(&self.ca_key);
        template.to_be_signed(key, SignatureAlgorithm::RsaSha256, &self.provider).unwrap().sign_with(&self.ca_key).unwrap()
    }

    /// RA and CA, and a client that trusts them.
    pub fn server(&self, peer: Peer) -> client::Server {
        let certificates = CaCertificates::registration(vec![self.ra.clone()], vec![self.ca.clone()]).unwrap();
        client::Server::new(certificates, Capabilities::server(&peer), peer).unwrap()
    }

    /// A first request of the device, as this crate's client makes it.
    pub fn pkcs_req(&self) -> Vec<u8> {
        self.message(19).sign()
    }

    /// A message of the device to the RA.
    pub fn message(&self, message_type: u32) -> Message<'_> {
        Message {
            world: self,
            attributes: vec![printable(2, &message_type.to_string()), printable(7, "transaction"), octets(5, &[7; 16])],
            content: Some(self.seal(self.csr.as_der())),
            certificates: vec![self.device.as_der().to_vec()],
            signer: self.device.clone(),
            key: &self.device_key,
        }
    }

    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        self.seal_with(plain, ContentCipher::Aes128Cbc)
    }

    pub fn seal_with(&self, plain: &[u8], cipher: ContentCipher) -> Vec<u8> {
        cms::seal(plain, &[&self.ra], cipher, KeyTransport::RsaPkcs1, &self.provider).unwrap()
    }
}

pub fn csr(provider: &Provider, key: &SoftwareKey, challenge: Option<&str>) -> Csr {
    let mut template = CsrTemplate::new(name("iPhone"), SigningKey::public_key(key).clone());
    template.challenge = challenge.map(Secret::from);
    template.to_be_signed(key.algorithm(), provider).unwrap().sign_with(key).unwrap()
}

/// A message made by hand, so that everything in it can be wrong.
pub struct Message<'a> {
    world: &'a World,
    pub attributes: Vec<Attribute>,
    pub content: Option<Vec<u8>>,
    pub certificates: Vec<Vec<u8>>,
    pub signer: Certificate,
    pub key: &'a SoftwareKey,
}

impl Message<'_> {
    pub fn sign(&self) -> Vec<u8> {
        let content = self.content.as_deref().map_or(SignedContent::Absent, SignedContent::Attached);
        let mut template = SignedDataTemplate::new(content);
        template.attributes = self.attributes.clone();
        template.certificates = self.certificates.iter().map(Vec::as_slice).collect();
        template.to_be_signed(&self.signer, &self.world.provider).unwrap().sign_with(self.key).unwrap()
    }

    /// The same message with another attribute in the place of the one with this number, or behind the others.
    pub fn with(mut self, number: u8, attribute: Attribute) -> Self {
        self = self.without(number);
        self.attributes.push(attribute);
        self
    }

    pub fn without(mut self, number: u8) -> Self {
        let oid = [0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, number];
        self.attributes.retain(|attribute| !attribute.as_ref().windows(oid.len()).any(|window| window == oid));
        self
    }

    pub fn content(mut self, content: Option<Vec<u8>>) -> Self {
        self.content = content;
        self
    }
}

/// An attribute of Verisign's arc with a PrintableString.
pub fn printable(number: u8, text: &str) -> Attribute {
    Attribute::new(Oid::from_content(&[0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, number]), |w| {
        w.printable_string(text)
    })
}

/// An attribute of Verisign's arc with an OCTET STRING.
pub fn octets(number: u8, octets: &[u8]) -> Attribute {
    Attribute::new(Oid::from_content(&[0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, number]), |w| {
        w.octet_string(octets)
    })
}
