//! Making an authority, and fixing the bytes of the certificates that it has for itself.

use super::authority::AuthorityEventKind;
use super::generation::subject_of;
use super::scope;
use super::{
    Authority, AuthorityEvent, Effect, Error, Generation, GenerationId, KeyId, KeyPolicy, Planned, Refusal, Role, Service,
    Settings,
};
use crate::crypto::{Provider, PublicKey, PublicKeyKind, SignatureAlgorithm};
use crate::id::{AuthorityId, Revision};
use crate::record::stored::Octets;
use crate::record::{Change, Record};
use crate::time::Timestamp;
use crate::x509::{
    self, BasicConstraints, Certificate, CertificateTemplate, Extensions, KeyIdentifier, KeyUsage, Name, SerialNumber, Validity,
};

/// What a new authority needs: a name and a key.
///
/// ```
/// use mdm_core::ca::{Creation, Service};
/// use mdm_core::crypto::PublicKey;
///
/// fn with_scep(authority_key: PublicKey, scep_key: PublicKey) -> Creation {
///     Creation::new("builtin", "Example Inc.", authority_key).service(Service::Scep, scep_key)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Creation {
    id: AuthorityId,
    organization: String,
    public_key: PublicKey,
    services: Vec<(Service, PublicKey)>,
    lifetime_days: u32,
    settings: Settings,
}

/// The lifetime of an authority's certificate: ten years.
pub(super) const LIFETIME_DAYS: u32 = 3653;
/// The authority's own certificates begin a day before they are made, so that no device is behind them.
pub(super) const BACKDATE_SECONDS: i64 = 86_400;
const TITLE: &str = "Built-in Certificate Authority";

impl Creation {
    /// An authority with this name and this key, and the defaults for all else. The organization's name becomes part of the
    /// subject; what is too long for that is cut.
    pub fn new(id: impl Into<AuthorityId>, organization: impl Into<String>, public_key: PublicKey) -> Self {
        Creation {
            id: id.into(),
            organization: organization.into(),
            public_key,
            services: Vec::new(),
            lifetime_days: LIFETIME_DAYS,
            settings: Settings::default(),
        }
    }

    /// With a certificate for this service, made together with the authority's own.
    #[must_use]
    pub fn service(mut self, service: Service, public_key: PublicKey) -> Self {
        self.services.push((service, public_key));
        self
    }

