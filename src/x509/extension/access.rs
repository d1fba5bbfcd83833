//! Where revocation is told: cRLDistributionPoints, freshestCRL, authorityInfoAccess, ocsp-nocheck.

use super::ExtensionType;
use super::general_name::{GeneralName, read_general_names, write_general_name};
use crate::asn1::{Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::x509::oid;

/// Where the CRL is (RFC 5280 section 4.2.1.13): URIs of complete CRLs by the certificate's own issuer.
///
/// A distribution point that holds a part of the reasons, or is signed by another, is read over: what it gives is not the CRL
/// that its reader thinks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CrlDistributionPoints {
    /// The URIs, each its own distribution point. HTTP, not HTTPS: who fetches it may need it to check the TLS certificate.
    pub uris: Vec<String>,
}

impl ExtensionType for CrlDistributionPoints {
    const OID: Oid<'static> = oid::CRL_DISTRIBUTION_POINTS;
    const NAME: &'static str = "cRLDistributionPoints";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        read_points(reader).map(|uris| CrlDistributionPoints { uris })
    }

    fn write(&self, w: &mut Writer) {
        write_points(w, &self.uris);
    }
}

/// Where the delta CRLs to this complete one are (RFC 5280 section 5.2.6): URIs, spelled as those of complete CRLs. Without it most
/// programs look for no delta.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FreshestCrl {
    /// The URIs, each its own distribution point.
    pub uris: Vec<String>,
}

impl ExtensionType for FreshestCrl {
    const OID: Oid<'static> = oid::FRESHEST_CRL;
    const NAME: &'static str = "freshestCRL";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        read_points(reader).map(|uris| FreshestCrl { uris })
    }

    fn write(&self, w: &mut Writer) {
        write_points(w, &self.uris);
    }
}

/// CRLDistributionPoints: the URIs of those points that stand for all reasons and the certificate's own issuer.
fn read_points(reader: &mut Reader<'_>) -> Result<Vec<String>, Asn1Error> {
    let mut points = reader.sequence()?;
    let mut uris = Vec::new();
    while !points.is_empty() {
        let mut point = points.sequence()?;
        let names = point.optional_nested(Tag::context_constructed(0))?.map(|mut name| read_full_name(&mut name));
        let names = names.transpose()?.unwrap_or_default();
        if point.is_empty() {
            uris.extend(names.into_iter().filter_map(uri));
        }
    }
    Ok(uris)
}

fn write_points(w: &mut Writer, uris: &[String]) {
    w.sequence(|w| {
        for uri in uris {
            w.sequence(|w| {
                w.nested(Tag::context_constructed(0), |w| write_full_name(w, std::slice::from_ref(uri)));
            });
        }
    });
}

/// DistributionPointName; a name relative to the issuer gives nothing.
pub(in crate::x509) fn read_full_name(name: &mut Reader<'_>) -> Result<Vec<GeneralName>, Asn1Error> {
    match name.optional_nested(Tag::context_constructed(0))? {
        Some(mut full) => read_general_names(&mut full),
        None => Ok(Vec::new()),
    }
}

/// DistributionPointName, fullName, of URIs.
pub(in crate::x509) fn write_full_name(w: &mut Writer, uris: &[String]) {
    w.nested(Tag::context_constructed(0), |w| {
        uris.iter().for_each(|uri| write_general_name(w, &GeneralName::Uri(uri.clone())));
    });
}

fn uri(name: GeneralName) -> Option<String> {
    match name {
        GeneralName::Uri(uri) => Some(uri),
        _ => None,
    }
}

/// id-ad-ocsp, 1.3.6.1.5.5.7.48.1.
const OCSP: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01]);
/// id-ad-caIssuers, 1.3.6.1.5.5.7.48.2.
const CA_ISSUERS: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02]);

/// Where the authority answers (RFC 5280 section 4.2.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AuthorityInfoAccess {
    /// URIs of OCSP responders.
    pub ocsp: Vec<String>,
    /// URIs of the authority's own certificate.
    pub issuers: Vec<String>,
}

impl ExtensionType for AuthorityInfoAccess {
    const OID: Oid<'static> = oid::AUTHORITY_INFO_ACCESS;
    const NAME: &'static str = "authorityInfoAccess";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut descriptions = reader.sequence()?;
        let mut access = AuthorityInfoAccess::default();
        while !descriptions.is_empty() {
            let mut description = descriptions.sequence()?;
            let method = description.oid()?;
            let location = read_general_names(&mut description)?.into_iter().next().and_then(uri);
            match method {
                OCSP => access.ocsp.extend(location),
                CA_ISSUERS => access.issuers.extend(location),
                _ => {}
            }
        }
        Ok(access)
    }

    fn write(&self, w: &mut Writer) {
        w.sequence(|w| {
            for (method, uris) in [(OCSP, &self.ocsp), (CA_ISSUERS, &self.issuers)] {
                for uri in uris {
                    w.sequence(|w| {
                        w.oid(method);
                        write_general_name(w, &GeneralName::Uri(uri.clone()));
                    });
                }
            }
        });
    }
}

/// The holder of this certificate answers for others by OCSP, and nobody need ask about itself (RFC 6960 section 4.2.2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OcspNoCheck;

impl ExtensionType for OcspNoCheck {
    const OID: Oid<'static> = oid::OCSP_NO_CHECK;
    const NAME: &'static str = "ocsp-nocheck";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        reader.null().map(|()| OcspNoCheck)
    }

    fn write(&self, w: &mut Writer) {
        w.null();
    }
}
