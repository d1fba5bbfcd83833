//! What the fuzzing programs have in common: each calls one target of `mdm_core::fuzzing`.

/// Runs the target with this name.
///
/// # Panics
/// When the target finds a broken promise, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = mdm_core::fuzzing::TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}
