//! Challenges that somebody else decides about: from the device's request over the question to the notification afterwards.
//!
//! `../data/scep_challenge/make.sh` has the commands that made the signed calls.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

#[path = "../support/mod.rs"]
mod support;
#[path = "../scep/world.rs"]
#[allow(dead_code, reason = "the world is made for other tests too")]
mod world;

mod asking;
mod webhooks;
