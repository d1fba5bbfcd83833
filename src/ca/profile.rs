//! What a kind of certificate looks like, and which requests for it are refused.

use super::{Error, Refusal};
use crate::asn1::Oid;
use crate::crypto::{PublicKey, PublicKeyKind};
use crate::time::Timestamp;
use crate::x509::{
    self, BasicConstraints, Csr, ExtendedKeyUsage, Extensions, GeneralName, KeyUsage, Name, SubjectAlternativeNames, Validity,
    oid,
};

/// A kind of certificate, as data. The functions give one for each use that an MDM server has; a host changes what it wants.
///
/// What a profile does not say is never taken from a request: of the CSR, the certificate gets the key, and subject and
/// alternative names as far as the profile allows.
///
/// ```
/// use mdm_core::ca::{PastIssuer, Profile};
///
/// let mut profile = Profile::device_identity();
/// profile.lifetime_days = 90;
/// profile.past_issuer = PastIssuer::Refuse;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The profile's name, which is recorded with each certificate.
    pub name: String,
    /// Days from now to the certificate's end.
    pub lifetime_days: u32,
    /// Seconds by which the validity begins before now, for devices whose clock is behind.
    pub backdate_seconds: u32,
    /// What the key may be used for. `KEY_ENCIPHERMENT` is left out for keys that cannot encipher.
    pub key_usage: KeyUsage,
    /// The purposes, none for any.
    pub purposes: Vec<Oid<'static>>,
    /// Whose subject the certificate bears.
    pub subject: SubjectPolicy,
    /// Which alternative names a request may bring.
    pub alternative_names: AlternativeNamesPolicy,
    /// Which keys are taken.
    pub keys: KeyPolicy,
    /// What happens when the certificate would outlive the authority's.
    pub past_issuer: PastIssuer,
    /// Where the revocation list is found (`http`, not `https`: who checks a certificate cannot check one to get there). `{key}` in it
    /// stands for the number of the authority's key, which has a list of its own. Where the lists come in parts
    /// ([`CrlParts`](super::CrlParts)), the certificate names its part's instead.
    pub crl_uris: Vec<String>,
    /// Where the OCSP responder is.
    pub ocsp_uris: Vec<String>,
    /// Where the authority's certificate is found.
    pub issuer_uris: Vec<String>,
}

/// Whose subject a certificate bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubjectPolicy {
    /// The request's, byte for byte, unless the host gives one.
    Request,
    /// The one that the host gives with each request.
    Host,
}

/// Which alternative names a request may bring. Those that the host gives are always taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlternativeNamesPolicy {
    /// None: they are left out, without a word. Apple's SCEP payload may ask for some; nothing in MDM reads them.
    Ignore,
    /// All of the kinds known here, but no wildcards. For requests whose content the host has checked.
    Copy,
    /// DNS names from this list and no other name of any kind; others refuse the request. An entry that begins with a dot allows
    /// every name below it; a wildcard is allowed only where it stands in the list itself.
    Dns(Vec<String>),
}

/// Which keys are taken. Besides, an RSA exponent must be odd and at least 65537, as everybody's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyPolicy {
    /// Shortest RSA modulus in bits.
    pub min_rsa_bits: u32,
    /// Whether keys on P-256 and P-384 are taken.
    pub elliptic: bool,
}

/// What happens when a certificate would outlive the authority's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PastIssuer {
    /// It ends with the authority's.
    Truncate,
    /// The request is refused.
    Refuse,
}

/// Longest modulus: above it, every use of the key is an attack on the processor.
const MAX_RSA_BITS: usize = 8192;
const MIN_EXPONENT: u64 = 65_537;
/// Longer than any subject that is used, in DER.
const MAX_NAME_BYTES: usize = 1024;
/// Longer than any list of alternative names that is used, in DER.
const MAX_NAMES_BYTES: usize = 8192;

