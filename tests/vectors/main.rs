//! Vectors that are too many to keep here: those of the package `cryptography-vectors` of PyPI.
//!
//! The environment variable `CRYPTOGRAPHY_VECTORS` names the folder `cryptography_vectors` of the unpacked package; without it the tests report
//! themselves as ignored.
//!
//! ```text
//! pip download --no-deps cryptography-vectors==50.0.2 && unzip -q cryptography_vectors-50.0.2-py3-none-any.whl
//! CRYPTOGRAPHY_VECTORS=$PWD/cryptography_vectors cargo test --features aws-lc-rs --test vectors
//! ```

use std::path::PathBuf;

use libtest_mimic::{Arguments, Trial};

mod keys;
mod pkits;
#[path = "../support/mod.rs"]
mod support;

fn main() {
    let folder = PathBuf::from(std::env::var_os("CRYPTOGRAPHY_VECTORS").unwrap_or_default());
    let ignored = folder.as_os_str().is_empty();
    let mut trials = Vec::new();
    for (name, provider) in support::providers() {
        let at = folder.clone();
        trials.push(Trial::test(format!("paths_of_pkits_{name}"), move || pkits::paths(&at, &provider)));
        let at = folder.clone();
        trials.push(Trial::test(format!("keys_under_passwords_{name}"), move || keys::open(&at, &provider)));
    }
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(ignored)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
