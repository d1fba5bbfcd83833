//! From a request to a certificate.

use serde::{Deserialize, Serialize};

use super::certificate::Reservation;
use super::{Authority, CertificateRecord, CrlScope, Error, Generation, Holder, KeyId, Move, Profile, Refusal, State};
use crate::crypto::{Provider, SigningKey, ToBeSigned};
use crate::record::Change;
use crate::record::stored::Octets;
use crate::time::Timestamp;
use crate::x509::{Certificate, CertificateTemplate, GeneralName, Name, ProvenCsr, SerialNumber, SubjectAlternativeNames};

/// Longest transaction identifier. The longest in the field has 77 characters.
const MAX_TRANSACTION: usize = 255;

/// Which request a certificate answers. The same request, sent again, is answered by the same certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// The transaction identifier: what a host finds the record by.
    pub transaction: String,
    /// The key that is to be certified.
    pub key: KeyId,
    /// The certificate that is to be renewed. A renewal is a request of its own, even when a client that makes its transaction
    /// identifiers from its key sends the one of its first enrollment.
    pub renews: Option<SerialNumber>,
}

/// What a host asks the authority to issue.
///
/// ```
/// use mdm_core::ca::{Holder, IssuanceRequest, Profile};
/// use mdm_core::x509::ProvenCsr;
///
/// fn wanted<'a>(csr: &'a ProvenCsr, transaction: &'a str, profile: &'a Profile) -> IssuanceRequest<'a> {
///     let holder = Holder { device_name: Some("iPhone of Ann".into()), ..Holder::default() };
///     IssuanceRequest { holder, ..IssuanceRequest::new(csr, transaction, profile) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct IssuanceRequest<'a> {
    /// The certificate request, its signature verified.
    pub csr: &'a ProvenCsr,
    /// The transaction it came in: over SCEP the transactionID.
    pub transaction: &'a str,
    /// What the certificate is to be like.
    pub profile: &'a Profile,
    /// Whom it is for.
    pub holder: Holder,
    /// The certificate that it renews.
    pub renews: Option<SerialNumber>,
    /// Another subject than the request's.
    pub subject: Option<Name>,
    /// Alternative names besides those of the request.
    pub alternative_names: Vec<GeneralName>,
}

impl<'a> IssuanceRequest<'a> {
    /// A first certificate with the request's own subject.
    pub fn new(csr: &'a ProvenCsr, transaction: &'a str, profile: &'a Profile) -> Self {
        IssuanceRequest {
            csr,
            transaction,
            profile,
            holder: Holder::default(),
            renews: None,
            subject: None,
            alternative_names: Vec::new(),
        }
    }

    pub(super) fn key(&self, provider: &Provider) -> Result<RequestKey, Refusal> {
        if self.transaction.is_empty() || self.transaction.len() > MAX_TRANSACTION {
            return Err(Refusal::Transaction);
        }
        let key = KeyId::of(self.csr.public_key(), provider);
        Ok(RequestKey { transaction: self.transaction.to_owned(), key, renews: self.renews })
    }
}

/// The answer to a request: a certificate that is reserved, or the one that the request was answered with before.
///
/// ```text
///   reserve ──► Reserved ── change(): store it ──┬── sign_with(&key) ───────────────────────────────► Change: store it
///                                                └── to_be_signed() ─► HSM ─► complete(signature) ──►
/// ```
#[derive(Debug)]
#[must_use = "store the change, then sign"]
pub struct Reserved {
    change: Change<CertificateRecord>,
    signature: Option<ToBeSigned<Change<CertificateRecord>>>,
}

impl Reserved {
    /// What must be stored before anything is signed. Nothing happened when the request was answered before.
    pub const fn change(&self) -> &Change<CertificateRecord> {
        &self.change
    }

    /// The certificate's record as it is now.
    pub const fn record(&self) -> &CertificateRecord {
        &self.change.record
    }

