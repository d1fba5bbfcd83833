//! Whether the time of a secret comparison, and of opening a content key, tells what was secret: a statistical test in the manner of
//! dudect ("Dude, is my code constant time?", Reparaz, Balasch and Verbauwhede, 2017).
//!
//! ```text
//! cargo run --release --features aws-lc-rs --example constant_time -- [--backend rustcrypto|aws-lc-rs] [--measurements N]
//! ```
//!
//! Two classes of input are measured in pairs, one right after the other and in random order, so that whatever slows the machine down slows
//! both; and both stand in the same memory when they are measured. Of the differences is asked whether as many are above zero as below (a
//! sign test, which a few interruptions cannot disturb) and whether their mean is zero (a t-test, over all of them and without the largest
//! tenth and hundredth, since a leak may show in rare cases only). A |t| above 10, three times in a row on fresh measurements, is a leak.
//! A clock on a shared machine sees differences of some nanoseconds in comparisons and of some hundreds in RSA operations; smaller ones it
//! does not see.
//!
//! | test | first class | second class |
//! |---|---|---|
//! | challenge compare | a guess that is wrong in its first octet | a guess that is wrong in its last |
//! | challenge compare, right | a guess that is wrong in its first octet | the challenge |
//! | authentication code | wrong in its first octet | wrong in its last |
//! | unwrap, padding | a content key of the right length | padding that is wrong |
//! | unwrap, length | a content key of the right length | a content key of another length |
//! | content padding | a last octet that no padding has | padding that is wrong in its first octet |
//!
//! The same harness is held against leaks that were planted (a comparison that stops at the first difference, an unwrapping that does
//! a little more when the padding is wrong) and must find them. Exit code 0 when it finds those and no other; 1 when it finds another, or
//! not those; 2 when it could not run.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Parser, ValueEnum};
use mdm_core::crypto::{
    ContentCipher, DecryptionKey, DigestAlgorithm, Error as CryptoError, KeyTransport, Provider, Random, SoftwareKey,
};
use mdm_core::secret::Secret;

type Fail = Box<dyn std::error::Error>;

/// A statistical test for leaks by time.
#[derive(Parser)]
struct Arguments {
    /// Whose primitives; all that are compiled in when none is named.
    #[arg(long)]
    backend: Option<Backend>,
    /// Pairs that are measured for each test of a comparison; a tenth of it for each test of an RSA operation.
    #[arg(long, default_value_t = 20_000)]
    measurements: usize,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Backend {
    Rustcrypto,
    AwsLcRs,
}

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

/// The providers that are asked for.
fn providers(asked: Option<Backend>) -> Vec<(&'static str, Provider)> {
    let all = [
        #[cfg(feature = "rustcrypto")]
        (Backend::Rustcrypto, "rustcrypto", Provider::rustcrypto(&Os)),
        #[cfg(feature = "aws-lc-rs")]
        (Backend::AwsLcRs, "aws-lc-rs", Provider::aws_lc_rs(&Os)),
    ];
    all.into_iter()
        .filter(|(backend, ..)| asked.is_none_or(|asked| asked == *backend))
        .map(|(_, name, provider)| (name, provider))
        .collect()
}

/// Above it, two classes are not one.
const LEAK: f64 = 10.0;
/// How often in a row.
const IN_A_ROW: usize = 3;
/// Shares of the differences, in hundredths, the smallest first, whose mean is looked at.
const CROPS: [usize; 3] = [90, 99, 100];

/// Nanoseconds.
fn time(run: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    run();
    begun.elapsed().as_nanos() as f64
}

/// How far the mean of these differences is from zero, in its standard errors.
fn t_of(differences: &[f64]) -> f64 {
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    mean / (squares / (count - 1.0) / count).sqrt().max(f64::MIN_POSITIVE)
}

/// How far the number of differences above zero is from that below, in standard deviations.
fn sign(differences: &[f64]) -> f64 {
    let above = differences.iter().filter(|difference| **difference > 0.0).count() as f64;
    let below = differences.iter().filter(|difference| **difference < 0.0).count() as f64;
    (above - below) / (above + below).sqrt().max(1.0)
}

/// The largest |t| of so many pairs; `operation` is told the class, and gives the time.
fn largest_t(pairs: usize, operation: &mut dyn FnMut(bool) -> f64) -> Result<f64, Fail> {
    let mut orders = vec![0; pairs];
    getrandom::fill(&mut orders)?;
    // The first times are those of cold caches.
    for order in orders.iter().take(pairs / 50) {
        operation(order & 1 == 1);
    }
    let mut differences: Vec<f64> = orders
        .into_iter()
        .map(|order| {
            let second_goes_first = order & 1 == 1;
            let (one, other) = (operation(second_goes_first), operation(!second_goes_first));
            if second_goes_first { one - other } else { other - one }
        })
        .collect();
    differences.sort_unstable_by(|one, other| one.abs().total_cmp(&other.abs()));
    let cropped = CROPS.iter().filter_map(|crop| differences.get(..pairs * crop / 100)).map(|kept| t_of(kept).abs());
    Ok(cropped.fold(sign(&differences).abs(), f64::max))
}

/// Whether there is a leak, and the smallest of the |t| that say so.
fn leaks(pairs: usize, operation: &mut dyn FnMut(bool) -> f64) -> Result<(bool, f64), Fail> {
    let mut least = f64::INFINITY;
    for _ in 0..IN_A_ROW {
        least = least.min(largest_t(pairs, operation)?);
        if least <= LEAK {
            return Ok((false, least));
        }
    }
    Ok((true, least))
}

/// Comparisons that one time is taken over.
const REPEATED: usize = 20;

/// A guess that differs from the challenge in one octet.
fn wrong_at(challenge: &[u8], at: usize) -> Vec<u8> {
    let mut guess = challenge.to_vec();
    guess[at] ^= 0x20;
    guess
}

/// Ciphertexts of content keys, of both classes, and the key that opens them.
struct Envelopes {
    key: SoftwareKey,
    substitute: Secret,
    first: Vec<Vec<u8>>,
    second: Vec<Vec<u8>>,
    turn: usize,
    /// Where the one stands that is opened next.
    next: Vec<u8>,
}

/// Ciphertexts of each class: one alone might be faster by what its number is.
const POOL: usize = 64;

impl Envelopes {
    fn new(provider: &Provider, second: impl Fn(&Provider, &SoftwareKey) -> Result<Vec<u8>, Fail>) -> Result<Envelopes, Fail> {
        let pem = include_str!("../tests/data/scep/ra.key");
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = provider.load(&Secret::new(STANDARD.decode(body)?))?;
        let first = (0..POOL).map(|_| wrap::<16>(provider, &key)).collect::<Result<_, _>>()?;
        let second = (0..POOL).map(|_| second(provider, &key)).collect::<Result<_, _>>()?;
        Ok(Envelopes {
            key,
            substitute: Secret::new(provider.random_bytes::<16>()?.to_vec()),
            first,
            second,
            turn: 0,
            next: Vec::new(),
        })
    }

