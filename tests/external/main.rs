//! Authorities that are not ours: their messages, what is believed of them, and the life of a request.
//!
//! The messages are of our own making, after the vendors' documentation and after what published clients read; no vendor's server was asked.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

#[path = "../support/mod.rs"]
mod support;

mod adcs;
mod digicert;
mod request;
mod scep_authority;
mod sequences;
mod trust;
mod venafi;
mod world;
