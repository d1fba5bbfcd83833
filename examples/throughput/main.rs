//! How many operations a second one thread does, what each allocates, and how much of the time is the crate's own.
//!
//! ```text
//! cargo run --release --example throughput -- WORKLOAD [--backend rustcrypto|aws-lc-rs] [--seconds N] [--json]
//! ```
//!
//! | workload | one operation |
//! |---|---|
//! | `check-in` | a `TokenUpdate` of 2 kB read into its type and decided upon |
//! | `report` | the answer to `DeviceInformation` read, decided upon, and the next command handed out |
//! | `apps` | an `InstalledApplicationList` of 4,000 applications (2.5 MB) read into its type |
//! | `mdm-signature` | the signature over a body read from its header and verified, RSA-2048 |
//! | `scep` | a PKCSReq received, opened, authorized, its certificate reserved and signed, and the CertRep made; all keys RSA-2048 |
//! | `scep-p256` | the same where the authority's key is on P-256; RA and device have RSA-2048, as SCEP wants it |
//! | `issue`, `issue-p256` | a certificate for a proven request reserved and signed, by an authority with RSA-2048 or P-256 |
//! | `crl` | a revocation list of 1,000,000 entries planned, encoded and signed, RSA-2048 |
//! | `ocsp-p256` | an OCSP request with a nonce read, answered and signed, P-256 |
//! | `wake` | the request to APNs that wakes a device |
//!
//! Key operations (sign, verify, open and seal a content key; a signature's own digest is part of it) are timed one by one through
//! wrappers around the provider and the keys; what is left is the crate's own share. Counting is part of every figure: it costs
//! some ten nanoseconds for each allocation and fifty for each key operation. `--backend aws-lc-rs` needs `--features aws-lc-rs`.
//! `--operations N` does exactly so many instead of measuring the time, for `tests/real/instructions.sh`.
//!
//! With `--json` the one line on standard output is an object with these keys, all numbers but the first three: `workload`,
//! `backend`, `version`, `seconds`, `operations`, `operations_per_second`, `microseconds_per_operation`, `input_bytes`,
//! `megabytes_per_second`, `allocations_per_operation`, `allocated_bytes_per_operation`, `key_operations_per_operation`,
//! `key_microseconds_per_operation`, `own_microseconds_per_operation`, `own_allocations_per_operation`,
//! `own_allocated_bytes_per_operation`, `fastest_microseconds_per_operation` and `fastest_own_microseconds_per_operation`: of the
//! fastest batch of about 5 ms, which on a busy machine is the one that nobody else took time from.

mod authority;
mod counted;
mod measure;
mod messages;
#[path = "../shared/os.rs"]
mod os;
#[path = "../../benches/sample/mod.rs"]
mod sample;
mod scep;

use std::alloc::System;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Parser, ValueEnum};
use mdm_core::crypto::Provider;
use mdm_core::time::Timestamp;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::authority::Owner;
use crate::measure::{Measured, Workload};
#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
use crate::os::Os;

/// Counts every allocation of the program.
#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Any failure.
pub type Fail = Box<dyn std::error::Error>;
/// An outcome.
pub type Result<T> = std::result::Result<T, Fail>;

/// Operations per second of one thread, with allocations and the crate's own share.
#[derive(Parser)]
struct Arguments {
    /// What to do over and over.
    workload: Name,
    /// Whose primitives.
    #[arg(long, default_value = "rustcrypto")]
    backend: Backend,
    /// For how long.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Exactly so many operations instead, after two to warm up: for a count of instructions.
    #[arg(long)]
    operations: Option<u64>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    CheckIn,
    Report,
    Apps,
    MdmSignature,
    Scep,
    ScepP256,
    Issue,
    IssueP256,
    Crl,
    OcspP256,
    Wake,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Rustcrypto,
    AwsLcRs,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("from 0.01 to 86400 seconds".into()),
    }
}

impl Backend {
    fn provider(self) -> Result<Provider> {
        match self {
            #[cfg(feature = "rustcrypto")]
            Backend::Rustcrypto => Ok(Provider::rustcrypto(&Os)),
            #[cfg(feature = "aws-lc-rs")]
            Backend::AwsLcRs => Ok(Provider::aws_lc_rs(&Os)),
            #[allow(unreachable_patterns, reason = "with every feature nothing is missing")]
            missing => {
                let name = name(missing);
                Err(format!("this build has no backend {name}; build it with `--features {name}`").into())
            }
        }
    }
}

/// The name on the command line.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn prepare(workload: Name, provider: &Provider) -> Result<Workload> {
    let now = Timestamp::from(SystemTime::now());
    match workload {
        Name::CheckIn => messages::check_in(),
        Name::Report => messages::report(),
        Name::Apps => messages::applications(),
        Name::MdmSignature => messages::mdm_signature(provider, now),
        Name::Wake => messages::wake(),
        Name::Scep => scep::transaction(provider, Owner::Authority, now),
        Name::ScepP256 => scep::transaction(provider, Owner::AuthorityOnP256, now),
        Name::Issue => authority::issue(provider, Owner::Authority, now),
        Name::IssueP256 => authority::issue(provider, Owner::AuthorityOnP256, now),
        Name::Crl => authority::crl(provider, now),
        Name::OcspP256 => authority::ocsp(provider, now),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let provider = counted::provider(arguments.backend.provider()?);
    let workload = prepare(arguments.workload, &provider)?;
    let measured = match arguments.operations {
        Some(operations) => measure::exactly(workload, operations.max(1))?,
        None => measure::run(workload, Duration::from_secs_f64(arguments.seconds))?,
    };
    if arguments.json {
        println!("{}", measured.to_json(&name(arguments.workload), &name(arguments.backend)));
    } else {
        print(&measured, &name(arguments.workload), &name(arguments.backend));
    }
    Ok(())
}

fn print(measured: &Measured, workload: &str, backend: &str) {
    let each = measured.each();
    println!("{workload}, {backend}: {:.0} operations/s, one thread, {:.2} s", each.per_second, measured.time.as_secs_f64());
    println!("  time         {:>12.2} µs each, of which {:.2} µs are the crate's own", each.micros, each.own_micros);
    println!(
        "  fastest      {:>12.2} µs each, of which {:.2} µs are the crate's own",
        each.fastest_micros, each.fastest_own_micros
    );
    println!("  allocations  {:>12.1} each, {:.1} of them the crate's own", each.allocations, each.own_allocations);
    println!("  allocated    {:>12.0} bytes each, {:.0} of them the crate's own", each.bytes, each.own_bytes);
    println!("  keys         {:>12.1} operations each, {:.2} µs", each.key_operations, each.key_micros);
    if measured.input > 0 {
        println!("  input        {:>12} bytes each, {:.1} MB/s", measured.input, each.megabytes_per_second);
    }
}
