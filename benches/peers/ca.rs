//! What an authority does, by this crate with AWS-LC, by OpenSSL and by python-cryptography, in turn in one run: a certificate for a device
//! under a P-256 authority, an OCSP answer with a nonce, a revocation list of a million entries.
//!
//! ```text
//! cargo bench --manifest-path benches/peers/Cargo.toml --bench ca [-- --entries 100000]
//! ```
//!
//! Needs the headers of OpenSSL 3 (Debian: `libssl-dev`, `pkg-config`); and, for the third, a Python that has `cryptography` (PyPI):
//! `$PYTHON`, or `python3`.

use std::hint::black_box;
use std::process::Command;

use mdm_core::crypto::{Provider, SigningKey};

#[path = "../authority/mod.rs"]
mod authority;
mod openssl_authority;
#[path = "../transaction/mod.rs"]
mod transaction;
use authority::{Ca, Os, serial};
use transaction::in_turn;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--entries").skip(1);
    let entries: u64 = arguments.next().map_or(1_000_000, |number| number.parse().expect("a number of entries"));
    let ours = Ca::new(Provider::aws_lc_rs(&Os));
    let certificate = ours.authority.certificate().unwrap();
    let peer = openssl_authority::Authority::new(certificate.as_der(), ours.secret.expose(), ours.csr.public_key().as_der());
    let record = ours.issue(&ours.key);
    let question = ours.question(&record);
    let responder = ours.authority.responder(&ours.provider).unwrap();
    let answer = |key: &dyn SigningKey| responder.respond(&question, |_| Some(&record), &[key], ours.now, &ours.provider);

    let rounds = 4_000;
    println!("tenth percentiles of {rounds} in turn, µs (OpenSSL {})", openssl::version::version());
    let print = |what: &str, [ours, theirs]: [f64; 2]| {
        println!("{what:<22} mdm-core with AWS-LC {ours:9.1}   OpenSSL {theirs:9.1}   ratio {:.2}", ours / theirs);
    };
    let times = in_turn(rounds, || drop(black_box(ours.issue(&ours.key))), || drop(black_box(peer.issue())));
    print("certificate, P-256", times);
    let times = in_turn(rounds, || drop(black_box(answer(&ours.key))), || drop(black_box(peer.answer(&question))));
    print("OCSP answer, P-256", times);
    let [issue, respond] = in_turn(rounds, || drop(black_box(ours.issue(&ours.free))), || drop(black_box(answer(&ours.free))));
    println!("all but the signature  certificate {issue:.1}   OCSP answer {respond:.1}");

    let rounds = 5;
    println!("fastest of {rounds} in turn, ms, lists of {entries} entries");
    let milliseconds = |times: [f64; 2]| times.map(|time| time / 1e3);
    let whole = in_turn(rounds, || _ = black_box(ours.list(entries)), || _ = black_box(peer.list(entries)));
    print("list, whole", milliseconds(whole));
    let make_up = || ours.entries(entries).for_each(|entry| _ = black_box(entry));
    let streamed = in_turn(rounds, || _ = black_box(ours.stream(entries)), make_up);
    let [streamed, made_up] = milliseconds(streamed);
    println!("list, in pieces        mdm-core with AWS-LC {streamed:9.1}   of which making the entries up {made_up:.1}");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ca.py");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    match Command::new(python).args([script, &entries.to_string()]).status() {
        Ok(status) if status.success() => {}
        other => println!("python-cryptography was not measured: {other:?}"),
    }
}
