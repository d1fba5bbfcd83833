//! Responses.

use std::ops::Range;

use super::{BASIC, CertId, EXTENDED_REVOKE, Nonce, read_version};
use crate::asn1::{Element, Error as Asn1Error, ErrorKind, Reader, Tag, Writer};
use crate::crypto::{Legacy, Provider};
use crate::limits::Limits;
use crate::time::Timestamp;
use crate::x509::signature::{Frame, Signed};
use crate::x509::{
    Certificate, Error, ExtensionType, Extensions, KeyIdentifier, Name, Refusal, RevocationReason, Validity, oid,
};

/// What is said about one certificate (RFC 6960 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It was issued, and is neither revoked nor on hold.
    Good,
    /// It is revoked or on hold.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
    /// The responder knows nothing of it: another authority's, or never issued.
    Unknown,
    /// It was never issued, and is to be refused: written as revoked (on hold, since 1970) with the extended-revoke extension, which
    /// is how section 4.4.8 says so. Clients that take unknown for good are safe from it.
    NeverIssued,
}

/// The status of one certificate, and for how long the answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by hosts, field by field")]
pub struct Answer {
    /// The certificate, as the request named it.
    pub id: CertId,
    /// Its status.
    pub status: Status,
    /// When the status was known to be right.
    pub this_update: Timestamp,
    /// Until when it may be relied on. Absent, newer information is always there.
    pub next_update: Option<Timestamp>,
}

/// Who answers (RFC 6960 section 4.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the two of the standard")]
pub enum ResponderId {
    /// By the name in its certificate.
    Name(Name),
    /// By the SHA-1 of its key: [`KeyIdentifier::of`].
    Key(KeyIdentifier),
}

/// Why there is no answer (RFC 6960 section 4.2.1). Such a response has no signature and says nothing of any certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorStatus {
    /// The request could not be read.
    MalformedRequest,
    /// The responder is at fault.
    InternalError,
    /// Later, please.
    TryLater,
    /// Only signed requests are answered.
    SigRequired,
    /// The responder does not answer this client, or not about this authority.
    Unauthorized,
}

const ERRORS: [(ErrorStatus, u8); 5] = [
    (ErrorStatus::MalformedRequest, 1),
    (ErrorStatus::InternalError, 2),
    (ErrorStatus::TryLater, 3),
    (ErrorStatus::SigRequired, 5),
    (ErrorStatus::Unauthorized, 6),
];

impl ErrorStatus {
    /// What to answer to a request that gave this error.
    pub const fn of(error: &Error) -> Self {
        match error {
            Error::Malformed { .. } | Error::Pem { .. } | Error::Refused(_) => ErrorStatus::MalformedRequest,
            Error::Misuse(_) | Error::Crypto(_) => ErrorStatus::InternalError,
        }
    }

    /// The response.
    pub fn to_der(self) -> Vec<u8> {
        let code = ERRORS.iter().find(|(status, _)| *status == self).map_or(2, |(_, code)| *code);
        Writer::build(|w| w.sequence(|w| w.element(Tag::ENUMERATED, &[code])))
    }
}

/// A signed answer (RFC 6960 section 4.2.1), as it was received or made.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) der: Vec<u8>,
    /// Where the BasicOCSPResponse stands.
    pub(super) basic: Range<usize>,
    /// Its frame, counted from its own start.
    pub(super) signed: Signed,
    pub(super) fields: Fields,
    /// The certificates that came with it.
    pub(super) certificates: Vec<Certificate>,
}

/// What stands in ResponseData.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) responder: ResponderId,
    pub(super) produced_at: Timestamp,
    pub(super) answers: Vec<Answer>,
    pub(super) nonce: Option<Nonce>,
}

const WHAT: &str = "OCSP response";
/// Certificates of delegated responders that are looked at.
const MAX_CERTIFICATES: usize = 8;

