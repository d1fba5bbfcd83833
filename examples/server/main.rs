//! The reference host: mdm-core behind HTTP, with one SQLite file.
//!
//! ```text
//! cargo run --release --example server -- --listen 127.0.0.1:8080 --data DIR --challenge SECRET
//! ```
//!
//! | path | what |
//! |---|---|
//! | `GET`, `POST /scep` | SCEP (RFC 8894): AES and SHA-256 only |
//! | `GET`, `POST /scep/legacy` | the same for clients that speak single DES and SHA-1, by named policy |
//! | `PUT /mdm` | check-in and command channel, told apart by Content-Type; identity from the Mdm-Signature header |
//! | `GET /enroll` | an enrollment profile |
//! | `/t/{tenant}/scep`, `/mdm`, `/enroll` | the same for other tenants than the default one |
//! | `GET /ca.pem`, `GET /ca/{generation}.pem` | the authority's certificate, and earlier ones |
//! | `GET /crl`, `GET /crl/{generation}`, `GET` and `POST /ocsp` | what is revoked |
//! | `/admin/...` | what an operator does (`admin/mod.rs`); behind the bearer token that is printed at first start |
//!
//! `wire.rs` is connections and bodies, `routes.rs` which path is what; `host.rs` is what a host decides with, `store` its database.
//! The rest has the names of the protocol: `authority`, `lifecycle`, `revocation`, `scep`, `mdm`, `push`.

mod admin;
mod authority;
mod failure;
mod host;
mod keys;
mod lifecycle;
mod maintenance;
mod mdm;
mod push;
mod records;
mod revocation;
mod routes;
mod scep;
mod store;
mod tenant;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use mdm_core::push::RetryPolicy;
use mdm_core::secret::Secret;

use host::{Config, Host};
use push::apns::Apns;

/// The reference host of mdm-core.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The folder that holds the database; it is made when it is not there.
    #[arg(long)]
    data: PathBuf,
    /// The SCEP challenge that devices of the default tenant must know.
    #[arg(long)]
    challenge: String,
    /// How devices reach this server; http:// and the listening address when absent.
    #[arg(long)]
    url: Option<String>,
    /// A tenant besides the default one; it is made when it is not there. May be given several times.
    #[arg(long)]
    tenant: Vec<String>,
    /// Where pushes go: `apple`, or the URL of another APNs. Without it, pushes stay owed.
    #[arg(long)]
    apns: Option<String>,
    /// The authorities that the certificate of APNs must come from, as PEM.
    #[arg(long, default_value = "/etc/ssl/certs/ca-certificates.crt")]
    apns_ca: PathBuf,
    /// Seconds before a push is repeated that APNs could not take; it doubles each time. Apple asks for 900.
    #[arg(long, default_value_t = 900)]
    push_retry: u32,
    /// Mebibytes that the database may take; without a bound when absent.
    #[arg(long, default_value_t = 0)]
    max_database: u32,
    /// A backup of the authority to begin a new database with.
    #[arg(long, requires = "restore_password_file")]
    restore: Option<PathBuf>,
    /// The file that holds the password of the backup.
    #[arg(long)]
    restore_password_file: Option<PathBuf>,
}

/// Decisions that are made at once. Each blocks its thread until it is on the disk, and those that come together share one commit.
const DECIDING_AT_ONCE: usize = 128;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(DECIDING_AT_ONCE).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(Arguments::parse())),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    // Both TLS clients of this program use the one provider that it is built with.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err("another TLS provider is installed".into());
    }
    std::fs::create_dir_all(&arguments.data)
        .map_err(|error| format!("cannot make the data folder {}: {error}", arguments.data.display()))?;
    let apns = arguments.apns.as_deref().map(|url| {
        let roots = std::fs::read(&arguments.apns_ca);
        let roots = roots.map_err(|error| format!("--apns-ca {}: {error}", arguments.apns_ca.display()))?;
        Apns::new((url != "apple").then_some(url), &roots)
    });
    let mut retry = RetryPolicy::default();
    (retry.server_error, retry.too_many) = (arguments.push_retry, arguments.push_retry);
    let config = Config {
        challenge: Secret::from(arguments.challenge),
        url: arguments.url.unwrap_or_else(|| format!("http://{}", arguments.listen)),
        retry,
        max_mib: arguments.max_database,
        restore: match (arguments.restore, arguments.restore_password_file) {
            (Some(backup), Some(password)) => Some(lifecycle::Backup::read(&backup, &password)?),
            _ => None,
        },
    };
    let host = Host::open(&arguments.data.join("mdm.sqlite"), config, apns.transpose()?, &arguments.tenant)?;
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    println!("listening on http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let maintaining = tokio::spawn(maintenance::run(host.clone()));
    let waking = host.apns.is_some().then(|| tokio::spawn(push::waking::run(host.clone())));
    wire::serve(listener, routes::router(host), stop_signal()).await;
    maintaining.abort();
    if let Some(waking) = waking {
        waking.abort();
    }
    println!("stopped");
    Ok(())
}

async fn stop_signal() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            eprintln!("error: cannot listen for SIGTERM: {error}");
            return;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