impl Profile {
    fn named(name: &str, lifetime_days: u32, key_usage: KeyUsage, purposes: &[Oid<'static>]) -> Self {
        Profile {
            name: name.to_owned(),
            lifetime_days,
            backdate_seconds: 600,
            key_usage,
            purposes: purposes.to_vec(),
            subject: SubjectPolicy::Request,
            alternative_names: AlternativeNamesPolicy::Ignore,
            keys: KeyPolicy::DEFAULT,
            past_issuer: PastIssuer::Truncate,
            crl_uris: Vec::new(),
            ocsp_uris: Vec::new(),
            issuer_uris: Vec::new(),
        }
    }

    /// The identity of an enrolled device: one year, signatures and (RSA) encryption, clientAuth.
    pub fn device_identity() -> Self {
        let usage = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
        Self::named("device-identity", 365, usage, &[oid::CLIENT_AUTH])
    }

    /// The server's side of SCEP, for [`Authority::create`](super::Authority::create): RSA, signatures and key encipherment, as
    /// long as the authority.
    pub fn scep() -> Self {
        Self::registration_authority("scep", KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT)
    }

    /// The half of the server's side of SCEP that signs: RSA, signatures alone.
    pub fn scep_signing() -> Self {
        Self::registration_authority("scep-signing", KeyUsage::DIGITAL_SIGNATURE)
    }

    /// The half of the server's side of SCEP that devices encrypt to: RSA, key encipherment alone.
    pub fn scep_encryption() -> Self {
        Self::registration_authority("scep-encryption", KeyUsage::KEY_ENCIPHERMENT)
    }

    fn registration_authority(name: &str, usage: KeyUsage) -> Self {
        let mut profile = Self::named(name, 3653, usage, &[]);
        profile.keys.elliptic = false;
        profile
    }

    /// A web server (J11): serverAuth, for these DNS names and no other.
    pub fn web_server<'a>(dns_names: impl IntoIterator<Item = &'a str>) -> Self {
        let usage = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
        // Apple's devices refuse server certificates that are valid for longer than 825 days, whoever issued them.
        let mut profile = Self::named("web-server", 397, usage, &[oid::SERVER_AUTH]);
        profile.alternative_names = AlternativeNamesPolicy::Dns(dns_names.into_iter().map(str::to_owned).collect());
        profile
    }

    /// A signer of configuration profiles (J11).
    pub fn profile_signing() -> Self {
        Self::named("profile-signing", 825, KeyUsage::DIGITAL_SIGNATURE, &[oid::CODE_SIGNING])
    }

    /// A responder that answers OCSP requests for the authority (RFC 6960 section 4.2.2.2): short-lived, and itself not checked.
    pub fn ocsp_responder() -> Self {
        Self::named("ocsp-responder", 30, KeyUsage::DIGITAL_SIGNATURE, &[oid::OCSP_SIGNING])
    }

    /// Whether a key is taken, and nothing in the request asks for more than the profile gives.
    pub(super) fn check(&self, csr: &Csr) -> Result<(), Refusal> {
        self.keys.check(csr.public_key())?;
        let wanted = csr.extensions();
        let constraints = wanted.find::<BasicConstraints>().map_err(Refusal::Extension)?;
        let usage = wanted.find::<KeyUsage>().map_err(Refusal::Extension)?.unwrap_or_default();
        let signs = usage.contains(KeyUsage::KEY_CERT_SIGN) || usage.contains(KeyUsage::CRL_SIGN);
        if signs || constraints.is_some_and(|constraints| constraints.ca) {
            return Err(Refusal::WantsAuthority);
        }
        Ok(())
    }

    /// The subject of the certificate.
    pub(super) fn subject(&self, csr: &Csr, given: Option<&Name>) -> Result<Name, Error> {
        let subject = match (given, self.subject) {
            (Some(given), _) => given.clone(),
            (None, SubjectPolicy::Request) => csr.subject().clone(),
            (None, SubjectPolicy::Host) => {
                return Err(Error::Misuse("the profile takes the subject from the host, and none was given"));
            }
        };
        if subject.as_der().len() > MAX_NAME_BYTES {
            return Err(Refusal::NamesTooLong.into());
        }
        Ok(subject)
    }

