//! Answers about single certificates, by OCSP.

use std::borrow::Borrow;

use super::{Authority, CertificateRecord, Error, Generation, KeyId, Service};
use crate::crypto::{DigestAlgorithm, Provider, PublicKey, SignatureAlgorithm, SigningKey, ToBeSigned};
use crate::id::AuthorityId;
use crate::time::Timestamp;
use crate::x509::ocsp::{
    Answer, CertId, ErrorStatus, Issuer, LIMITS, Request, ResponderId, Response, ResponseTemplate, Status,
};
use crate::x509::{Certificate, KeyIdentifier, SerialNumber};

/// What answers OCSP requests for an authority: made from its record, good until that changes.
///
/// Who signs: the holder of the service certificate for OCSP where there is one under the key that issued the certificate in
/// question, that key itself otherwise (RFC 6960 section 4.2.2.2 allows no third). So after a renewal with a new key, the old key
/// answers for what it issued.
///
/// A serial number under which no certificate was issued is never good, nor is one that is reserved and not signed. It is unknown
/// unless [`refusing_unissued`](Responder::refusing_unissued) says otherwise.
///
/// ```text
///   body ── respond(find, keys) ──────────────────────────────────────────────► DER, whatever the body was
///     └─ Request::from_der ─► answer(request, find) ─► to be signed (an HSM) ─► Response
///                             prepare(record) ──────► to be signed, without a nonce, for many
/// ```
///
/// ```
/// use std::collections::HashMap;
///
/// use mdm_core::ca::{CertificateRecord, Responder};
/// use mdm_core::crypto::{Provider, SigningKey};
/// use mdm_core::time::Timestamp;
/// use mdm_core::x509::SerialNumber;
///
/// /// The body of the answer to `POST /ocsp`, `application/ocsp-response`.
/// fn post(
///     body: &[u8],
///     responder: &Responder,
///     records: &HashMap<SerialNumber, CertificateRecord>,
///     key: &dyn SigningKey,
///     now: Timestamp,
///     provider: &Provider,
/// ) -> Vec<u8> {
///     responder.respond(body, |serial| records.get(serial), &[key], now, provider)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Responder {
    authority: AuthorityId,
    latest: Timestamp,
    tolerance_seconds: i64,
    lifetime_seconds: i64,
    unissued: Status,
    /// One for each key of the authority, the one in use first.
    lines: Vec<Line>,
}

/// One key of the authority, as it issued, and who answers for it.
#[derive(Clone, Debug)]
struct Line {
    key: KeyId,
    issuer: Issuer,
    /// The authority's own certificates under this key, of which it knows without a record.
    own: Vec<SerialNumber>,
    signer: Signer,
}

#[derive(Clone, Debug)]
struct Signer {
    id: ResponderId,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    /// The certificate of a delegate, which goes along.
    certificate: Option<Certificate>,
    not_after: Timestamp,
}

impl Authority {
    /// What answers OCSP requests about the certificates of this authority. A host makes it when it has loaded the record, and again
    /// when the record has changed.
    ///
    /// # Errors
    /// [`Error::NoCertificate`].
    pub fn responder(&self, provider: &Provider) -> Result<Responder, Error> {
        let active = self.active()?;
        let mut keys: Vec<&KeyId> = vec![&active.key];
        for generation in self.generations().iter().rev() {
            if !keys.contains(&&generation.key) {
                keys.push(&generation.key);
            }
        }
        let settings = self.settings();
        Ok(Responder {
            authority: self.id().clone(),
            latest: self.latest(),
            tolerance_seconds: i64::from(settings.clock_tolerance_seconds),
            lifetime_seconds: i64::from(settings.ocsp_lifetime_seconds),
            unissued: Status::Unknown,
            lines: keys.into_iter().filter_map(|key| self.line(key, provider)).collect(),
        })
    }

