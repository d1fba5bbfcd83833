//! Certificates, requests, revocation lists and paths: read, made, believed and refused.

mod read;

#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod crl;
#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod damage;
#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod made;
#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod ocsp;
#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod path;
#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod support;