    /// The alternative names of the certificate: those of the host, and those of the request that the profile lets through.
    pub(super) fn alternative_names(&self, csr: &Csr, given: &[GeneralName]) -> Result<Vec<GeneralName>, Refusal> {
        let mut names = given.to_vec();
        if self.alternative_names != AlternativeNamesPolicy::Ignore {
            let wanted = csr.extensions();
            if wanted.get(oid::SUBJECT_ALT_NAME).is_some_and(|names| names.value().len() > MAX_NAMES_BYTES) {
                return Err(Refusal::NamesTooLong);
            }
            let wanted = wanted.find::<SubjectAlternativeNames>().map_err(Refusal::Extension)?;
            for name in wanted.into_iter().flat_map(|wanted| wanted.names) {
                if !self.alternative_names.allows(&name) {
                    return Err(Refusal::NameNotAllowed);
                }
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// From when until when, within the validity of the issuer.
    pub(super) fn validity(&self, now: Timestamp, issuer: &Validity) -> Result<Validity, Refusal> {
        let not_after = now.plus_days(i64::from(self.lifetime_days)).plus_seconds(-1);
        if not_after > issuer.not_after && self.past_issuer == PastIssuer::Refuse {
            return Err(Refusal::OutlivesAuthority(issuer.not_after));
        }
        let not_before = now.plus_seconds(i64::from(self.backdate_seconds).saturating_neg());
        Ok(Validity { not_before: not_before.max(issuer.not_before), not_after: not_after.min(issuer.not_after) })
    }

    /// What the profile itself says of the certificate: all but names and key identifiers.
    pub(super) fn extensions(&self, key: &PublicKey, crl_uris: Vec<String>) -> Extensions<'static> {
        let mut extensions = Extensions::new().with(&BasicConstraints::end_entity());
        let usage = self.key_usage_of(key);
        if !usage.is_empty() {
            extensions = extensions.with(&usage);
        }
        if !self.purposes.is_empty() {
            extensions = extensions.with(&ExtendedKeyUsage::new(&self.purposes));
        }
        if self.purposes.contains(&oid::OCSP_SIGNING) {
            extensions = extensions.with(&x509::OcspNoCheck);
        }
        if !crl_uris.is_empty() {
            extensions = extensions.with(&x509::CrlDistributionPoints { uris: crl_uris });
        }
        if !self.ocsp_uris.is_empty() || !self.issuer_uris.is_empty() {
            let access = x509::AuthorityInfoAccess { ocsp: self.ocsp_uris.clone(), issuers: self.issuer_uris.clone() };
            extensions = extensions.with(&access);
        }
        extensions
    }

    /// The key usage, without what a key of this kind cannot do.
    fn key_usage_of(&self, key: &PublicKey) -> KeyUsage {
        match key.kind() {
            PublicKeyKind::Rsa { .. } => self.key_usage,
            _ => [KeyUsage::DIGITAL_SIGNATURE, KeyUsage::NON_REPUDIATION, KeyUsage::KEY_AGREEMENT]
                .into_iter()
                .filter(|usage| self.key_usage.contains(*usage))
                .fold(KeyUsage::default(), |all, usage| all | usage),
        }
    }
}

impl KeyPolicy {
    /// RSA of 2048 bits or more, P-256, P-384.
    pub const DEFAULT: KeyPolicy = KeyPolicy { min_rsa_bits: 2048, elliptic: true };

    pub(super) fn check(self, key: &PublicKey) -> Result<(), Refusal> {
        let least = usize::try_from(self.min_rsa_bits).unwrap_or(usize::MAX);
        match key.kind() {
            PublicKeyKind::Rsa { bits, .. } if bits < least || bits > MAX_RSA_BITS => {
                Err(Refusal::Key(x509::Refusal::KeySize(bits)))
            }
            PublicKeyKind::Rsa { exponent, .. } if exponent < MIN_EXPONENT || exponent % 2 == 0 => {
                Err(Refusal::Key(x509::Refusal::Exponent))
            }
            PublicKeyKind::Rsa { .. } => Ok(()),
            PublicKeyKind::P256 | PublicKeyKind::P384 if self.elliptic => Ok(()),
            PublicKeyKind::P256 | PublicKeyKind::P384 | PublicKeyKind::Other => Err(Refusal::Key(x509::Refusal::KeyKind)),
        }
    }
}

impl AlternativeNamesPolicy {
    fn allows(&self, name: &GeneralName) -> bool {
        match (self, name) {
            (AlternativeNamesPolicy::Ignore, _) => false,
            (AlternativeNamesPolicy::Copy, GeneralName::Dns(dns)) => !dns.contains('*'),
            (AlternativeNamesPolicy::Copy, name) => !matches!(name, GeneralName::Other(_)),
            (AlternativeNamesPolicy::Dns(allowed), GeneralName::Dns(dns)) => {
                allowed.iter().any(|entry| entry_allows(entry, dns))
            }
            (AlternativeNamesPolicy::Dns(_), _) => false,
        }
    }
}

/// Whether an entry of the list allows a DNS name: the name itself, or `.example.com` and a name below it.
fn entry_allows(entry: &str, dns: &str) -> bool {
    if entry.eq_ignore_ascii_case(dns) {
        return !dns.starts_with('.');
    }
    let below = entry.starts_with('.') && !dns.contains('*') && !dns.starts_with('.') && dns.len() > entry.len();
    let tail = dns.len().checked_sub(entry.len()).and_then(|from| dns.get(from..));
    below && tail.is_some_and(|tail| tail.eq_ignore_ascii_case(entry))
}
