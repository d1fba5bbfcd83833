//! One SCEP enrollment as a server sees it, from the public interface of the crate: a PKCSReq comes in, its signature and the proof of
//! possession are checked, a certificate is issued, a CertRep goes out. RSA-2048 everywhere.
#![allow(dead_code, reason = "each bench uses a part")]

use std::hint::black_box;

use base64::Engine as _;
use mdm_core::cms;
use mdm_core::crypto::{
    self, ContentCipher, DecryptionKey, DigestAlgorithm, KeyTransport, KeyWrapping, Provider, PublicKey, Random,
    SignatureAlgorithm, SigningKey, Verifier,
};
use mdm_core::scep::{CaCertificates, Capabilities, Challenge, Peer, Received, Recipient, Request, Signer, client};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, CsrTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity,
};

const NOW: Timestamp = Timestamp::from_unix(1_767_225_600);
const VALIDITY: Validity =
    Validity { not_before: Timestamp::from_unix(1_735_689_600), not_after: Timestamp::from_unix(1_893_456_000) };
pub const CHALLENGE: &str = "open sesame";

pub struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), crypto::Error> {
        getrandom::fill(dest).map_err(|_| crypto::Error::Random)
    }
}

/// A private key in DER out of the PEM text of one of the test keys.
pub fn pkcs8(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

pub const CA_KEY: &str = include_str!("../../tests/data/scep/ca.key");
pub const RA_KEY: &str = include_str!("../../tests/data/scep/ra.key");
pub const DEVICE_KEY: &str = include_str!("../../tests/data/scep/device.key");

/// A private key that signs and opens: a real one, or one that only pretends.
pub trait Key: SigningKey + DecryptionKey {}
impl<K: SigningKey + DecryptionKey> Key for K {}

/// A server, and the request that it answers.
pub struct Desk {
    pub provider: Provider,
    pub ca: Certificate,
    pub ra: Certificate,
    ca_key: Box<dyn Key>,
    ra_key: Box<dyn Key>,
    challenge: Secret,
    /// The PKCSReq.
    pub request: Vec<u8>,
}

impl Desk {
    pub fn new(provider: Provider) -> Self {
        let load = |pem| provider.load(&Secret::new(pkcs8(pem))).unwrap();
        let (ca_key, ra_key, device_key) = (load(CA_KEY), load(RA_KEY), load(DEVICE_KEY));
        let both = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
        let name = |common_name| Name::builder().organization("Example").common_name(common_name).build().unwrap();
        let make = |subject, key: &dyn SigningKey, extensions| {
            let template = CertificateTemplate {
                serial: SerialNumber::random(provider.random).unwrap(),
                issuer: name("CA"),
                subject: name(subject),
                validity: VALIDITY,
                public_key: key.public_key().clone(),
                extensions,
                authority_key_identifier: None,
            };
            template.to_be_signed(SigningKey::public_key(&ca_key), SignatureAlgorithm::RsaSha256, &provider).unwrap()
        };
        let authority =
            Extensions::new().with(&BasicConstraints::authority(Some(0))).with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
        let ca = make("CA", &ca_key, authority).sign_with(&ca_key).unwrap();
        let ra = make("RA", &ra_key, Extensions::new().with(&both)).sign_with(&ca_key).unwrap();
        let request = request(&provider, &device_key, &ca, &ra, name("iPhone"));
        Desk {
            provider,
            ca,
            ra,
            ca_key: Box::new(ca_key),
            ra_key: Box::new(ra_key),
            challenge: Secret::from(CHALLENGE),
            request,
        }
    }

    /// The same desk, with everything but RSA: what is hashed is hashed, and then no number is computed.
    pub fn without_rsa(mut self) -> Self {
        let received = Received::parse(&self.request, &Peer::default(), &self.provider).unwrap();
        let wanted = received.content_key_request(&self.ra).unwrap();
        let content_key =
            self.ra_key.unwrap_key(wanted.algorithm, wanted.wrapped, Secret::new(vec![0; wanted.key_len])).unwrap();
        let pretend = |key: &dyn SigningKey, content_key| Pretender {
            public: key.public_key().clone(),
            provider: self.provider,
            content_key,
        };
        let (ca_key, ra_key) = (pretend(&*self.ca_key, Secret::default()), pretend(&*self.ra_key, content_key));
        self.ca_key = Box::new(ca_key);
        self.ra_key = Box::new(ra_key);
        // One verifier for as long as the program runs; it is measured for seconds.
        let pretender: &'static HashOnly = Box::leak(Box::new(HashOnly(self.provider)));
        self.provider = Provider { verifier: pretender, wrapping: pretender, ..self.provider };
        self
    }

    pub fn parse_and_verify(&self) -> Received {
        Received::parse(&self.request, &Peer::default(), &self.provider).unwrap()
    }

    /// From the body of the request to the body of the answer.
    pub fn transaction(&self) -> Vec<u8> {
        let recipient = Recipient { certificate: &self.ra, key: &*self.ra_key };
        let Request::PkcsReq(request) = self.parse_and_verify().open(&recipient).unwrap() else { panic!("a PKCSReq") };
        let authorized = request.authorize(Challenge::Fixed(&self.challenge)).unwrap();
        let csr = authorized.csr();
        let serial = SerialNumber::random(self.provider.random).unwrap();
        let mut template =
            CertificateTemplate::under(&self.ca, serial, csr.subject().clone(), VALIDITY, csr.public_key().clone());
        template.extensions = Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT));
        let tbs = template.to_be_signed(self.ca.public_key(), SignatureAlgorithm::RsaSha256, &self.provider).unwrap();
        let certificate = tbs.sign_with(&*self.ca_key).unwrap();
        authorized.grant(&certificate).unwrap().sign_with(&Signer { certificate: &self.ra, key: &*self.ra_key }).unwrap()
    }

    /// What one transaction asks of RSA, on inputs of the same sizes: verify the message, decrypt the content key, verify the request for
    /// a certificate, sign the certificate, encrypt a content key, sign the answer.
    pub fn rsa(&self) -> RsaOperations<'_> {
        let message = vec![0x5A; 128];
        let signature = self.ra_key.sign(SignatureAlgorithm::RsaSha256, &message).unwrap();
        let content_key = Secret::new(vec![7; 16]);
        let provider = &self.provider;
        let wrapped =
            provider.wrapping.wrap(KeyTransport::RsaPkcs1, self.ra.public_key(), &content_key, provider.random).unwrap();
        RsaOperations { desk: self, message, signature, content_key, wrapped }
    }
}

