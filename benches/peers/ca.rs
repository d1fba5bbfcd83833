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

use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile, Responder};
use mdm_core::crypto::DigestAlgorithm::Sha1;
use mdm_core::crypto::{Digest, Error, KeyKind, Legacy, Provider, PublicKey, SignatureAlgorithm, SigningKey, SoftwareKey};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::ocsp::{CertId, Issuer, Nonce, RequestTemplate};
use mdm_core::x509::{
    CrlNumber, CrlTemplate, CsrTemplate, KeyIdentifier, Name, ProvenCsr, RevocationReason, RevokedEntry, SerialNumber,
};

mod openssl_authority;
#[path = "../transaction/mod.rs"]
mod transaction;
use transaction::{Os, in_turn};

/// Signs in no time, what is no signature: what is left is this crate's own share.
#[derive(Debug)]
struct Free(PublicKey);

impl SigningKey for Free {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: SignatureAlgorithm, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![0x5A; 71])
    }

    fn sign_digest(&self, _: SignatureAlgorithm, _: &Digest) -> Result<Vec<u8>, Error> {
        Ok(vec![0x5A; 71])
    }

    fn checks_itself(&self) -> bool {
        true
    }
}

struct Ours {
    provider: Provider,
    authority: Authority,
    secret: Secret,
    key: SoftwareKey,
    csr: ProvenCsr,
    profile: Profile,
    now: Timestamp,
}

impl Ours {
    fn new() -> Self {
        let provider = Provider::aws_lc_rs(&Os);
        let now = Timestamp::from(std::time::SystemTime::now());
        let secret = provider.generate(KeyKind::P256).unwrap();
        let key = provider.load(&secret).unwrap();
        let creation = Creation::new("builtin", "Example", SigningKey::public_key(&key).clone());
        let created = Authority::create(&creation, now, &provider).unwrap().record;
        let authority = created.to_be_signed(now, &provider).unwrap().unwrap().sign_with(&key).unwrap().record;
        let device = provider.load(&provider.generate(KeyKind::Rsa(2048)).unwrap()).unwrap();
        let subject = Name::builder().organization("Example").common_name("Device 7").build().unwrap();
        let csr = CsrTemplate::new(subject, SigningKey::public_key(&device).clone());
        let csr = csr.to_be_signed(SigningKey::algorithm(&device), &provider).unwrap().sign_with(&device).unwrap();
        let csr = csr.verify(&provider, Legacy::NONE).unwrap();
        let mut profile = Profile::device_identity();
        profile.crl_uris = vec!["http://ca.example.com/crl/{key}.crl".into()];
        profile.ocsp_uris = vec!["http://ca.example.com/ocsp".into()];
        Ours { provider, authority, secret, key, csr, profile, now }
    }

    fn issue(&self, key: &dyn SigningKey) -> CertificateRecord {
        let request = IssuanceRequest::new(&self.csr, "transaction 7", &self.profile);
        let reserved = self.authority.reserve(&request, None, self.now, &self.provider).unwrap();
        reserved.sign_with(key).unwrap().record
    }

    fn answer(&self, responder: &Responder, record: &CertificateRecord, question: &[u8], key: &dyn SigningKey) -> Vec<u8> {
        responder.respond(question, |_| Some(record), &[key], self.now, &self.provider)
    }

    fn template(&self) -> CrlTemplate {
        let issuer = self.authority.certificate().unwrap();
        CrlTemplate {
            issuer: issuer.subject().clone(),
            this_update: self.now,
            next_update: self.now.plus_days(7),
            number: CrlNumber::new(7),
            base: None,
            authority_key_identifier: KeyIdentifier::of(issuer.public_key(), &self.provider),
            distribution_point: None,
            freshest: vec![],
        }
    }

    fn list(&self, entries: u64) -> usize {
        let (key, algorithm) = (SigningKey::public_key(&self.key), SigningKey::algorithm(&self.key));
        let list = self.template().to_be_signed(self.entries(entries), key, algorithm, &self.provider);
        list.unwrap().sign_with(&self.key).unwrap().as_der().len()
    }

    /// The same, handed over piece by piece.
    fn stream(&self, entries: u64) -> usize {
        let (key, algorithm) = (SigningKey::public_key(&self.key), SigningKey::algorithm(&self.key));
        let mut measure = self.template().measure(key, algorithm).unwrap();
        self.entries(entries).for_each(|entry| measure.push(&entry).unwrap());
        let mut writer = measure.writer(&self.provider);
        let mut length = 0;
        for entry in self.entries(entries) {
            writer.push(&entry).unwrap();
            if let Some(piece) = writer.piece() {
                length += piece.len();
                writer.written();
            }
        }
        length + writer.finish().unwrap().sign_with(&self.key).unwrap().tail.len()
    }

    fn entries(&self, entries: u64) -> impl Iterator<Item = RevokedEntry> {
        let now = self.now;
        (0..entries).map(move |number| {
            let serial = SerialNumber::from_bytes(&serial(number)).unwrap();
            RevokedEntry::new(serial, now).because(RevocationReason::Superseded)
        })
    }
}

/// The serial number of an entry: sixteen octets in no order.
pub fn serial(number: u64) -> [u8; 16] {
    let mixed = u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 62;
    ((mixed & !(1 << 127)) | (1 << 126) | u128::from(number)).to_be_bytes()
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--entries").skip(1);
    let entries: u64 = arguments.next().map_or(1_000_000, |number| number.parse().expect("a number of entries"));
    let ours = Ours::new();
    let certificate = ours.authority.certificate().unwrap().clone();
    let peer = openssl_authority::Authority::new(certificate.as_der(), ours.secret.expose(), ours.csr.public_key().as_der());
    let free = Free(SigningKey::public_key(&ours.key).clone());
    let record = ours.issue(&ours.key);
    let issuer = Issuer::of(&certificate, &ours.provider);
    let ids = vec![CertId::new(Sha1, &issuer, record.serial())];
    let question = RequestTemplate { ids, nonce: Some(Nonce::new([7; 32])) }.to_der().unwrap();
    let responder = ours.authority.responder(&ours.provider).unwrap();

    let rounds = 4_000;
    println!("tenth percentiles of {rounds} in turn, µs (OpenSSL {})", openssl::version::version());
    let print = |what: &str, [ours, theirs]: [f64; 2]| {
        println!("{what:<22} mdm-core with AWS-LC {ours:9.1}   OpenSSL {theirs:9.1}   ratio {:.2}", ours / theirs);
    };
    let times = in_turn(rounds, || drop(black_box(ours.issue(&ours.key))), || drop(black_box(peer.issue())));
    print("certificate, P-256", times);
    let times = in_turn(
        rounds,
        || drop(black_box(ours.answer(&responder, &record, &question, &ours.key))),
        || drop(black_box(peer.answer(&question))),
    );
    print("OCSP answer, P-256", times);
    let [issue, answer] = in_turn(
        rounds,
        || drop(black_box(ours.issue(&free))),
        || drop(black_box(ours.answer(&responder, &record, &question, &free))),
    );
    println!("all but the signature  certificate {issue:.1}   OCSP answer {answer:.1}");

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
