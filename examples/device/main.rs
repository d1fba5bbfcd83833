//! Simulated devices that live with a server over HTTP: they enrol over SCEP, check in, answer commands, put them off, repeat
//! themselves, break off in the middle, renew their certificates, and wait for a server that was killed to come back.
//!
//! ```text
//! cargo run --release --example device -- --server http://127.0.0.1:8080 --challenge SECRET \
//!   [--admin-token TOKEN] [--count N] [--parallel N] [--seconds N] [--patience N] [--state DIR]
//! ```
//!
//! `--server` given several times names the nodes of one server: each message goes to the next of them, as behind a load balancer that
//! knows nothing of them.
//!
//! A device takes its enrollment profile from `/enroll` and follows it. With the admin token an operator takes part, who queues
//! commands and audits at the end what the server has on record. Each device goes through every kind of visit at least once,
//! however short the time is.
//!
//! At the end stand the latencies and errors of each kind of message. Errors on the way (connections lost, a server that is busy or
//! away) are counted and the device comes again; the exit code is 0 when every device got through and all of this held:
//!
//! - a device that asks again in the same transaction gets the same certificate, and no two devices get the same serial number;
//! - a command whose answer was taken never comes again, and one that was put off does not come at once again;
//! - every command that was queued is handed out and answered, and no entitled device is refused;
//! - with the admin token: every certificate that a device holds and every answer that was taken is on the server's record.
//!
//! `--state DIR` keeps for each device, in a folder named by its UDID: `device.json` (from which the next run goes on), `key.pem`,
//! `certificates/SERIAL.pem` (all that it ever held), and, one line each, `queued` (commands that the server has confirmed),
//! `carried-out` and `answered` (commands whose answer the server has taken), each before the next message is sent.
//!
//! `device.rs` is what a device says, `life.rs` what it goes through, `wire.rs` HTTP, `operator.rs` the other side.

mod device;
mod files;
mod life;
mod operator;
#[path = "../shared/os.rs"]
mod os;
mod tally;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use mdm_core::crypto::Provider;
use reqwest::Url;
use tokio::sync::Semaphore;

use crate::device::{Device, Record};
use crate::files::Files;
use crate::life::{Life, Place};
use crate::operator::Operator;
use crate::os::Os;
use crate::tally::Tally;
use crate::wire::Wire;

/// Any failure.
pub type Fail = Box<dyn std::error::Error + Send + Sync>;
/// An outcome.
pub type Result<T> = std::result::Result<T, Fail>;

/// Simulated devices that live with an MDM server.
#[derive(Parser)]
struct Arguments {
    /// Where the server is: http://host:port. Given several times: its nodes, which take turns.
    #[arg(long, required = true)]
    server: Vec<Url>,
    /// The SCEP challenge.
    #[arg(long)]
    challenge: String,
    /// The bearer token of /admin; without it no commands are queued and nothing is audited.
    #[arg(long)]
    admin_token: Option<String>,
    /// How many devices.
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// How many of them talk at a time.
    #[arg(long, default_value_t = 8)]
    parallel: usize,
    /// For how many seconds they go on when each has been through everything.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// For how many seconds a device waits for a server that is away.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Where each device keeps what it has; a later run goes on with them.
    #[arg(long)]
    state: Option<PathBuf>,
}

/// The fastest that is compiled in: making keys is most of what a simulated device does.
#[cfg(feature = "aws-lc-rs")]
fn provider() -> Provider {
    Provider::aws_lc_rs(&Os)
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> Provider {
    Provider::rustcrypto(&Os)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("device: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything held.
async fn run(arguments: Arguments) -> Result<bool> {
    if arguments.server.iter().any(|server| server.scheme() != "http" || server.cannot_be_a_base()) {
        return Err("--server takes http://host:port".into());
    }
    let server = arguments.server.first().ok_or("--server takes http://host:port")?.clone();
    let tally = Arc::new(Tally::default());
    let wire = Wire::new(tally.clone(), Duration::from_secs(arguments.patience), arguments.server)?;
    let operator = arguments.admin_token.map(|token| Operator::new(wire.clone(), server.clone(), token));
    let mut place = Place::learn(&wire, &server, arguments.challenge, provider()).await?;
    place.operator = operator;
    let place = Arc::new(place);

    let devices = devices(arguments.count, arguments.state.as_deref())?;
    let bar = progress(devices.len());
    let (through, turn) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(arguments.parallel.max(1))));
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let lives = devices.into_iter().enumerate().map(|(number, device)| {
        let life = Life::new(number, device, place.clone(), wire.clone());
        let (through, turn, tally) = (through.clone(), turn.clone(), tally.clone());
        tokio::spawn(async move { life.live(until, &turn, &through, &tally).await })
    });
    let lives: Vec<_> = lives.collect();
    while lives.iter().any(|life| !life.is_finished()) {
        bar.set_position(through.load(Ordering::Relaxed) as u64);
        bar.set_message(tally.line());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut lived = Vec::new();
    for life in lives {
        lived.push(life.await?);
    }
    bar.finish_and_clear();
    audit(&place, &lived, &tally).await;
    print!("{}", tally.table());
    let broken = tally.broken();
    broken.iter().take(20).for_each(|what| eprintln!("did not hold: {what}"));
    if broken.len() > 20 {
        eprintln!("... and {} more", broken.len() - 20);
    }
    Ok(broken.is_empty())
}

/// The devices of the state folder, and new ones until there are enough.
fn devices(count: usize, state: Option<&std::path::Path>) -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    if let Some(folder) = state {
        std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let mut known: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| entry.map(|it| it.path())).collect::<std::io::Result<_>>()?;
        known.sort();
        for path in known.into_iter().filter(|path| path.join("device.json").exists()).take(count) {
            let (files, record) = Files::open(path)?;
            devices.push(Device::known(record, Some(files)));
        }
    }
    let mut run = [0; 4];
    getrandom::fill(&mut run)?;
    for number in devices.len()..count {
        let udid = format!("{:08X}-{number:016X}", u32::from_be_bytes(run));
        let files = state.map(|folder| Files::make(folder.join(&udid))).transpose()?;
        devices.push(Device::known(Record::new(udid), files));
    }
    Ok(devices)
}

fn progress(devices: usize) -> ProgressBar {
    let bar = ProgressBar::new(devices as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} devices been through everything, {msg}")
    {
        bar.set_style(style);
    }
    bar
}

/// What no device can see alone.
async fn audit(place: &Place, lived: &[Device], tally: &Tally) {
    let mut holders = std::collections::HashMap::new();
    for device in lived {
        for certificate in &device.record.certificates {
            if let Some(other) = holders.insert(certificate.serial().to_string(), certificate)
                && other != certificate
            {
                tally.broke(format!("serial number {} was given twice", certificate.serial()));
            }
        }
    }
    if let Some(operator) = &place.operator
        && let Err(error) = operator.audit(lived, tally).await
    {
        tally.broke(format!("the audit did not come to an end: {error}"));
    }
}
