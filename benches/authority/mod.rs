//! A P-256 authority, a device's request with an RSA key, and the entries of a long list: what the benches of the authority have in common.
#![allow(dead_code, reason = "each bench uses a part")]

use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile};
use mdm_core::crypto::DigestAlgorithm::Sha1;
use mdm_core::crypto::{
    Digest, Error as CryptoError, KeyKind, Legacy, Provider, PublicKey, Random, SignatureAlgorithm, SigningKey, SoftwareKey,
};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::ocsp::{CertId, Issuer, Nonce, RequestTemplate};
use mdm_core::x509::{
    CrlNumber, CrlTemplate, CsrTemplate, KeyIdentifier, Name, ProvenCsr, RevocationReason, RevokedEntry, SerialNumber,
};

pub struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

/// Signs in no time, what is no signature: what is left is this crate's own share.
#[derive(Debug)]
pub struct Free(PublicKey);

impl SigningKey for Free {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: SignatureAlgorithm, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(vec![0x5A; 71])
    }

    fn sign_digest(&self, _: SignatureAlgorithm, _: &Digest) -> Result<Vec<u8>, CryptoError> {
        Ok(vec![0x5A; 71])
    }

    fn checks_itself(&self) -> bool {
        true
    }
}

pub struct Ca {
    pub provider: Provider,
    pub authority: Authority,
    pub secret: Secret,
    pub key: SoftwareKey,
    pub free: Free,
    pub csr: ProvenCsr,
    pub profile: Profile,
    pub now: Timestamp,
}

impl Ca {
    pub fn new(provider: Provider) -> Self {
        let now = Timestamp::from(std::time::SystemTime::now());
        let secret = provider.generate(KeyKind::P256).unwrap();
        let key = provider.load(&secret).unwrap();
        let creation = Creation::new("builtin", "Example", SigningKey::public_key(&key).clone());
        let created = Authority::create(&creation, now, &provider).unwrap().record;
        let authority = created.to_be_signed(now, &provider).unwrap().unwrap().sign_with(&key).unwrap().record;
        let device = provider.load(&provider.generate(KeyKind::Rsa(2048)).unwrap()).unwrap();
        let subject = Name::builder().organization("Example").common_name("Device 7").build().unwrap();
        let csr = CsrTemplate::new(subject, SigningKey::public_key(&device).clone());
        let csr = csr.to_be_signed(SigningKey::algorithm(&device), &provider).unwrap().sign_with(&device).unwrap();
        let csr = csr.verify(&provider, Legacy::NONE).unwrap();
        let mut profile = Profile::device_identity();
        profile.crl_uris = vec!["http://ca.example.com/crl/{key}.crl".into()];
        profile.ocsp_uris = vec!["http://ca.example.com/ocsp".into()];
        let free = Free(SigningKey::public_key(&key).clone());
        Ca { provider, authority, secret, key, free, csr, profile, now }
    }

    pub fn request(&self) -> IssuanceRequest<'_> {
        IssuanceRequest::new(&self.csr, "transaction 7", &self.profile)
    }

    pub fn issue(&self, key: &dyn SigningKey) -> CertificateRecord {
        let reserved = self.authority.reserve(&self.request(), None, self.now, &self.provider).unwrap();
        reserved.sign_with(key).unwrap().record
    }

    /// An OCSP request about a certificate, with a nonce.
    pub fn question(&self, record: &CertificateRecord) -> Vec<u8> {
        let issuer = Issuer::of(self.authority.certificate().unwrap(), &self.provider);
        let ids = vec![CertId::new(Sha1, &issuer, record.serial())];
        RequestTemplate { ids, nonce: Some(Nonce::new([7; 32])) }.to_der().unwrap()
    }

    fn template(&self) -> CrlTemplate {
        let issuer = self.authority.certificate().unwrap();
        CrlTemplate {
            issuer: issuer.subject().clone(),
            this_update: self.now,
            next_update: self.now.plus_days(7),
            number: CrlNumber::new(7),
            base: None,
            authority_key_identifier: KeyIdentifier::of(issuer.public_key(), &self.provider),
            distribution_point: None,
            freshest: vec![],
        }
    }

    /// A signed list; gives its length.
    pub fn list(&self, entries: u64) -> usize {
        let (key, algorithm) = (SigningKey::public_key(&self.key), SigningKey::algorithm(&self.key));
        let list = self.template().to_be_signed(self.entries(entries), key, algorithm, &self.provider);
        list.unwrap().sign_with(&self.key).unwrap().as_der().len()
    }

    /// The same, handed over piece by piece.
    pub fn stream(&self, entries: u64) -> usize {
        let (key, algorithm) = (SigningKey::public_key(&self.key), SigningKey::algorithm(&self.key));
        let mut measure = self.template().measure(key, algorithm).unwrap();
        self.entries(entries).for_each(|entry| measure.push(&entry).unwrap());
        let mut writer = measure.writer(&self.provider);
        let mut length = 0;
        for entry in self.entries(entries) {
            writer.push(&entry).unwrap();
            if let Some(piece) = writer.piece() {
                length += piece.len();
                writer.written();
            }
        }
        length + writer.finish().unwrap().sign_with(&self.key).unwrap().tail.len()
    }

    pub fn entries(&self, entries: u64) -> impl Iterator<Item = RevokedEntry> {
        let now = self.now;
        (0..entries).map(move |number| {
            let serial = SerialNumber::from_bytes(&serial(number)).unwrap();
            RevokedEntry::new(serial, now).because(RevocationReason::Superseded)
        })
    }
}

/// The serial number of an entry: sixteen octets in no order.
pub fn serial(number: u64) -> [u8; 16] {
    let mixed = u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 62;
    ((mixed & !(1 << 127)) | (1 << 126) | u128::from(number)).to_be_bytes()
}
