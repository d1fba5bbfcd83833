//! The authority and what stands for its host's database: everything in memory, the clock moved by hand.

use std::collections::BTreeMap;

use mdm_core::ca::{
    Authority, CertificateRecord, Creation, CrlParts, Holder, IssuanceRequest, KeyId, Profile, Service, Settings,
};
use mdm_core::crypto::{KeyKind, Legacy, Provider, SigningKey, SoftwareKey, ToBeSigned};
use mdm_core::record::Change;
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    Certificate, CsrTemplate, Extensions, GeneralName, Name, ProvenCsr, SerialNumber, SubjectAlternativeNames,
};

use crate::Result;

/// Addresses as they stand in certificates and lists. Nobody answers there.
const CRL: &str = "http://ca.example.com/crl/{key}.crl";
const PART: &str = "http://ca.example.com/crl/{key}-{part}.crl";
const DELTA: &str = "http://ca.example.com/crl/{key}-{part}-delta.crl";
const OCSP: &str = "http://ca.example.com/ocsp";
const ISSUER: &str = "http://ca.example.com/ca.der";

/// How many parts the lists come in.
pub const PARTS: u32 = 4;

/// An authority, its keys, and the certificates that it has issued.
pub struct Ca {
    pub provider: Provider,
    pub record: Authority,
    pub keys: Vec<(KeyId, Secret)>,
    pub certificates: BTreeMap<SerialNumber, CertificateRecord>,
    pub now: Timestamp,
    loaded: Vec<SoftwareKey>,
    device_keys: Vec<SoftwareKey>,
}

impl Ca {
    /// An authority with services for SCEP and OCSP.
    pub fn create(provider: Provider, kind: KeyKind, now: Timestamp) -> Result<Ca> {
        let settings = Settings { delta_crl_uri: Some(DELTA.into()), ..Settings::default() };
        let mut keys = Vec::new();
        let mut loaded = Vec::new();
        for kind in [kind, KeyKind::Rsa(2048), kind] {
            let (id, secret, key) = generate(&provider, kind)?;
            keys.push((id, secret));
            loaded.push(key);
        }
        let public = |at: usize| SigningKey::public_key(&loaded[at]).clone();
        let creation = Creation::new("builtin", "Example", public(0))
            .service(Service::Scep, public(1))
            .service(Service::Ocsp, public(2))
            .settings(settings);
        let created = Authority::create(&creation, now, &provider)?;
        let device = || provider.load(&provider.generate(KeyKind::P256)?);
        let device_keys = vec![device()?, provider.load(&provider.generate(KeyKind::Rsa(2048))?)?];
        let mut ca = Ca { provider, record: created.record, keys, certificates: BTreeMap::new(), now, loaded, device_keys };
        ca.sign_own()?;
        Ok(ca)
    }

    /// Has the authority's own certificates signed, as many as are outstanding.
    pub fn sign_own(&mut self) -> Result<()> {
        while let Some(next) = self.record.to_be_signed(self.now, &self.provider)? {
            self.record = self.sign(next)?.record;
        }
        Ok(())
    }

    /// Signs with the key that must.
    pub fn sign<T>(&self, unsigned: ToBeSigned<T>) -> Result<T> {
        let key = self.loaded.iter().find(|key| SigningKey::public_key(*key) == unsigned.public_key());
        Ok(unsigned.sign_with(key.ok_or("a key of the authority is missing")?)?)
    }

    /// Adds a key of the authority's.
    pub fn add_key(&mut self, kind: KeyKind) -> Result<&SoftwareKey> {
        let (id, secret, key) = generate(&self.provider, kind)?;
        self.keys.push((id, secret));
        self.loaded.push(key);
        self.loaded.last().ok_or_else(|| "no key".into())
    }

    /// The keys, for signing.
    pub fn signing_keys(&self) -> Vec<&dyn SigningKey> {
        self.loaded.iter().map(|key| -> &dyn SigningKey { key }).collect()
    }