    fn line(&self, key: &KeyId, provider: &Provider) -> Option<Line> {
        let newest = self.generation_of(key)?;
        let under = |id| self.generation(id).is_ok_and(|generation| generation.key == *key);
        let services = self.services().iter().filter(|service| under(service.generation));
        let delegate = services.clone().find(|service| service.service == Service::Ocsp);
        let signer = match delegate {
            Some(delegate) => Signer::delegate(&delegate.certificate, provider).ok()?,
            None => Signer::authority(newest, provider),
        };
        let crosses = self.cross_certificates().iter().filter(|cross| under(cross.issuer));
        let own = self
            .generations()
            .iter()
            .filter(|generation| generation.key == *key)
            .map(|generation| &generation.certificate)
            .chain(services.map(|service| &service.certificate))
            .chain(crosses.map(|cross| &cross.certificate))
            .map(|certificate| *certificate.serial())
            .collect();
        Some(Line { key: key.clone(), issuer: Issuer::of(&newest.certificate, provider), own, signer })
    }
}

impl Signer {
    fn authority(generation: &Generation, provider: &Provider) -> Self {
        let certificate = &generation.certificate;
        Signer {
            id: ResponderId::Key(KeyIdentifier::of(certificate.public_key(), provider)),
            key: certificate.public_key().clone(),
            algorithm: generation.algorithm,
            certificate: None,
            not_after: certificate.validity().not_after,
        }
    }

    fn delegate(certificate: &Certificate, provider: &Provider) -> Result<Self, Error> {
        Ok(Signer {
            id: ResponderId::Key(KeyIdentifier::of(certificate.public_key(), provider)),
            key: certificate.public_key().clone(),
            algorithm: super::creation::algorithm_of(certificate.public_key())?,
            certificate: Some(certificate.clone()),
            not_after: certificate.validity().not_after,
        })
    }
}

impl Responder {
    /// The same, calling serial numbers that were never issued revoked, as RFC 6960 section 4.4.8 has it (on hold since 1970, with
    /// the extended-revoke extension): for clients that take unknown for good.
    #[must_use]
    pub fn refusing_unissued(self) -> Self {
        Responder { unissued: Status::NeverIssued, ..self }
    }

    /// The body that answers a body, whatever that was: signed by the one of `keys` that must sign, or an error that says nothing of
    /// any certificate and is not signed (RFC 6960 section 2.3). `find` gives the record of a serial number, by value or reference.
    ///
    /// Errors: `malformedRequest` for what is no request, asks about more than 64 certificates, or has a nonce that RFC 9654 does not
    /// allow; `internalError` when none of the keys fits, signing fails or the clock runs backwards.
    pub fn respond<R: Borrow<CertificateRecord>>(
        &self,
        body: &[u8],
        find: impl FnMut(&SerialNumber) -> Option<R>,
        keys: &[&dyn SigningKey],
        now: Timestamp,
        provider: &Provider,
    ) -> Vec<u8> {
        let request = match Request::from_der(body, &LIMITS) {
            Ok(request) => request,
            Err(error) => return ErrorStatus::of(&error).to_der(),
        };
        let signed = self.answer(&request, find, now, provider).ok().and_then(|response| {
            let key = keys.iter().find(|key| key.public_key() == response.public_key())?;
            response.sign_with(*key).ok()
        });
        signed.map_or_else(|| ErrorStatus::InternalError.to_der(), Response::into_der)
    }

