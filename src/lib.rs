#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

// Ground: bytes, keys, moments, names.
pub mod limits;
pub mod hex;
pub mod secret;
pub mod time;
pub mod id;
pub mod web;
pub mod asn1;
pub mod crypto;
pub mod record;
// Formats: bounded readers, exact writers.
pub mod plist;
#[macro_use]
pub mod schema;
pub mod x509;
pub mod keystore;
pub mod cms;
// Speak: bytes to typed messages and back.
pub mod scep;
pub mod checkin;
pub mod command;
pub mod profile;
pub mod declaration;
pub mod ade;
// Decide: records in, events and effects out.
pub mod ca;
pub mod external;
pub mod push;
pub mod enrollment;
// For fuzzers: what must hold for any bytes.
#[cfg(any(feature = "fuzzing", all(test, feature = "rustcrypto", feature = "profiles", feature = "declarations")))]
pub mod fuzzing;
