//! SCEP from both sides: enrollments that succeed, and everything that must not.
//!
//! `../data/scep/make.sh` has the commands that made the keys and the request.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod challenges;
mod client;
mod damage;
mod lossy;
mod proxy;
mod server;
mod world;
