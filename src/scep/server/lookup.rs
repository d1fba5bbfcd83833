//! GetCert and GetCRL (RFC 8894 sections 3.3.4 and 3.3.5): asking for what was issued before.

use super::authorized::grant;
use super::received::Received;
use super::reply::{Refused, Reply};
use crate::cms;
use crate::scep::Error;
use crate::x509::{Certificate, Name, SerialNumber};

/// The accessors that both share.
macro_rules! lookup {
    ($name:ident) => {
        sender!($name);

        impl $name {
            fn received(&self) -> &Received {
                &self.received
            }

            /// The issuer of the certificate in question.
            pub fn issuer(&self) -> &Name {
                &self.issuer
            }

            /// The serial number of the certificate in question.
            pub fn serial(&self) -> &SerialNumber {
                &self.serial
            }
        }
    };
}

/// GetCert: somebody asks for a certificate that was issued before. Whoever signs the request may be a stranger; what a certificate
/// tells is told to them.
#[derive(Debug)]
pub struct GetCert {
    pub(super) received: Box<Received>,
    pub(super) issuer: Name,
    pub(super) serial: SerialNumber,
}

lookup!(GetCert);

impl GetCert {
    /// Hands the certificate out, encrypted to the signer of the request.
    ///
    /// # Errors
    /// [`Refused`]: [`Error::Misuse`] when it is another certificate; [`Error::Cms`] when the signer's key cannot decrypt.
    pub fn answer(self, certificate: &Certificate) -> Result<Reply, Refused> {
        if certificate.issuer() != &self.issuer || certificate.serial() != &self.serial {
            return Err(self.received.refused(Error::Misuse("the certificate is another one than was asked for")));
        }
        grant(&self.received, &cms::certificates_only(&[certificate.as_der()], &[]), None)
    }
}

/// GetCRL: somebody asks for the revocation list that covers a certificate. Distribution points are the better way.
#[derive(Debug)]
pub struct GetCrl {
    pub(super) received: Box<Received>,
    pub(super) issuer: Name,
    pub(super) serial: SerialNumber,
}

lookup!(GetCrl);

impl GetCrl {
    /// Hands the list out, which is a CertificateList in DER, encrypted to the signer of the request.
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Cms`] when the signer's key cannot decrypt.
    pub fn answer(self, crl: &[u8]) -> Result<Reply, Refused> {
        grant(&self.received, &cms::certificates_only(&[], &[crl]), None)
    }
}
