//! What a host with millions of devices stores, reads and writes, and what its authority costs: the decisions of the crate, driven
//! message by message, over a host that keeps everything in memory and over one with PostgreSQL.
//!
//! ```text
//! cargo run --release --features aws-lc-rs --example scale -- [--enrollments N] [--renewed PERCENT] [--database postgres://...] [--json]
//! ```
//!
//! Each device gets a certificate, says `Authenticate` and `TokenUpdate`, is queued a command, asks for it and answers; some renew their
//! certificate and speak under the new one, which revokes the old. Then the authority makes its lists, whole, in parts and as a delta, and
//! answers for certificates over OCSP. Nothing is left out but what strangers' keys do: requests are proven once, and messages come
//! without signatures. Every record is stored as JSON, written only over the revision that was read, and every event appended, by the
//! example server's own store where there is PostgreSQL (its database must be empty).
//!
//! The figures are of one thread, and linear in the number of devices, but for those of lists, which say how many entries they have;
//! the last table multiplies them to ten million devices and a million certificates a day. With `--database`, both hosts must come to the
//! same counts, or the program fails.
//!
//! `desk.rs` is what a host offers, `memory.rs` and `database.rs` the two, `device.rs` and `authority.rs` what is decided, `table.rs` what
//! is printed.

mod authority;
mod database;
mod desk;
mod device;
#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../server/kept.rs"]
mod kept;
mod memory;
#[path = "../shared/os.rs"]
mod os;
#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../server/store/mod.rs"]
mod store;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use mdm_core::crypto::Provider;

use crate::database::Database;
use crate::desk::{Host, Tally};
use crate::device::Place;
use crate::memory::Memory;
use crate::os::Os;
use crate::table::Report;

/// Any failure.
pub type Fail = Box<dyn std::error::Error + Send + Sync>;
/// An outcome.
pub type Result<T> = std::result::Result<T, Fail>;

/// What a host with millions of devices stores, reads and writes.
#[derive(Parser)]
struct Arguments {
    /// How many devices enrol, each with a certificate.
    #[arg(long, default_value_t = 20_000)]
    enrollments: u32,
    /// How many in a hundred renew theirs, so that the old one is revoked.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    renewed: u32,
    /// An empty database of PostgreSQL, to do it all there as well: postgres://USER@HOST:PORT/DATABASE.
    #[arg(long)]
    database: Option<String>,
    /// One object on standard output in place of the tables.
    #[arg(long)]
    json: bool,
}

/// The fastest that is compiled in.
const fn provider() -> Provider {
    #[cfg(feature = "aws-lc-rs")]
    return Provider::aws_lc_rs(&Os);
    #[cfg(not(feature = "aws-lc-rs"))]
    return Provider::rustcrypto(&Os);
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let memory = simulate(arguments, &mut Memory::default())?;
    let database = match &arguments.database {
        Some(url) => Some(simulate(arguments, &mut Database::open(url)?)?),
        None => None,
    };
    if let Some(database) = &database
        && database.tally.counts() != memory.tally.counts()
    {
        return Err(
            format!("the two hosts did not do the same:\n{:?}\n{:?}", memory.tally.counts(), database.tally.counts()).into()
        );
    }
    if arguments.json {
        println!("{}", table::json(&memory, database.as_ref()));
    } else {
        print!("{}", table::text(&memory, database.as_ref()));
    }
    Ok(())
}

/// Everything, over one host.
fn simulate(arguments: &Arguments, host: &mut impl Host) -> Result<Report> {
    let provider = provider();
    let mut tally = Tally::default();
    let begun = Instant::now();
    let authority = authority::begin(host, &mut tally, &provider)?;
    let place = Place::new(authority, provider)?;
    let mut renewed = Vec::new();
    for number in 0..arguments.enrollments {
        let certificate = device::enrol(host, &mut tally, &place, number)?;
        if number % 100 < arguments.renewed {
            renewed.push(*device::renew(host, &mut tally, &place, number, &certificate)?.serial());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let lists = authority::lists(host, &mut tally, &place, &renewed, device::moment(arguments.enrollments))?;
    let stored = host.stored(&tally)?;
    Ok(Report { host: host.name(), devices: arguments.enrollments, seconds, tally, lists, stored })
}
