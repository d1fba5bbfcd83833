//! Whether the time of a secret comparison, and of opening a content key, tells what was secret: a statistical test in the manner of
//! dudect ("Dude, is my code constant time?", Reparaz, Balasch and Verbauwhede, 2017).
//!
//! ```text
//! cargo run --release --example constant_time -- [--backend rustcrypto|aws-lc-rs] [--measurements N]
//! ```
//!
//! Two classes of input take turns in random order; Welch's t-test says whether their times have one mean, over all times and over
//! those below several percentiles, since interruptions hit the slow ones; and a test of proportions says whether both classes have the
//! same share of the times below each percentile. A |t| above 10, three times in a row on fresh
//! measurements, is a leak. A clock on a shared machine sees differences of some nanoseconds in comparisons and some hundreds in RSA
//! operations; smaller ones it does not see.
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
//! a little more when the padding is wrong) and must find them. Exit code 0 when it finds those and no other.

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
    /// Whose primitives.
    #[arg(long, default_value = "rustcrypto")]
    backend: Backend,
    /// Times that are taken for each test of a comparison; a tenth of it for each test of an RSA operation.
    #[arg(long, default_value_t = 40_000)]
    measurements: usize,
}

#[derive(Clone, Copy, ValueEnum)]
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

impl Backend {
    fn provider(self) -> Result<Provider, Fail> {
        match self {
            #[cfg(feature = "rustcrypto")]
            Backend::Rustcrypto => Ok(Provider::rustcrypto(&Os)),
            #[cfg(feature = "aws-lc-rs")]
            Backend::AwsLcRs => Ok(Provider::aws_lc_rs(&Os)),
            #[allow(unreachable_patterns, reason = "with every feature nothing is missing")]
            missing => {
                let name = missing.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
                Err(format!("this build has no backend {name}; build it with `--features {name}`").into())
            }
        }
    }
}

/// Above it, two means are not one.
const LEAK: f64 = 10.0;
/// How often in a row.
const IN_A_ROW: usize = 3;
/// Percentiles, in tenths of a percent, up to which times are looked at besides all of them.
const CROPS: [usize; 8] = [10, 50, 100, 250, 500, 750, 900, 990];

/// A running mean and variance (Welford).
#[derive(Default)]
struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn add(&mut self, time: f64) {
        self.count += 1.0;
        let delta = time - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (time - self.mean);
    }

    fn variance_of_mean(&self) -> f64 {
        self.squares / (self.count - 1.0).max(1.0) / self.count.max(1.0)
    }
}

/// Welch's t between the classes, over the times up to a bound.
fn welch(times: &[(bool, f64)], bound: f64) -> f64 {
    let mut samples = [Sample::default(), Sample::default()];
    for (second, time) in times.iter().filter(|(_, time)| *time <= bound) {
        samples[usize::from(*second)].add(*time);
    }
    let [first, second] = &samples;
    if first.count < 100.0 || second.count < 100.0 {
        return 0.0;
    }
    (first.mean - second.mean) / (first.variance_of_mean() + second.variance_of_mean()).sqrt().max(f64::MIN_POSITIVE)
}

/// Whether both classes have the same share of times up to a bound: the z of two proportions. Where interruptions spread the slow
/// times, the fast ones still tell the classes apart.
fn proportions(times: &[(bool, f64)], bound: f64) -> f64 {
    let (mut all, mut below) = ([0.0; 2], [0.0; 2]);
    for (second, time) in times {
        all[usize::from(*second)] += 1.0;
        below[usize::from(*second)] += f64::from(u8::from(*time <= bound));
    }
    let share = (below[0] + below[1]) / (all[0] + all[1]);
    let variance = share * (1.0 - share) * (1.0 / all[0] + 1.0 / all[1]);
    if variance > 0.0 { (below[0] / all[0] - below[1] / all[1]) / variance.sqrt() } else { 0.0 }
}

/// The largest |t| of so many measurements; `operation` is told the class.
fn largest_t(measurements: usize, operation: &mut dyn FnMut(bool)) -> Result<f64, Fail> {
    let mut classes = vec![0; measurements];
    getrandom::fill(&mut classes)?;
    // The first times are those of cold caches.
    for class in classes.iter().take(measurements / 50) {
        operation(class & 1 == 1);
    }
    let mut times: Vec<(bool, f64)> = Vec::with_capacity(measurements);
    for class in classes {
        let second = class & 1 == 1;
        let begun = Instant::now();
        operation(second);
        times.push((second, begun.elapsed().as_nanos() as f64));
    }
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let bounds = CROPS.iter().filter_map(|crop| sorted.get(sorted.len() * crop / 1000)).copied();
    let judged = |bound| welch(&times, bound).abs().max(proportions(&times, bound).abs());
    Ok(bounds.chain([f64::INFINITY]).map(judged).fold(0.0, f64::max))
}