/// A first request, as this crate's own client makes it.
fn request(
    provider: &Provider,
    key: &(impl SigningKey + DecryptionKey),
    ca: &Certificate,
    ra: &Certificate,
    subject: Name,
) -> Vec<u8> {
    let mut template = CsrTemplate::new(subject, SigningKey::public_key(key).clone());
    template.challenge = Some(Secret::from(CHALLENGE));
    let csr = template.to_be_signed(key.algorithm(), provider).unwrap().sign_with(key).unwrap();
    let signer = client::Enrollment::self_signed(&csr, VALIDITY, provider).unwrap().sign_with(key).unwrap();
    let certificates = CaCertificates::registration(vec![ra.clone()], vec![ca.clone()]).unwrap();
    let server = client::Server::new(certificates, Capabilities::server(&Peer::default()), Peer::default()).unwrap();
    let enrollment = client::Enrollment::first(csr, signer, provider).unwrap();
    let (_sent, message) = enrollment.request(&server, provider).unwrap();
    message.sign_with(key).unwrap()
}

pub struct RsaOperations<'a> {
    desk: &'a Desk,
    message: Vec<u8>,
    signature: Vec<u8>,
    content_key: Secret,
    wrapped: Vec<u8>,
}

impl RsaOperations<'_> {
    pub fn run(&self) {
        let Desk { provider, ra, ca_key, ra_key, .. } = self.desk;
        let algorithm = SignatureAlgorithm::RsaSha256;
        let verify = || provider.verifier.verify(algorithm, ra.public_key(), &self.message, &self.signature).unwrap();
        verify();
        black_box(ra_key.unwrap_key(KeyTransport::RsaPkcs1, &self.wrapped, Secret::new(vec![0; 16])).unwrap());
        verify();
        black_box(ca_key.sign(algorithm, &self.message).unwrap());
        let wrapping = provider.wrapping;
        black_box(wrapping.wrap(KeyTransport::RsaPkcs1, ra.public_key(), &self.content_key, provider.random).unwrap());
        black_box(ra_key.sign(algorithm, &self.message).unwrap());
    }
}

/// A key that hashes what it should sign, and knows the one content key that it is asked for.
#[derive(Debug)]
struct Pretender {
    public: PublicKey,
    provider: Provider,
    content_key: Secret,
}

impl SigningKey for Pretender {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, crypto::Error> {
        black_box(self.provider.digest(algorithm.digest(), message));
        Ok(vec![0x5A; 256])
    }

    fn checks_itself(&self) -> bool {
        true
    }
}

impl DecryptionKey for Pretender {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn unwrap_key(&self, _: KeyTransport, wrapped: &[u8], _: Secret) -> Result<Secret, crypto::Error> {
        black_box(wrapped);
        Ok(self.content_key.clone())
    }
}

struct HashOnly(Provider);

impl Verifier for HashOnly {
    fn verify(&self, algorithm: SignatureAlgorithm, _: &PublicKey, message: &[u8], _: &[u8]) -> Result<(), crypto::Error> {
        black_box(self.0.digest(algorithm.digest(), message));
        Ok(())
    }
}

impl KeyWrapping for HashOnly {
    fn wrap(&self, _: KeyTransport, _: &PublicKey, _: &Secret, _: &dyn Random) -> Result<Vec<u8>, crypto::Error> {
        Ok(vec![0x5A; 256])
    }
}

/// Whether the answer is one: for the start of a bench, so that nobody measures a refusal.
pub fn check(desk: &Desk) {
    let answer = desk.transaction();
    let message = cms::SignedData::parse(&answer, &mdm_core::limits::Limits::PKI).unwrap();
    let content = message.content().expect("a SUCCESS carries an envelope");
    message
        .sole_signer()
        .unwrap()
        .verify(content, desk.ra.public_key(), &desk.provider, &cms::SignaturePolicy::default())
        .unwrap();
    let envelope = cms::EnvelopedData::parse(content, &mdm_core::limits::Limits::PKI).unwrap();
    assert_eq!(envelope.cipher(), Some(ContentCipher::Aes128Cbc));
    let _ = (NOW, DigestAlgorithm::Sha256);
}

/// The least, the median and the mean of the middle half, in microseconds, of two things done in turn, so that what disturbs the machine
/// disturbs both.
pub fn in_turn(rounds: usize, mut first: impl FnMut(), mut second: impl FnMut()) -> [f64; 2] {
    let mut times = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for _ in 0..rounds {
        let begun = std::time::Instant::now();
        first();
        let between = std::time::Instant::now();
        second();
        times[0].push((between - begun).as_secs_f64() * 1e6);
        times[1].push(between.elapsed().as_secs_f64() * 1e6);
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
