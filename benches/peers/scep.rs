//! A SCEP server's transaction, PKCSReq to CertRep, by this crate and by OpenSSL's CMS, in turn in one run: the same keys, the same
//! request, RSA-2048 for RA, CA and device, AES-128, SHA-256, proof of possession checked by both.
//!
//! ```text
//! cargo bench --manifest-path benches/peers/Cargo.toml --bench scep
//! ```
//!
//! Needs the headers of OpenSSL 3 (Debian: `libssl-dev`, `pkg-config`). With `-- --own-share` it does only what this crate does beside
//! RSA, over and over, for `perf record` and `valgrind --tool=callgrind`.

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use mdm_core::crypto::Provider;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{Signer, Verifier};

#[path = "openssl_server.rs"]
mod openssl_server;
#[path = "../transaction/mod.rs"]
mod transaction;
use transaction::{CA_KEY, Desk, Os, RA_KEY, check, in_turn, pkcs8};

const MESSAGE: [u8; 128] = [0x5A; 128];

/// The RSA of one transaction by AWS-LC with nothing around it: keys that were read before.
struct AwsLc {
    signing: RsaKeyPair,
    verifying: ParsedPublicKey,
    opening: Pkcs1PrivateDecryptingKey,
    sealing: Pkcs1PublicEncryptingKey,
    signature: Vec<u8>,
    wrapped: Vec<u8>,
}

impl AwsLc {
    fn new(der: &[u8]) -> Self {
        let signing = RsaKeyPair::from_pkcs8(der).unwrap();
        let mut signature = vec![0; 256];
        signing.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &MESSAGE, &mut signature).unwrap();
        let opening = PrivateDecryptingKey::from_pkcs8(der).unwrap();
        let sealing: PublicEncryptingKey = opening.public_key();
        let sealing = Pkcs1PublicEncryptingKey::new(sealing).unwrap();
        let mut wrapped = vec![0; 256];
        sealing.encrypt(&[7; 16], &mut wrapped).unwrap();
        AwsLc {
            verifying: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signing.public_key()).unwrap(),
            signing,
            opening: Pkcs1PrivateDecryptingKey::new(opening).unwrap(),
            sealing,
            signature,
            wrapped,
        }
    }

    fn run(&self) {
        let mut out = [0; 256];
        for _ in 0..2 {
            self.signing.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &MESSAGE, black_box(&mut out)).unwrap();
            self.verifying.verify_sig(&MESSAGE, &self.signature).unwrap();
        }
        black_box(self.opening.decrypt(&self.wrapped, &mut out).unwrap());
        black_box(self.sealing.encrypt(&[7; 16], &mut out).unwrap());
    }
}

/// The same by OpenSSL.
struct OpenSsl {
    key: PKey<Private>,
    signature: Vec<u8>,
    wrapped: Vec<u8>,
}

impl OpenSsl {
    fn new(der: &[u8]) -> Self {
        let key = PKey::private_key_from_der(der).unwrap();
        let signature = Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(&MESSAGE).unwrap();
        let mut wrapped = vec![0; 256];
        key.rsa().unwrap().public_encrypt(&[7; 16], &mut wrapped, Padding::PKCS1).unwrap();
        OpenSsl { key, signature, wrapped }
    }

    fn run(&self) {
        let mut out = [0; 256];
        for _ in 0..2 {
            black_box(Signer::new(MessageDigest::sha256(), &self.key).unwrap().sign_oneshot_to_vec(&MESSAGE).unwrap());
            assert!(
                Verifier::new(MessageDigest::sha256(), &self.key).unwrap().verify_oneshot(&self.signature, &MESSAGE).unwrap()
            );
        }
        let rsa = self.key.rsa().unwrap();
        rsa.private_decrypt(&self.wrapped, &mut out, Padding::PKCS1).unwrap();
        rsa.public_encrypt(&[7; 16], black_box(&mut out), Padding::PKCS1).unwrap();
    }
}

fn main() {
    let rounds = 1_000;
    let desk = Desk::new(Provider::aws_lc_rs(&Os));
    check(&desk);
    let own = Desk::new(Provider::aws_lc_rs(&Os)).without_rsa();
    if std::env::args().any(|argument| argument == "--own-share") {
        // For a profiler: nothing but what this crate does itself.
        return (0..20_000).for_each(|_| drop(black_box(own.transaction())));
    }
    let peer = openssl_server::Server::new(desk.ca.as_der(), &pkcs8(CA_KEY), desk.ra.as_der(), &pkcs8(RA_KEY));
    let rustcrypto = Desk::new(Provider::rustcrypto(&Os));
    check(&rustcrypto);
    let (aws_lc, openssl) = (AwsLc::new(&pkcs8(RA_KEY)), OpenSsl::new(&pkcs8(RA_KEY)));

    println!("medians of {rounds} in turn, µs (OpenSSL {})", openssl::version::version());
    let [ours, theirs] = in_turn(rounds, || drop(desk.transaction()), || drop(peer.transaction(&desk.request)));
    println!("transaction           mdm-core with AWS-LC {ours:7.1}   OpenSSL CMS {theirs:7.1}   ratio {:.2}", ours / theirs);
    let [whole, floor] = in_turn(rounds, || drop(desk.transaction()), || aws_lc.run());
    println!("and its RSA           mdm-core with AWS-LC {whole:7.1}   AWS-LC alone {floor:6.1}   ratio {:.3}", whole / floor);
    let [whole, floor] = in_turn(rounds, || drop(peer.transaction(&desk.request)), || openssl.run());
    println!("and its RSA           OpenSSL CMS          {whole:7.1}   OpenSSL alone {floor:5.1}   ratio {:.3}", whole / floor);
    let rsa = rustcrypto.rsa();
    let [whole, floor] = in_turn(rounds / 10, || drop(rustcrypto.transaction()), || rsa.run());
    println!("and its RSA           mdm-core, RustCrypto {whole:7.1}   RustCrypto {floor:8.1}   ratio {:.3}", whole / floor);
    let [share, parse] = in_turn(rounds, || drop(own.transaction()), || drop(desk.parse_and_verify()));
    println!("all but RSA           mdm-core {share:19.1}   read and verify {parse:.1}");
}