    /// The answer to a request, with its nonce. One answer has one signature: of certificates under several keys of the authority,
    /// those under the key of the first are answered and the others unknown, as are those of other authorities.
    ///
    /// # Errors
    /// [`Error::ClockBackwards`], also before the latest moment on a record; [`Error::ResponderExpired`]; [`Error::X509`].
    pub fn answer<R: Borrow<CertificateRecord>>(
        &self,
        request: &Request,
        mut find: impl FnMut(&SerialNumber) -> Option<R>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<ToBeSigned<Response>, Error> {
        let line = request.ids().iter().find_map(|id| self.line_of(id)).or(self.lines.first()).ok_or(Error::NoCertificate)?;
        let mut at = self.moment(self.latest, now)?;
        let mut answers = Vec::with_capacity(request.ids().len());
        for id in request.ids() {
            let mut status = Status::Unknown;
            if id.is_under(&line.issuer) {
                let record = find(id.serial());
                let record = record.as_ref().map(Borrow::borrow).filter(|record| self.is_of(record, line, id.serial()));
                if let Some(record) = record {
                    at = at.max(self.moment(record.latest(), now)?);
                }
                status = self.status(record, line, id.serial());
            }
            answers.push((id.clone(), status));
        }
        Self::template(line, answers, at, self.lifetime_seconds)?.nonce(request).to_be_signed(line, provider)
    }

    /// An answer about one certificate that is made in advance, for everybody who asks: without a nonce, which RFC 9654 lets a
    /// responder leave out. `algorithm` is the one by which the request names the issuer, SHA-1 in those of most clients: a host makes
    /// one answer for each that it meets, and finds it by [`CertId::serial`] and [`CertId::algorithm`].
    ///
    /// # Errors
    /// As [`Responder::answer`]; [`Error::Foreign`] for the record of another authority.
    pub fn prepare(
        &self,
        record: &CertificateRecord,
        algorithm: DigestAlgorithm,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<ToBeSigned<Response>, Error> {
        let line = self.lines.iter().find(|line| self.is_of(record, line, &record.serial()));
        let line = line.ok_or(Error::Foreign("authority"))?;
        let at = self.moment(self.latest.max(record.latest()), now)?;
        let id = CertId::new(algorithm, &line.issuer, record.serial());
        let answers = vec![(id, self.status(Some(record), line, &record.serial()))];
        Self::template(line, answers, at, self.lifetime_seconds)?.to_be_signed(line, provider)
    }

    fn line_of(&self, id: &CertId) -> Option<&Line> {
        self.lines.iter().find(|line| id.is_under(&line.issuer))
    }

    /// Whether this is the record of the certificate with this serial number under this key.
    fn is_of(&self, record: &CertificateRecord, line: &Line, serial: &SerialNumber) -> bool {
        *record.authority() == self.authority && record.issuer_key() == Some(&line.key) && record.serial() == *serial
    }

    fn status(&self, record: Option<&CertificateRecord>, line: &Line, serial: &SerialNumber) -> Status {
        match record.map(CertificateRecord::ocsp_status) {
            Some(Status::Unknown) => self.unissued,
            Some(status) => status,
            None if line.own.contains(serial) => Status::Good,
            None => self.unissued,
        }
    }

    /// The moment to date an answer with: now, or the latest on record when the clock is behind that by no more than the tolerance.
    fn moment(&self, latest: Timestamp, now: Timestamp) -> Result<Timestamp, Error> {
        if now.plus_seconds(self.tolerance_seconds) < latest {
            return Err(Error::ClockBackwards { now, latest });
        }
        Ok(now.max(latest))
    }

    fn template(line: &Line, answers: Vec<(CertId, Status)>, at: Timestamp, lifetime: i64) -> Result<Draft, Error> {
        let not_after = line.signer.not_after;
        if at >= not_after {
            let delegated = line.signer.certificate.is_some();
            return Err(if delegated { Error::ResponderExpired(not_after) } else { Error::AuthorityExpired(not_after) });
        }
        let next_update = Some(at.plus_seconds(lifetime.max(1)).min(not_after));
        let answer = |(id, status)| Answer { id, status, this_update: at, next_update };
        Ok(Draft(ResponseTemplate {
            responder: line.signer.id.clone(),
            produced_at: at,
            answers: answers.into_iter().map(answer).collect(),
            nonce: None,
            certificate: line.signer.certificate.clone(),
        }))
    }
}

/// An answer that is being put together.
struct Draft(ResponseTemplate);

impl Draft {
    fn nonce(mut self, request: &Request) -> Self {
        self.0.nonce = request.nonce().cloned();
        self
    }

    fn to_be_signed(&self, line: &Line, provider: &Provider) -> Result<ToBeSigned<Response>, Error> {
        Ok(self.0.to_be_signed(&line.signer.key, line.signer.algorithm, provider)?)
    }
}

impl CertificateRecord {
    /// What OCSP says of the certificate; at every moment the same as the revocation list of that moment, and the same after the
    /// certificate's end as before. [`Status::Unknown`] for one that is not signed.
    pub fn ocsp_status(&self) -> Status {
        match self.revocation() {
            Some(revocation) if revocation.confirmed => Status::Revoked { at: revocation.at, reason: revocation.reason },
            _ if self.certificate().is_some() => Status::Good,
            _ => Status::Unknown,
        }
    }
}