    /// With another lifetime than 3653 days.
    #[must_use]
    pub fn lifetime_days(mut self, days: u32) -> Self {
        self.lifetime_days = days;
        self
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

impl Authority {
    /// Creates an authority, with nothing to configure: its own certificate and those of its services are planned, to be stored
    /// before they are signed one after the other with [`Authority::to_be_signed`].
    ///
    /// The certificate is a root: version 3, valid for 3653 days from the day before, CN `<organization> Built-in Certificate
    /// Authority`, key usage digitalSignature, keyCertSign and cRLSign. keyEncipherment is left out on purpose: what devices
    /// encrypt to is the key of the SCEP service, so that the authority's own key signs and does nothing else.
    ///
    /// # Errors
    /// [`Error::Refused`] for a key that nobody should trust, [`Error::X509`] for an organization's name that makes no subject,
    /// [`Error::Misuse`] for a service that is given twice or with the authority's own key and for settings that cannot be, [`Error::Crypto`] when there is no
    /// randomness.
    pub fn create(creation: &Creation, now: Timestamp, provider: &Provider) -> Result<Change<Self>, Error> {
        scope::check_change(None, creation.settings.crl_parts.as_ref())?;
        KeyPolicy::DEFAULT.check(&creation.public_key)?;
        let not_before = now.plus_seconds(-BACKDATE_SECONDS);
        let root = Issuer {
            id: GenerationId::FIRST,
            subject: &subject_of(&creation.organization, TITLE)?,
            public_key: &creation.public_key,
            key_identifier: None,
            validity: Validity { not_before, not_after: not_before.plus_days(i64::from(creation.lifetime_days)) },
        };
        let mut planned = vec![root.plan_root(provider)?];
        for (at, (service, key)) in creation.services.iter().enumerate() {
            if creation.services.iter().take(at).any(|(earlier, _)| earlier == service) || key == root.public_key {
                return Err(Error::Misuse("each service is given once, with a key of its own"));
            }
            planned.push(root.plan_service(*service, service.subject(&creation.organization)?, key, now, provider)?);
        }
        let kind = AuthorityEventKind::Created { settings: creation.settings.clone(), planned };
        Self::first(creation.id.clone(), kind, now, vec![Effect::SignAuthority])
    }

    /// Takes over an authority that exists: the certificate of a product that a host migrates from, or one that a company's root
    /// has signed for it. The host holds its key.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a certificate that may not sign certificates, [`Error::Refused`] for a key that nobody should trust,
    /// [`Error::AuthorityExpired`].
    pub fn adopt(
        id: impl Into<AuthorityId>,
        certificate: Certificate,
        settings: Settings,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Change<Self>, Error> {
        scope::check_change(None, settings.crl_parts.as_ref())?;
        let generation = Generation::existing(GenerationId::FIRST, certificate, now, provider)?;
        Self::first(id.into(), AuthorityEventKind::Adopted { settings, generation }, now, Vec::new())
    }

    fn first(id: AuthorityId, kind: AuthorityEventKind, at: Timestamp, effects: Vec<Effect>) -> Result<Change<Self>, Error> {
        let event = AuthorityEvent { authority: id, revision: Revision::FIRST, at, kind };
        Ok(Change { record: Self::begin(&event)?, events: vec![event], effects })
    }
}

impl Generation {
    /// From a certificate that exists.
    pub(super) fn existing(
        id: GenerationId,
        certificate: Certificate,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Self, Error> {
        KeyPolicy::DEFAULT.check(certificate.public_key())?;
        let may_certify = certificate.key_usage().is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
        if !certificate.is_authority() || !may_certify {
            return Err(Error::Misuse("this certificate may not sign certificates; give that of an authority"));
        }
        if now > certificate.validity().not_after {
            return Err(Error::AuthorityExpired(certificate.validity().not_after));
        }
        let key = KeyId::of(certificate.public_key(), provider);
        Ok(Generation { id, key, algorithm: algorithm_of(certificate.public_key())?, certificate })
    }
}

/// Who signs a certificate of the authority's own: a generation, or one that is about to be made.
pub(super) struct Issuer<'a> {
    pub(super) id: GenerationId,
    pub(super) subject: &'a Name,
    pub(super) public_key: &'a PublicKey,
    /// The identifier of the key, when a certificate has given it one.
    pub(super) key_identifier: Option<KeyIdentifier>,
    pub(super) validity: Validity,
}

impl<'a> Issuer<'a> {
    /// The generation, as it signs.
    pub(super) fn of(generation: &'a Generation) -> Self {
        let certificate = &generation.certificate;
        Issuer {
            id: generation.id,
            subject: certificate.subject(),
            public_key: certificate.public_key(),
            key_identifier: certificate.subject_key_identifier().cloned(),
            validity: certificate.validity(),
        }
    }

    /// Fixes the bytes of its own, self-signed certificate.
    pub(super) fn plan_root(&self, provider: &Provider) -> Result<Planned, Error> {
        self.plan_authority(Role::Authority(self.id), self.public_key, self.validity, provider)
    }

    /// Fixes the bytes of a certificate that lets a key be the authority of the same name: its own, or one across two keys.
    pub(super) fn plan_authority(
        &self,
        role: Role,
        key: &PublicKey,
        validity: Validity,
        provider: &Provider,
    ) -> Result<Planned, Error> {
        let extensions = Extensions::new()
            .with(&BasicConstraints::authority(None))
            .with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
        self.plan(role, self.subject.clone(), key, validity, extensions, provider)
    }

    /// Fixes the bytes of a service's certificate.
    pub(super) fn plan_service(
        &self,
        service: Service,
        subject: Name,
        key: &PublicKey,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Planned, Error> {
        let profile = service.profile();
        profile.keys.check(key)?;
        let validity = profile.validity(now, &self.validity)?;
        self.plan(Role::Service(service), subject, key, validity, profile.extensions(key, Vec::new()), provider)
    }

    fn plan(
        &self,
        role: Role,
        subject: Name,
        key: &PublicKey,
        validity: Validity,
        extensions: Extensions<'static>,
        provider: &Provider,
    ) -> Result<Planned, Error> {
        let algorithm = algorithm_of(self.public_key)?;
        let template = CertificateTemplate {
            serial: SerialNumber::random(provider.random)?,
            issuer: self.subject.clone(),
            subject,
            validity,
            public_key: key.clone(),
            extensions,
            authority_key_identifier: self.key_identifier.clone(),
        };
        let tbs = template.to_be_signed(self.public_key, algorithm, provider)?;
        Ok(Planned {
            role,
            serial: template.serial,
            key: KeyId::of(key, provider),
            issuer: self.id,
            signer: self.public_key.clone(),
            algorithm,
            tbs: Octets(tbs.bytes().to_vec()),
        })
    }
}

/// How a key of this kind signs.
pub(super) fn algorithm_of(key: &PublicKey) -> Result<SignatureAlgorithm, Error> {
    match key.kind() {
        PublicKeyKind::Rsa { .. } => Ok(SignatureAlgorithm::RsaSha256),
        PublicKeyKind::P256 => Ok(SignatureAlgorithm::EcdsaSha256),
        PublicKeyKind::P384 => Ok(SignatureAlgorithm::EcdsaSha384),
        PublicKeyKind::Other => Err(Refusal::Key(x509::Refusal::KeyKind).into()),
    }
}
