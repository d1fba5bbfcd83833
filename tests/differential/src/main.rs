//! What this crate accepts and what OpenSSL accepts agree, over damaged certificates, revocation lists and CMS messages; where they do not,
//! `reasons.tsv` says why.
//!
//! ```text
//! cargo run --release --manifest-path tests/differential/Cargo.toml            # counts; fails at a disagreement without a reason
//! cargo run --release --manifest-path tests/differential/Cargo.toml -- --all   # every disagreement, with its reason
//! ```
//!
//! Good artefacts of the project are damaged in one place each: every element is dropped, doubled, swapped, given another tag or form or
//! content, and octets are flipped. What a signature covers is damaged and signed anew as well, so that the damage and not the signature is
//! judged. Both sides say whether they take the result, and what they read from it.

mod house;
mod judges;
mod mutate;

use std::collections::BTreeMap;
use std::process::ExitCode;

use house::{Fail, House, der, good_attributes, pair, sign_attributes, sign_part, signed_part};
use judges::Verdict;
use mutate::mutations;
use openssl::pkey::PKey;
use openssl::x509::X509;

/// Why the two may disagree, from `reasons.tsv`: the question, who refuses, words of the refusal, the reason.
struct Reason {
    question: &'static str,
    refuses: &'static str,
    words: &'static str,
    reason: &'static str,
    used: usize,
}

fn reasons() -> Vec<Reason> {
    let lines = include_str!("../reasons.tsv").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let reason = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().expect("four columns");
        Reason { question: next(), refuses: next(), words: next(), reason: next(), used: 0 }
    };
    lines.map(reason).collect()
}

#[derive(Default)]
struct Tally {
    both_take: usize,
    both_refuse: usize,
    explained: usize,
    unexplained: usize,
}

struct Court {
    reasons: Vec<Reason>,
    tallies: BTreeMap<&'static str, Tally>,
    all: bool,
}

impl Court {
    fn judge(&mut self, question: &'static str, what: &str, here: &Verdict, there: &Verdict) {
        let tally = self.tallies.entry(question).or_default();
        let (refuses, words) = match (here, there) {
            (Verdict::Takes(one), Verdict::Takes(other)) if one == other => return tally.both_take += 1,
            (Verdict::Refuses(_), Verdict::Refuses(_)) => return tally.both_refuse += 1,
            (Verdict::Refuses(words), Verdict::Takes(_)) => ("mdm-core", words.clone()),
            (Verdict::Takes(_), Verdict::Refuses(words)) => ("OpenSSL", words.clone()),
            (Verdict::Takes(one), Verdict::Takes(other)) => ("nobody", format!("{one} / {other}")),
        };
        let fits = |reason: &&mut Reason| {
            [question, "any"].contains(&reason.question) && reason.refuses == refuses && words.contains(reason.words)
        };
        match self.reasons.iter_mut().find(fits) {
            Some(reason) => {
                reason.used += 1;
                tally.explained += 1;
                if self.all {
                    println!("{question}: {what}: {refuses} refuses ({words}): {}", reason.reason);
                }
            }
            None => {
                tally.unexplained += 1;
                println!("DISAGREEMENT, {question}: {what}: {refuses} refuses: {words}");
            }
        }
    }
}

/// A file of `tests/data`.
macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!("../../data/", $name)).as_slice()
    };
    (text $name:literal) => {
        include_str!(concat!("../../data/", $name))
    };
}

fn certificates(court: &mut Court, house: &House) -> Result<(), Fail> {
    let older = [("leaf.pem", der(data!(text "x509/leaf.pem"))?), ("v1.pem", der(data!(text "x509/v1.pem"))?)];
    for (name, good) in older.iter().map(|(name, good)| (*name, good.as_slice())).chain([("leaf", house.leaf.as_der())]) {
        for (damage, bytes) in mutations(good) {
            let (here, there) = (judges::certificate_here(&bytes), judges::certificate_there(&bytes));
            court.judge("certificate", &format!("{name}, {damage}"), &here, &there);
        }
    }
    let root = X509::from_der(house.root.as_der())?;
    for (damage, part) in mutations(&signed_part(house.leaf.as_der())?) {
        let leaf = sign_part(&part, &house.authority_key)?;
        let here = judges::path_here(&leaf, house.authority.as_der(), &house.root);
        let there = judges::path_there(&leaf, house.authority.as_der(), &root);
        court.judge("path", &format!("leaf signed anew, {damage}"), &here, &there);
    }
    for (damage, part) in mutations(&signed_part(house.authority.as_der())?) {
        let authority = sign_part(&part, &house.root_key)?;
        let here = judges::path_here(house.leaf.as_der(), &authority, &house.root);
        let there = judges::path_there(house.leaf.as_der(), &authority, &root);
        court.judge("path", &format!("authority signed anew, {damage}"), &here, &there);
    }
    Ok(())
}