    /// The certificate that issues.
    pub fn certificate(&self) -> Result<&Certificate> {
        Ok(self.record.certificate()?)
    }

    /// The key of a service.
    pub fn service_key(&self, service: Service) -> Result<&SoftwareKey> {
        let certificate = self.record.service(service).ok_or("no such service")?;
        let key = self.loaded.iter().find(|key| SigningKey::public_key(*key) == certificate.public_key());
        key.ok_or_else(|| "a key of a service is missing".into())
    }

    /// From here on, certificates belong to parts of the revocation lists.
    pub fn use_parts(&mut self) -> Result<()> {
        let parts = CrlParts { count: PARTS, uri: PART.into() };
        let settings = Settings { crl_parts: Some(parts), ..self.record.settings().clone() };
        self.record = self.record.configure(settings, self.now)?.record;
        Ok(())
    }

    /// Issues a certificate for a device; every second one has an RSA key.
    pub fn issue_device(&mut self, holder: Holder, common_name: &str) -> Result<SerialNumber> {
        let key = &self.device_keys[self.certificates.len() % self.device_keys.len()];
        let subject = Name::builder().organization("Example").common_name(common_name).build()?;
        let csr = request(key, subject, Extensions::new(), &self.provider)?;
        self.issue(&csr, Profile::device_identity(), holder)
    }

    /// Issues a web server's certificate.
    pub fn issue_web(&mut self, host: &str) -> Result<SerialNumber> {
        let names = SubjectAlternativeNames { names: vec![GeneralName::Dns(host.into())] };
        let subject = Name::builder().common_name(host).build()?;
        let csr = request(&self.device_keys[0], subject, Extensions::new().with(&names), &self.provider)?;
        self.issue(&csr, Profile::web_server([host]), Holder::default())
    }

    fn issue(&mut self, csr: &ProvenCsr, mut profile: Profile, holder: Holder) -> Result<SerialNumber> {
        profile.crl_uris = vec![CRL.into()];
        profile.ocsp_uris = vec![OCSP.into()];
        profile.issuer_uris = vec![ISSUER.into()];
        let transaction = format!("transaction {}", self.certificates.len());
        let request = IssuanceRequest { holder, ..IssuanceRequest::new(csr, &transaction, &profile) };
        let reserved = self.record.reserve(&request, None, self.now, &self.provider)?;
        let issued = self.sign(reserved.to_be_signed().ok_or("it is signed already")?)?;
        let serial = issued.record.serial();
        self.keep(issued.record.delivered(self.now)?);
        Ok(serial)
    }

    /// Keeps what was decided about a certificate.
    pub fn keep(&mut self, change: Change<CertificateRecord>) {
        self.certificates.insert(change.record.serial(), change.record);
    }

    /// A certificate's record.
    pub fn find(&self, serial: SerialNumber) -> Result<&CertificateRecord> {
        self.certificates.get(&serial).ok_or_else(|| "no such certificate".into())
    }

    /// A certificate as PEM.
    pub fn pem(&self, serial: SerialNumber) -> Result<String> {
        Ok(self.find(serial)?.certificate().ok_or("it is not signed")?.to_pem())
    }
}

fn generate(provider: &Provider, kind: KeyKind) -> Result<(KeyId, Secret, SoftwareKey)> {
    let secret = provider.generate(kind)?;
    let key = provider.load(&secret)?;
    Ok((KeyId::of(SigningKey::public_key(&key), provider), secret, key))
}

fn request(key: &SoftwareKey, subject: Name, extensions: Extensions<'static>, provider: &Provider) -> Result<ProvenCsr> {
    let mut template = CsrTemplate::new(subject, SigningKey::public_key(key).clone());
    template.extensions = extensions;
    let csr = template.to_be_signed(key.algorithm(), provider)?.sign_with(key)?;
    Ok(csr.verify(provider, Legacy::NONE)?)
}