    /// Chooses the next of a class.
    fn choose(&mut self, second: bool) {
        self.turn = (self.turn + 1) % POOL;
        let chosen = if second { &self.second[self.turn] } else { &self.first[self.turn] };
        self.next.clone_from(chosen);
    }

    /// Opens what was chosen; gives whether it was the substitute that came out.
    fn open(&self) -> bool {
        let opened = self.key.unwrap_key(KeyTransport::RsaPkcs1, black_box(&self.next), self.substitute.clone());
        black_box(opened).is_ok_and(|opened| opened == self.substitute)
    }

    /// Whether one of this class gives the substitute.
    fn gives_substitute(&mut self, second: bool) -> bool {
        self.choose(second);
        self.open()
    }
}

/// A content key of this length, encrypted.
fn wrap<const N: usize>(provider: &Provider, key: &SoftwareKey) -> Result<Vec<u8>, Fail> {
    let content_key = Secret::new(provider.random_bytes::<N>()?.to_vec());
    let public = DecryptionKey::public_key(key);
    Ok(provider.wrapping.wrap(KeyTransport::RsaPkcs1, public, &content_key, provider.random)?)
}

/// Something that opens to anything but padding: a number below the modulus.
fn garbage(provider: &Provider, key: &SoftwareKey) -> Result<Vec<u8>, Fail> {
    let mut wrapped = wrap::<16>(provider, key)?;
    let noise = provider.random_bytes::<64>()?;
    wrapped.iter_mut().rev().zip(noise).for_each(|(octet, noise)| *octet ^= noise | 1);
    Ok(wrapped)
}

/// Ends one test: a line, and whether the outcome is the expected one.
fn conclude(name: &str, planted: bool, (leak, t): (bool, f64)) -> bool {
    let verdict = match (planted, leak) {
        (false, false) => "no leak",
        (false, true) => "LEAK",
        (true, true) => "planted leak found",
        (true, false) => "PLANTED LEAK NOT FOUND",
    };
    println!("{name:<44} |t| {t:>8.2}  {verdict}");
    planted == leak
}

fn comparisons(pairs: usize) -> Result<bool, Fail> {
    let challenge: Vec<u8> = (0..1_024).map(|octet| (octet % 251) as u8).collect();
    let (early, late) = (wrong_at(&challenge, 0), wrong_at(&challenge, challenge.len() - 1));
    let expected = Secret::from(challenge.as_slice());
    let compare = |first: &[u8], second: &[u8]| {
        leaks(pairs, &mut |class| {
            let guess = Secret::from(if class { second } else { first });
            time(|| (0..REPEATED).for_each(|_| _ = black_box(black_box(&guess) == black_box(&expected))))
        })
    };
    let mut held = conclude("challenge compare", false, compare(&early, &late)?);
    held &= conclude("challenge compare, right", false, compare(&early, &challenge)?);
    let mut guess = early.clone();
    let planted = leaks(pairs, &mut |class| {
        guess.copy_from_slice(if class { &late } else { &early });
        // What must not be done: it stops where the first difference is.
        let stops_early = || black_box(&guess).iter().zip(black_box(&challenge)).all(|(guess, octet)| guess == octet);
        time(|| (0..REPEATED).for_each(|_| _ = black_box(stops_early())))
    });
    held &= conclude("a comparison that stops early", true, planted?);
    Ok(held)
}

fn codes(provider: &Provider, pairs: usize) -> Result<bool, Fail> {
    let code = provider.digest(DigestAlgorithm::Sha512, b"message");
    let guesses = [wrong_at(code.as_ref(), 0), wrong_at(code.as_ref(), 63)];
    let mut guess = guesses[0].clone();
    let outcome = leaks(pairs, &mut |class| {
        guess.copy_from_slice(&guesses[usize::from(class)]);
        time(|| (0..REPEATED * 4).for_each(|_| _ = black_box(black_box(&code).matches(black_box(&guess)))))
    })?;
    Ok(conclude("authentication code", false, outcome))
}

fn unwrapping(provider: &Provider, pairs: usize) -> Result<bool, Fail> {
    let mut padding = Envelopes::new(provider, garbage)?;
    let mut length = Envelopes::new(provider, wrap::<24>)?;
    if padding.gives_substitute(false) || !padding.gives_substitute(true) || !length.gives_substitute(true) {
        return Err("the classes of envelopes are not what they should be".into());
    }
    let opened = |envelopes: &mut Envelopes, class| {
        envelopes.choose(class);
        time(|| _ = black_box(envelopes.open()))
    };
    let mut held = conclude("unwrap, padding", false, leaks(pairs, &mut |class| opened(&mut padding, class))?);
    held &= conclude("unwrap, length", false, leaks(pairs, &mut |class| opened(&mut length, class))?);
    let noise = vec![0; 16_384];
    let planted = leaks(pairs, &mut |class| {
        padding.choose(class);
        time(|| {
            // What must not be done: the failure costs a little more, some tenth of the whole.
            if padding.open() {
                (0..8).for_each(|_| _ = black_box(provider.digest(DigestAlgorithm::Sha256, black_box(&noise))));
            }
        })
    });
    held &= conclude("an unwrapping that tells by its time", true, planted?);
    Ok(held)
}

fn content(provider: &Provider, pairs: usize) -> Result<bool, Fail> {
    let (cipher, key, iv) = (ContentCipher::Aes128Cbc, Secret::new(vec![7; 16]), [9; 16]);
    // A block more of padding than the cipher adds of itself, so that it is the content's last block that is judged.
    let sealed = |last: [u8; 16]| -> Result<Vec<u8>, Fail> {
        let mut plain = vec![0x41; 1_024];
        plain.extend(last);
        let mut sealed = provider.ciphers.encrypt(cipher, &key, &iv, &plain)?;
        sealed.truncate(sealed.len() - 16);
        Ok(sealed)
    };
    let mut wrong_first = [16; 16];
    wrong_first[0] = 15;
    let mut no_padding = [16; 16];
    no_padding[15] = 0x99;
    let classes = [sealed(no_padding)?, sealed(wrong_first)?];
    if classes.iter().any(|sealed| provider.ciphers.decrypt(cipher, &key, &iv, sealed).is_ok()) {
        return Err("the classes of padding are not what they should be".into());
    }
    let mut next = classes[0].clone();
    let outcome = leaks(pairs, &mut |class| {
        next.copy_from_slice(&classes[usize::from(class)]);
        time(|| drop(black_box(provider.ciphers.decrypt(cipher, &key, &iv, black_box(&next)))))
    })?;
    Ok(conclude("content padding", false, outcome))
}

fn run(arguments: &Arguments) -> Result<bool, Fail> {
    let providers = providers(arguments.backend);
    if providers.is_empty() {
        return Err("this build has no such backend; `--features aws-lc-rs` builds both".into());
    }
    let few = (arguments.measurements / 10).max(1_000);
    let mut held = comparisons(arguments.measurements)?;
    for (name, provider) in providers {
        println!("{name}:");
        held &= codes(&provider, arguments.measurements)?;
        held &= content(&provider, arguments.measurements)?;
        held &= unwrapping(&provider, few)?;
    }
    Ok(held)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("constant_time: {error}");
            ExitCode::from(2)
        }
    }
}
