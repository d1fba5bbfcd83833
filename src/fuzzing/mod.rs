//! What must hold for any bytes, as functions that a fuzzer calls: one for each reader of the crate.
//!
//! Owns [`TARGETS`]. Each takes bytes as a stranger sends them, reads them, and panics when a promise of the reader is broken: what
//! was read does not come out the same, a length is out of bounds, a value cannot be used. Refused here is nothing: an error is a
//! good end. Compiled only with the feature `fuzzing`, which no host needs.
//!
//! The project's own fuzzer (`fuzz/`) calls these, and so does the unit test below with the committed seeds, on the stable compiler.
//! A host that embeds the crate can call them from a harness of its own:
//!
//! ```
//! # #[cfg(feature = "fuzzing")] {
//! for (_name, target) in mdm_core::fuzzing::TARGETS {
//!     target(b"what the harness made up");
//! }
//! # }
//! ```
//!
//! Three targets are scenarios: they take the bytes as a series of things that host and devices do, and hold the crate against a small
//! model after each. The property tests of `cargo test` drive the same scenarios.
//!
//! [`reshape`] lets plain bytes get past the lengths of DER: it reads the first bytes of its input as instructions of what to change
//! in the structure of the rest.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise is a panic here, and nowhere else"
)]

mod authority;
mod messages;
mod pki;
mod queue;
mod reshape;
mod sealed;
mod services;
mod tenants;

pub use reshape::reshape;

/// A function that panics when the reader that it is named after breaks a promise over these bytes.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its program in `fuzz/` and of its folder of seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("apns_answer", messages::apns_answer),
    ("authority", authority::authority),
    ("ber", pki::ber),
    ("ca_certificates", pki::ca_certificates),
    ("certificate", pki::certificate),
    ("check_in", messages::check_in),
    ("command", messages::command),
    ("crl", pki::crl),
    ("csr", pki::csr),
    ("declaration", messages::declaration),
    ("enveloped_data", pki::enveloped_data),
    ("key_store", pki::key_store),
    ("machine_info", messages::machine_info),
    ("mdm_signature", pki::mdm_signature),
    ("ocsp_request", pki::ocsp_request),
    ("ocsp_response", pki::ocsp_response),
    ("plist_value", messages::plist_value),
    ("private_key", pki::private_key),
    ("profile", messages::profile),
    ("push_request", pki::push_request),
    ("queue", queue::queue),
    ("report", messages::report),
    ("reshaped", pki::reshaped),
    ("scep_client", pki::scep_client),
    ("scep_query", pki::scep_query),
    ("scep_server", pki::scep_server),
    ("sealed", sealed::sealed),
    ("services", services::services),
    ("signed_data", pki::signed_data),
    ("status_report", messages::status_report),
    ("tenants", tenants::tenants),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{TARGETS, Target};

    /// The seeds are part of the repository and not of the package. `MDM_CORE_CORPUS` names a second folder of the kind: what a campaign
    /// collected.
    #[test]
    fn every_seed_goes_through_its_target() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        if !corpus.is_dir() {
            return;
        }
        for (name, target) in TARGETS {
            assert!(send(&corpus.join(name), *target) > 0, "{name} has no seeds");
            if let Some(collected) = std::env::var_os("MDM_CORE_CORPUS") {
                assert!(send(&Path::new(&collected).join(name), *target) > 0, "{name} has no files");
            }
        }
    }

    /// How many files of the folder the target took.
    fn send(folder: &Path, target: Target) -> usize {
        let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files.map(|file| target(&std::fs::read(file.unwrap().path()).unwrap())).count()
    }

    #[test]
    fn no_target_takes_offence_at_bytes_without_meaning() {
        for (_, target) in TARGETS {
            target(b"");
            target(&[0; 64]);
            target(&[0xff; 64]);
            target(&[0x30, 0x80, 0x30, 0x80, 0x30, 0x80, 0, 0, 0, 0, 0, 0]);
        }
    }
}
