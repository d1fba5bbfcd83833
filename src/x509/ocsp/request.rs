//! Requests.

use base64::Engine as _;

use super::{CertId, Nonce, read_version};
use crate::asn1::{Error as Asn1Error, ErrorKind, Reader, Tag, Writer};
use crate::limits::Limits;
use crate::web;
use crate::x509::{Error, ExtensionType, Extensions, Refusal};

/// What a responder on the open net reads: 16 KiB, and 64 certificates in one request. Clients ask about one.
pub const LIMITS: Limits = Limits::PKI.bytes(16 << 10).items(64);

const WHAT: &str = "OCSP request";

/// A question about certificates (RFC 6960 section 4.1). A signature on it is neither needed nor looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    ids: Vec<CertId>,
    nonce: Option<Nonce>,
}

impl Request {
    /// Reads a request, the body of a POST. Each certificate counts as one of `max_items`; [`LIMITS`] fits a responder on the open
    /// net.
    ///
    /// # Errors
    /// [`Error::Malformed`], also for a nonce that RFC 9654 does not allow and a request about nothing; [`Error::Refused`] for a
    /// critical extension that is not known. [`ErrorStatus::of`](super::ErrorStatus::of) says what to answer.
    pub fn from_der(der: &[u8], limits: &Limits) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        if der.len() > limits.max_bytes {
            return Err(malformed(Asn1Error::new(ErrorKind::TooLong(limits.max_bytes), 0)));
        }
        let (ids, extensions) = read(der, limits).map_err(&malformed)?;
        let mut nonce = None;
        for extension in extensions.iter().flat_map(Extensions::iter) {
            match extension.oid() {
                Nonce::OID => nonce = Some(extension.parse()?),
                _ if extension.is_critical() => return Err(Refusal::CriticalExtension.into()),
                _ => {}
            }
        }
        Ok(Request { ids, nonce })
    }

    /// Reads a request from the path of a GET (RFC 6960 appendix A.1): base64, percent-encoded, without the slash before it.
    ///
    /// # Errors
    /// As [`Request::from_der`]; [`Error::Malformed`] when it is not base64.
    pub fn from_path(path: &str, limits: &Limits) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        // Base64 makes four of three, percent-encoding at most three of one.
        if path.len() > limits.max_bytes.saturating_mul(4) {
            return Err(malformed(Asn1Error::new(ErrorKind::TooLong(limits.max_bytes), 0)));
        }
        let not_base64 = || malformed(Asn1Error::field("path (not base64)", 0));
        let text = web::unescape(path).ok_or_else(not_base64)?;
        let der = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| not_base64())?;
        Self::from_der(&der, limits)
    }

    /// The certificates that are asked about, at least one.
    pub fn ids(&self) -> &[CertId] {
        &self.ids
    }

    /// What the answer must repeat.
    pub const fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }
}

/// OCSPRequest.
fn read<'a>(der: &'a [u8], limits: &Limits) -> Result<(Vec<CertId>, Option<Extensions<'a>>), Asn1Error> {
    let mut reader = Reader::new(der);
    let mut outer = reader.sequence()?;
    reader.finish()?;
    let mut tbs = outer.sequence()?;
    outer.optional(Tag::context_constructed(0))?;
    outer.finish()?;
    read_version(&mut tbs)?;
    tbs.optional(Tag::context_constructed(1))?;
    let ids = read_ids(tbs.sequence()?, limits)?;
    let extensions = Extensions::read_tagged(&mut tbs, 2)?;
    tbs.finish()?;
    Ok((ids, extensions))
}

fn read_ids(mut list: Reader<'_>, limits: &Limits) -> Result<Vec<CertId>, Asn1Error> {
    let mut ids = Vec::new();
    loop {
        let at = list.at();
        if ids.len() >= limits.max_items {
            return Err(Asn1Error::new(ErrorKind::TooMany(limits.max_items), at));
        }
        let mut single = list.sequence()?;
        ids.push(CertId::read(&mut single)?);
        // singleRequestExtensions say how a client would like to be served; none is needed to serve it.
        single.optional(Tag::context_constructed(0))?;
        single.finish()?;
        if list.is_empty() {
            return Ok(ids);
        }
    }
}

/// A question to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole question")]
pub struct RequestTemplate {
    /// The certificates to ask about, at least one.
    pub ids: Vec<CertId>,
    /// What the answer must repeat. An answer made in advance cannot; a client that wants one leaves it out.
    pub nonce: Option<Nonce>,
}

impl RequestTemplate {
    /// The request, unsigned as all are.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it asks about nothing.
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        if self.ids.is_empty() {
            return Err(Error::Misuse("an OCSP request asks about one certificate at least"));
        }
        Ok(Writer::build(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.sequence(|w| self.ids.iter().for_each(|id| w.sequence(|w| w.raw(id.as_der()))));
                    if let Some(nonce) = &self.nonce {
                        w.nested(Tag::context_constructed(2), |w| Extensions::new().with(nonce).write(w));
                    }
                });
            });
        }))
    }
}