/// Whether there is a leak, and the smallest of the |t| that say so.
fn leaks(measurements: usize, operation: &mut dyn FnMut(bool)) -> Result<(bool, f64), Fail> {
    let mut least = f64::INFINITY;
    for _ in 0..IN_A_ROW {
        least = least.min(largest_t(measurements, operation)?);
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
        Ok(Envelopes { key, substitute: Secret::new(provider.random_bytes::<16>()?.to_vec()), first, second, turn: 0 })
    }

    /// Opens the next of a class; gives whether it was the substitute that came out.
    fn open(&mut self, second: bool) -> bool {
        self.turn = (self.turn + 1) % POOL;
        let wrapped = if second { &self.second[self.turn] } else { &self.first[self.turn] };
        let opened = self.key.unwrap_key(KeyTransport::RsaPkcs1, black_box(wrapped), self.substitute.clone());
        black_box(opened).is_ok_and(|opened| opened == self.substitute)
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

fn comparisons(measurements: usize) -> Result<bool, Fail> {
    let challenge: Vec<u8> = (0..1_024).map(|octet| (octet % 251) as u8).collect();
    let (early, late) = (wrong_at(&challenge, 0), wrong_at(&challenge, challenge.len() - 1));
    let expected = Secret::from(challenge.as_slice());
    let compare = |first: &[u8], second: &[u8]| {
        let guesses = [Secret::from(first), Secret::from(second)];
        leaks(measurements, &mut |class| {
            for _ in 0..REPEATED {
                black_box(black_box(&guesses[usize::from(class)]) == black_box(&expected));
            }
        })
    };
    let mut held = conclude("challenge compare", false, compare(&early, &late)?);
    held &= conclude("challenge compare, right", false, compare(&early, &challenge)?);
    let planted = leaks(measurements, &mut |class| {
        let guess = if class { &late } else { &early };
        for _ in 0..REPEATED {
            // What must not be done: it stops where the first difference is.
            black_box(black_box(guess).iter().zip(black_box(&challenge)).all(|(guess, octet)| guess == octet));
        }
    });
    held &= conclude("a comparison that stops early", true, planted?);
    Ok(held)
}

fn codes(provider: &Provider, measurements: usize) -> Result<bool, Fail> {
    let code = provider.digest(DigestAlgorithm::Sha512, b"message");
    let guesses = [wrong_at(code.as_ref(), 0), wrong_at(code.as_ref(), 63)];
    let outcome = leaks(measurements, &mut |class| {
        for _ in 0..REPEATED * 4 {
            black_box(black_box(&code).matches(black_box(&guesses[usize::from(class)])));
        }
    })?;
    Ok(conclude("authentication code", false, outcome))
}

fn unwrapping(provider: &Provider, measurements: usize) -> Result<bool, Fail> {
    let mut padding = Envelopes::new(provider, garbage)?;
    let mut length = Envelopes::new(provider, wrap::<24>)?;
    if padding.open(false) || !padding.open(true) || !length.open(true) {
        return Err("the classes of envelopes are not what they should be".into());
    }
    let mut held = conclude("unwrap, padding", false, leaks(measurements, &mut |class| _ = black_box(padding.open(class)))?);
    held &= conclude("unwrap, length", false, leaks(measurements, &mut |class| _ = black_box(length.open(class)))?);
    let noise = vec![0; 16_384];
    let planted = leaks(measurements, &mut |class| {
        // What must not be done: the failure costs a little more, some twentieth of the whole.
        if padding.open(class) {
            (0..16).for_each(|_| _ = black_box(provider.digest(DigestAlgorithm::Sha256, black_box(&noise))));
        }
    });
    held &= conclude("an unwrapping that tells by its time", true, planted?);
    Ok(held)
}

fn content(provider: &Provider, measurements: usize) -> Result<bool, Fail> {
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
    let outcome = leaks(measurements, &mut |class| {
        drop(black_box(provider.ciphers.decrypt(cipher, &key, &iv, black_box(&classes[usize::from(class)]))));
    })?;
    Ok(conclude("content padding", false, outcome))
}

fn run(arguments: &Arguments) -> Result<bool, Fail> {
    let provider = arguments.backend.provider()?;
    let few = (arguments.measurements / 10).max(1_000);
    let mut held = comparisons(arguments.measurements)?;
    held &= codes(&provider, arguments.measurements)?;
    held &= content(&provider, arguments.measurements)?;
    held &= unwrapping(&provider, few)?;
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