fn lists(court: &mut Court, house: &House) -> Result<(), Fail> {
    for (name, good) in [("v1.crl", data!("x509/v1.crl")), ("v2.crl", data!("x509/v2.crl")), ("list", &house.list)] {
        for (damage, bytes) in mutations(good) {
            let (here, there) = (judges::list_here(&bytes), judges::list_there(&bytes));
            court.judge("list", &format!("{name}, {damage}"), &here, &there);
        }
    }
    let [root, authority, leaf] = [&house.root, &house.authority, &house.leaf].map(|certificate| X509::from_der(certificate.as_der()));
    let (root, authority, leaf) = (root?, authority?, leaf?);
    let file = std::env::temp_dir().join(format!("mdm-core-differential-{}.crl", std::process::id()));
    for (damage, part) in mutations(&signed_part(&house.list)?) {
        let list = sign_part(&part, &house.authority_key)?;
        let here = judges::standing_here(&list, &house.leaf, &house.authority);
        let there = judges::standing_there(&list, &leaf, &authority, &root, &file);
        court.judge("standing", &format!("list signed anew, {damage}"), &here, &there);
    }
    Ok(std::fs::remove_file(&file)?)
}

fn signed(court: &mut Court) -> Result<(), Fail> {
    let messages = [
        ("ec.der", data!("cms/ec.der")),
        ("keyid.der", data!("cms/keyid.der")),
        ("two-signers.der", data!("cms/two-signers.der")),
        ("stream.ber", data!("cms/stream.ber")),
        ("no-certificates.der", data!("cms/no-certificates.der")),
    ];
    for (name, good) in messages {
        for (damage, bytes) in mutations(good) {
            let (here, there) = (judges::signed_here(&bytes), judges::signed_there(&bytes));
            court.judge("signed", &format!("{name}, {damage}"), &here, &there);
        }
    }
    let (key, certificate) = pair(data!(text "cms/ec.key"), data!(text "cms/ec.pem"))?;
    let content = data!("cms/content.txt");
    for (damage, attributes) in mutations(&good_attributes(content)) {
        if attributes.is_empty() {
            continue;
        }
        let message = sign_attributes(content, &attributes, &key, &certificate)?;
        let (here, there) = (judges::signed_here(&message), judges::signed_there(&message));
        court.judge("attributes", &format!("attributes signed anew, {damage}"), &here, &there);
    }
    Ok(())
}

fn enveloped(court: &mut Court) -> Result<(), Fail> {
    let rsa = [data!(text "cms/rsa.key"), data!(text "cms/rsa.pem")];
    let ec = [data!(text "cms/ec.key"), data!(text "cms/ec.pem")];
    let messages = [
        ("aes128.der", data!("cms/aes128.der"), rsa),
        ("aes256-stream.ber", data!("cms/aes256-stream.ber"), rsa),
        ("keyid-recipient.der", data!("cms/keyid-recipient.der"), rsa),
        ("oaep-sha256.der", data!("cms/oaep-sha256.der"), rsa),
        ("gcm-aes128.der", data!("cms/gcm-aes128.der"), rsa),
        ("ecdh-sha256.der", data!("cms/ecdh-sha256.der"), ec),
    ];
    for (name, good, [key, certificate]) in messages {
        let ours = pair(key, certificate)?;
        let theirs = (PKey::private_key_from_pem(key.as_bytes())?, X509::from_pem(certificate.as_bytes())?);
        for (damage, bytes) in mutations(good) {
            let here = judges::opened_here(&bytes, &ours.0, &ours.1);
            let there = judges::opened_there(&bytes, &theirs.0, &theirs.1);
            court.judge("enveloped", &format!("{name}, {damage}"), &here, &there);
        }
    }
    Ok(())
}

fn run() -> Result<bool, Fail> {
    openssl::init();
    let mut court =
        Court { reasons: reasons(), tallies: BTreeMap::new(), all: std::env::args().any(|argument| argument == "--all") };
    let house = House::new()?;
    certificates(&mut court, &house)?;
    lists(&mut court, &house)?;
    signed(&mut court)?;
    enveloped(&mut court)?;
    println!("{:<12} {:>8} {:>12} {:>20} {:>15}", "question", "both take", "both refuse", "differ with a reason", "differ without");
    let mut held = true;
    for (question, tally) in &court.tallies {
        let Tally { both_take, both_refuse, explained, unexplained } = tally;
        println!("{question:<12} {both_take:>9} {both_refuse:>12} {explained:>20} {unexplained:>15}");
        held &= *unexplained == 0 && *both_take > 0;
    }
    for reason in &court.reasons {
        println!("{:>6} times: {}, {} refuses \"{}\": {}", reason.used, reason.question, reason.refuses, reason.words, reason.reason);
        if reason.used == 0 {
            println!("STALE: this reason explains nothing any more");
            held = false;
        }
    }
    Ok(held)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::from(2)
        }
    }
}