    /// Signs, unless that was done before.
    ///
    /// # Errors
    /// [`Error::Crypto`] when it is not the issuer's key, or signing fails.
    pub fn sign_with(self, key: &dyn SigningKey) -> Result<Change<CertificateRecord>, Error> {
        match self.signature {
            Some(signature) => Ok(signature.sign_with(key)?),
            None => Ok(Change::none(self.change.record)),
        }
    }

    /// What is to be signed, for a host whose key is elsewhere; `None` when that was done before.
    pub fn to_be_signed(self) -> Option<ToBeSigned<Change<CertificateRecord>>> {
        self.signature
    }
}

impl Authority {
    /// Decides on a request: the certificate's serial number and its bytes are fixed, to be stored before they are signed.
    ///
    /// `answered` is the record whose [`RequestKey::transaction`] is the request's, the newest when there are several. With it,
    /// the same request gets the same answer, however often it comes and wherever the host stopped last time:
    ///
    /// | the record | the answer |
    /// |---|---|
    /// | none; or of another renewal; or abandoned, or past its end | a new reservation |
    /// | reserved | the stored bytes, to be signed again |
    /// | issued | the certificate |
    /// | of another key | [`Refusal::TransactionTaken`] |
    /// | revoked or on hold | [`Refusal::Revoked`] |
    ///
    /// # Errors
    /// [`Error::Refused`] when the requester asks for what it may not have, [`Error::AuthorityExpired`] and
    /// [`Error::NoCertificate`] when the authority cannot issue, [`Error::ClockBackwards`], [`Error::Foreign`] when `answered` is
    /// of another authority, tenant or transaction, [`Error::Crypto`] when there is no randomness. Nothing has happened then.
    pub fn reserve(
        &self,
        request: &IssuanceRequest<'_>,
        answered: Option<&CertificateRecord>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Reserved, Error> {
        let key = request.key(provider)?;
        if let Some(record) = answered {
            self.check_same_request(record, request, &key)?;
            let over = now > record.validity().not_after;
            match record.state(now, 0) {
                _ if record.request().is_some_and(|answered| answered.renews != key.renews) => {}
                State::Reserved | State::Issued if !over => return self.resume(record, now, provider),
                State::Revoked | State::Held => return Err(Refusal::Revoked(record.serial()).into()),
                _ => {}
            }
        }
        self.reserve_new(request, key, self.check_clock(now)?, provider)
    }

    fn reserve_new(
        &self,
        request: &IssuanceRequest<'_>,
        key: RequestKey,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Reserved, Error> {
        let issuer = self.issuing(now)?;
        let template = self.template(request, &key.key, issuer, now, provider)?;
        let (serial, subject, validity) = (template.serial, template.subject.clone(), template.validity);
        let signature = template.to_be_signed(issuer.certificate.public_key(), issuer.algorithm, provider)?;
        let reservation = Reservation {
            authority: self.id().clone(),
            generation: issuer.id,
            issuer_key: issuer.key.clone(),
            request: key,
            profile: request.profile.name.clone(),
            subject,
            validity,
            holder: request.holder.clone(),
            algorithm: issuer.algorithm,
            part: self.part_of(&serial),
            tbs: Octets(signature.bytes().to_vec()),
        };
        let change = CertificateRecord::reserve(serial, reservation, now);
        let unsigned = change.record.clone();
        Ok(Reserved { change, signature: Some(signature.map(move |certificate| unsigned.issued(certificate, now))) })
    }

    /// What the certificate will say; or why it will not be made.
    fn template(
        &self,
        request: &IssuanceRequest<'_>,
        key_id: &KeyId,
        issuer: &Generation,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<CertificateTemplate, Error> {
        let (subject, names) = self.names(request, key_id)?;
        let (key, profile) = (request.csr.public_key(), request.profile);
        let authority = &issuer.certificate;
        let validity = profile.validity(now, &authority.validity())?;
        let serial = SerialNumber::random(provider.random)?;
        let mut template = CertificateTemplate::under(authority, serial, subject, validity, key.clone());
        let scope = CrlScope { key: issuer.key.clone(), part: self.part_of(&serial) };
        let crl_uris = self.crl_uri(&scope).map_or_else(|| self.full_crl_uris(&profile.crl_uris, &issuer.key), |uri| vec![uri]);
        template.extensions = profile.extensions(key, crl_uris);
        if !names.is_empty() {
            template.extensions = template.extensions.with(&SubjectAlternativeNames { names });
        }
        Ok(template)
    }

    /// What the request may be named; or why it is refused whatever the moment.
    fn names(&self, request: &IssuanceRequest<'_>, key: &KeyId) -> Result<(Name, Vec<GeneralName>), Error> {
        let (csr, profile) = (request.csr, request.profile);
        profile.check(csr)?;
        if self.owns(key) {
            return Err(Refusal::AuthorityKey.into());
        }
        let subject = profile.subject(csr, request.subject.as_ref())?;
        let names = profile.alternative_names(csr, &request.alternative_names)?;
        if subject.is_empty() && names.is_empty() {
            return Err(Refusal::NoName.into());
        }
        if self.generations().iter().any(|generation| *generation.certificate.subject() == subject) {
            return Err(Refusal::AuthorityName.into());
        }
        Ok((subject, names))
    }

    /// Whether the request could be granted now; and the moment to date that with.
    pub(super) fn check_request(
        &self,
        request: &IssuanceRequest<'_>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Timestamp, Error> {
        let at = self.check_clock(now)?;
        let issuer = self.issuing(at)?;
        self.names(request, &KeyId::of(request.csr.public_key(), provider))?;
        request.profile.validity(at, &issuer.certificate.validity())?;
        Ok(at)
    }

    /// Takes a reservation up where the host stopped: the stored bytes, to be signed by the key that they name. For a certificate
    /// that is signed there is nothing left to do.
    ///
    /// # Errors
    /// [`Error::Move`] for a record that is abandoned or revoked, or whose validity is over; [`Error::Foreign`] for another
    /// authority's.
    pub fn resume(&self, record: &CertificateRecord, now: Timestamp, provider: &Provider) -> Result<Reserved, Error> {
        if record.authority() != self.id() {
            return Err(Error::Foreign("authority"));
        }
        let change = Change::none(record.clone());
        if record.certificate().is_some() {
            return Ok(Reserved { change, signature: None });
        }
        let unsigned = record.unsigned().filter(|_| now <= record.validity().not_after);
        let (algorithm, tbs) = unsigned.ok_or_else(|| record.cannot(Move::Sign, now))?;
        let issuer = record.issuer_key().and_then(|key| self.generation_of(key)).ok_or(Error::UnknownKey)?;
        let signature = Certificate::to_be_signed_from(tbs.to_vec(), issuer.certificate.public_key(), algorithm, provider)?;
        let unsigned = record.clone();
        Ok(Reserved { change, signature: Some(signature.map(move |certificate| unsigned.issued(certificate, now))) })
    }

    /// Whether the record is that of this very transaction, begun by the owner of this key.
    fn check_same_request(
        &self,
        record: &CertificateRecord,
        request: &IssuanceRequest<'_>,
        key: &RequestKey,
    ) -> Result<(), Error> {
        if record.authority() != self.id() {
            return Err(Error::Foreign("authority"));
        }
        if record.holder().tenant != request.holder.tenant {
            return Err(Error::Foreign("tenant"));
        }
        match record.request() {
            Some(answered) if answered.transaction != key.transaction => Err(Error::Foreign("transaction")),
            Some(answered) if answered.key != key.key => Err(Refusal::TransactionTaken.into()),
            Some(_) => Ok(()),
            None => Err(Error::Foreign("transaction")),
        }
    }
}
