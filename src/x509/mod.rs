//! Certificates, requests and revocation lists (RFC 5280, RFC 2986), and the paths between them.
//!
//! Owns the structures of PKIX: [`Name`], [`SerialNumber`], [`Certificate`], [`Csr`] and their extensions, read as they were
//! received and written as RFC 5280 wants them. What a signature covers is kept byte for byte: names are compared by their bytes,
//! signatures are verified over received bytes, and nothing that was read is ever encoded again.
//!
//! Reading forgives what real devices send (odd string types, odd serial numbers, version 1, missing attributes) and refuses
//! what two programs could read in two ways: an extension that stands twice, an algorithm that differs inside and outside of the
//! signature, bytes after the end. Whether a certificate *should* have been issued is not decided here; that is the authority's.

mod certificate;
mod crl;
mod csr;
mod error;
mod extension;
mod name;
pub mod ocsp;
pub mod oid;
mod path;
pub(crate) mod pem;
mod serial;
mod signature;
mod standing;
mod template;

pub use certificate::{Certificate, Validity};
pub use crl::{
    CertificateRevocationList, CertificateScope, CrlEncoder, CrlFrame, CrlMeasure, CrlNumber, CrlTemplate, CrlWriter,
    DeltaCrlIndicator, IssuingDistributionPoint, RevocationReason, RevokedEntry, UnsignedCrl,
};
pub use csr::{Csr, ProvenCsr};
pub use error::{Error, Refusal};
pub use extension::{
    AuthorityInfoAccess, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage, Extension,
    ExtensionType, Extensions, FreshestCrl, GeneralName, KeyIdentifier, KeyUsage, OcspNoCheck, SubjectAlternativeNames,
    SubjectKeyIdentifier,
};
pub use name::{Attributes, Name, NameBuilder};
pub use path::{PathRules, verify_path};
pub use serial::{ParseSerialError, SerialNumber};
pub use signature::accept_key;
pub use standing::Standing;
pub use template::{CertificateTemplate, CsrTemplate};