impl Response {
    /// Reads a response: an answer, or the error that came in its place.
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::Refused`] for a critical extension that is not known.
    pub fn from_der(der: &[u8], limits: &Limits) -> Result<Result<Self, ErrorStatus>, Error> {
        let malformed = Error::malformed(WHAT);
        if der.len() > limits.max_bytes {
            return Err(malformed(Asn1Error::new(ErrorKind::TooLong(limits.max_bytes), 0)));
        }
        let basic = match read_outer(der).map_err(&malformed)? {
            Ok(basic) => basic,
            Err(status) => return Ok(Err(status)),
        };
        let end = basic.at().saturating_add(basic.raw().len());
        let range = end.saturating_sub(basic.value().len())..end;
        // Offsets in errors count from here on within the answer, which is an encoding of its own.
        let frame = Frame::read(basic.value()).map_err(&malformed)?;
        let fields = Fields::read(frame.part.reader(), limits)?;
        let certificates = read_certificates(frame.rest)?;
        Ok(Ok(Response { der: der.to_vec(), basic: range, signed: frame.signed, fields, certificates }))
    }

    /// The DER as it was received.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The DER, for sending.
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// Who answers, by his own account.
    pub const fn responder(&self) -> &ResponderId {
        &self.fields.responder
    }

    /// When the answer was signed.
    pub const fn produced_at(&self) -> Timestamp {
        self.fields.produced_at
    }

    /// The answers, in their order.
    pub fn answers(&self) -> &[Answer] {
        &self.fields.answers
    }

    /// What ties the answer to a request.
    pub const fn nonce(&self) -> Option<&Nonce> {
        self.fields.nonce.as_ref()
    }

    /// The certificates that came with it, not checked.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Checks that the authority answers, or one whom it has delegated: with a certificate that its key signed, valid at the moment,
    /// for the purpose of OCSP. The answer's own times and its nonce are the caller's to compare.
    ///
    /// # Errors
    /// [`Error::Refused`] when nobody who may answer is found, or his algorithm or key is not believed; [`Error::Crypto`] when the
    /// signature is not by him.
    pub fn verify(&self, authority: &Certificate, at: Timestamp, provider: &Provider, legacy: Legacy) -> Result<(), Error> {
        let basic = self.der.get(self.basic.clone()).unwrap_or_default();
        if self.names(authority, provider) {
            return self.signed.verify(basic, authority.public_key(), provider, legacy);
        }
        let delegated = self.certificates.iter().find(|certificate| self.names(certificate, provider));
        let delegate = delegated.ok_or(Refusal::NoPath)?;
        if delegate.issuer() != authority.subject() {
            return Err(Refusal::NoPath.into());
        }
        delegate.verify_signature(authority.public_key(), provider, legacy)?;
        if !delegate.extended_key_usage().is_some_and(|usage| usage.contains(oid::OCSP_SIGNING)) {
            return Err(Refusal::Purpose.into());
        }
        let Validity { not_before, not_after } = delegate.validity();
        if at < not_before {
            return Err(Refusal::NotYetValid.into());
        }
        if at > not_after {
            return Err(Refusal::Expired.into());
        }
        self.signed.verify(basic, delegate.public_key(), provider, legacy)
    }

    fn names(&self, certificate: &Certificate, provider: &Provider) -> bool {
        match &self.fields.responder {
            ResponderId::Name(name) => name == certificate.subject(),
            ResponderId::Key(key) => *key == KeyIdentifier::of(certificate.public_key(), provider),
        }
    }
}

/// OCSPResponse: the OCTET STRING with the answer, or the error.
fn read_outer(der: &[u8]) -> Result<Result<Element<'_>, ErrorStatus>, Asn1Error> {
    let mut reader = Reader::new(der);
    let mut outer = reader.sequence()?;
    reader.finish()?;
    let status = outer.tagged(Tag::ENUMERATED)?;
    if status.value() != [0] {
        let known = ERRORS.iter().find(|(_, code)| status.value() == [*code]).map(|(status, _)| *status);
        outer.finish()?;
        return known.map(Err).ok_or_else(|| Asn1Error::field("responseStatus", status.at()));
    }
    let mut explicit = outer.nested(Tag::context_constructed(0))?;
    outer.finish()?;
    let mut bytes = explicit.sequence()?;
    explicit.finish()?;
    let at = bytes.at();
    if bytes.oid()? != BASIC {
        return Err(Asn1Error::field("responseType (not the basic one)", at));
    }
    let basic = bytes.tagged(Tag::OCTET_STRING)?;
    bytes.finish()?;
    Ok(Ok(basic))
}

fn read_certificates(mut rest: Reader<'_>) -> Result<Vec<Certificate>, Error> {
    let malformed = Error::malformed(WHAT);
    let list = rest.optional_nested(Tag::context_constructed(0)).map_err(&malformed)?;
    rest.finish().map_err(&malformed)?;
    let Some(mut explicit) = list else { return Ok(Vec::new()) };
    let mut list = explicit.sequence().map_err(&malformed)?;
    explicit.finish().map_err(&malformed)?;
    let mut certificates = Vec::new();
    while !list.is_empty() {
        if certificates.len() >= MAX_CERTIFICATES {
            return Err(malformed(Asn1Error::new(ErrorKind::TooMany(MAX_CERTIFICATES), list.at())));
        }
        certificates.push(Certificate::from_der(list.element().map_err(&malformed)?.raw())?);
    }
    Ok(certificates)
}

impl Fields {
    /// Reads the content of ResponseData.
    fn read(mut data: Reader<'_>, limits: &Limits) -> Result<Self, Error> {
        let (mut fields, extensions) = Self::read_plain(&mut data, limits).map_err(Error::malformed(WHAT))?;
        let mut extended = false;
        for extension in extensions.iter().flat_map(Extensions::iter) {
            match extension.oid() {
                Nonce::OID => fields.nonce = Some(extension.parse()?),
                EXTENDED_REVOKE => extended = true,
                _ if extension.is_critical() => return Err(Refusal::CriticalExtension.into()),
                _ => {}
            }
        }
        if extended {
            fields.answers.iter_mut().for_each(|answer| answer.status = answer.status.extended());
        }
        Ok(fields)
    }

    fn read_plain<'a>(data: &mut Reader<'a>, limits: &Limits) -> Result<(Self, Option<Extensions<'a>>), Asn1Error> {
        read_version(data)?;
        let responder = ResponderId::read(data)?;
        let produced_at = read_generalized(data)?;
        let mut list = data.sequence()?;
        let mut answers = Vec::new();
        while !list.is_empty() {
            if answers.len() >= limits.max_items {
                return Err(Asn1Error::new(ErrorKind::TooMany(limits.max_items), list.at()));
            }
            answers.push(Answer::read(&mut list)?);
        }
        let extensions = Extensions::read_tagged(data, 1)?;
        data.clone().finish()?;
        Ok((Fields { responder, produced_at, answers, nonce: None }, extensions))
    }

    /// Writes ResponseData; the version is its default and left out.
    pub(super) fn write(&self, w: &mut Writer) {
        let mut extensions = Extensions::new();
        if let Some(nonce) = &self.nonce {
            extensions = extensions.with(nonce);
        }
        if self.answers.iter().any(|answer| answer.status == Status::NeverIssued) {
            extensions = extensions.with_raw(EXTENDED_REVOKE, false, &[0x05, 0x00]);
        }
        w.sequence(|w| {
            self.responder.write(w);
            w.generalized_time(self.produced_at);
            w.sequence(|w| self.answers.iter().for_each(|answer| answer.write(w)));
            if !extensions.is_empty() {
                w.nested(Tag::context_constructed(1), |w| extensions.write(w));
            }
        });
    }
}

impl ResponderId {
    fn read(data: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        if let Some(mut name) = data.optional_nested(Tag::context_constructed(1))? {
            let responder = Name::read(&mut name)?;
            name.finish()?;
            return Ok(ResponderId::Name(responder));
        }
        let mut key = data.nested(Tag::context_constructed(2))?;
        let identifier = KeyIdentifier::from_bytes(key.octet_string()?);
        key.finish()?;
        Ok(ResponderId::Key(identifier))
    }

    fn write(&self, w: &mut Writer) {
        match self {
            ResponderId::Name(name) => w.element(Tag::context_constructed(1), name.as_der()),
            ResponderId::Key(key) => w.nested(Tag::context_constructed(2), |w| w.octet_string(key.as_bytes())),
        }
    }
}

impl Answer {
    /// SingleResponse.
    fn read(list: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut single = list.sequence()?;
        let id = CertId::read(&mut single)?;
        let status = Status::read(&mut single)?;
        let this_update = read_generalized(&mut single)?;
        let next_update = match single.optional_nested(Tag::context_constructed(0))? {
            None => None,
            Some(mut explicit) => {
                let next = read_generalized(&mut explicit)?;
                explicit.finish()?;
                Some(next)
            }
        };
        single.optional(Tag::context_constructed(1))?;
        single.finish()?;
        Ok(Answer { id, status, this_update, next_update })
    }

    fn write(&self, w: &mut Writer) {
        w.sequence(|w| {
            w.raw(self.id.as_der());
            self.status.write(w);
            w.generalized_time(self.this_update);
            if let Some(next) = self.next_update {
                w.nested(Tag::context_constructed(0), |w| w.generalized_time(next));
            }
        });
    }
}

/// How a certificate that was never issued is spelled: on hold since 1970.
const NEVER_ISSUED: Status = Status::Revoked { at: Timestamp::from_unix(0), reason: RevocationReason::CertificateHold };

impl Status {
    /// What it means beside the extended-revoke extension.
    fn extended(self) -> Self {
        if self == NEVER_ISSUED { Status::NeverIssued } else { self }
    }

    fn read(single: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        const GOOD: Tag = Tag::context(0);
        const REVOKED: Tag = Tag::context_constructed(1);
        const UNKNOWN: Tag = Tag::context(2);
        let at = single.at();
        let status = single.element()?;
        match status.tag() {
            GOOD if status.value().is_empty() => Ok(Status::Good),
            UNKNOWN if status.value().is_empty() => Ok(Status::Unknown),
            REVOKED => {
                let mut info = status.reader();
                let revoked_at = read_generalized(&mut info)?;
                let reason = match info.optional_nested(Tag::context_constructed(0))? {
                    None => RevocationReason::Unspecified,
                    Some(mut explicit) => RevocationReason::read(&mut explicit)?,
                };
                info.finish()?;
                Ok(Status::Revoked { at: revoked_at, reason })
            }
            _ => Err(Asn1Error::field("certStatus", at)),
        }
    }

    fn write(self, w: &mut Writer) {
        match self {
            Status::Good => w.element(Tag::context(0), &[]),
            Status::Unknown => w.element(Tag::context(2), &[]),
            Status::NeverIssued => NEVER_ISSUED.write(w),
            Status::Revoked { at, reason } => w.nested(Tag::context_constructed(1), |w| {
                w.generalized_time(at);
                if reason != RevocationReason::Unspecified {
                    w.nested(Tag::context_constructed(0), |w| w.element(Tag::ENUMERATED, &[reason.code()]));
                }
            }),
        }
    }
}

/// Times in OCSP are GeneralizedTime, whatever the year.
fn read_generalized(reader: &mut Reader<'_>) -> Result<Timestamp, Asn1Error> {
    reader.tagged(Tag::GENERALIZED_TIME)?.time()
}
