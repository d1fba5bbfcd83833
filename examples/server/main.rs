//! The reference host: mdm-core behind HTTP, with one SQLite file, or as several nodes over one database of PostgreSQL.
//!
//! ```text
//! cargo run --release --example server -- --listen 127.0.0.1:8080 --data DIR --challenge SECRET
//! cargo run --release --example server -- --listen 127.0.0.1:8081 --database postgres://mdm@127.0.0.1/mdm --url http://mdm.example --challenge SECRET
//! ```
//!
//! | path | what |
//! |---|---|
//! | `GET`, `POST /scep` | SCEP (RFC 8894): AES and SHA-256 only |
//! | `GET`, `POST /scep/legacy` | the same for clients that speak single DES and SHA-1, by named policy |
//! | `POST /scep/challenge` | a challenge for who asks as Jamf Pro's webhook does |
//! | `PUT /mdm` | check-in and command channel, told apart by Content-Type; identity from the Mdm-Signature header |
//! | `GET /enroll` | an enrollment profile |
//! | `/t/{tenant}/scep`, `/mdm`, `/enroll` | the same for other tenants than the default one |
//! | `GET /ca.pem`, `GET /ca/{generation}.pem` | the authority's certificate, and earlier ones |
//! | `GET /crl`, `GET /crl/{generation}`, `GET` and `POST /ocsp` | what is revoked |
//! | `/admin/...` | what an operator does (`admin/mod.rs`); behind the bearer token that is printed at first start |
//!
//! `wire.rs` is connections and bodies, `routes.rs` which path is what; `host.rs` is what a host decides with, `store` its database, the
//! same for SQLite and PostgreSQL.
//! The rest has the names of the protocol: `authority`, `lifecycle`, `revocation`, `scep`, `mdm`, `push`.

mod admin;
mod authority;
mod failure;
mod host;
mod keys;
mod kept;
mod lifecycle;
mod maintenance;
mod mdm;
#[path = "../shared/os.rs"]
mod os;
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
use mdm_core::web::Endpoint;

use authority::Registration;
use host::{Config, Host};
use push::apns::Apns;
use store::{Address, Place};
use tenant::{Account, ChallengePolicy, Service};

/// The reference host of mdm-core.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The folder that holds the database, a file of SQLite; it is made when it is not there.
    #[arg(long, required_unless_present = "database", conflicts_with = "database")]
    data: Option<PathBuf>,
    /// A database of PostgreSQL in its place, in UTF8, which several of these servers may share: postgres://USER@HOST:PORT/DATABASE. This
    /// example speaks to it without TLS: over loopback, a Unix socket or a network of your own.
    #[arg(long)]
    database: Option<String>,
    /// The file that holds the password for that database.
    #[arg(long, requires = "database")]
    database_password_file: Option<PathBuf>,
    /// What first SCEP requests of the default tenant are held against.
    #[arg(long, value_enum, default_value_t = ChallengeKind::Static)]
    challenges: ChallengeKind,
    /// The secret that all devices know, of the kind `static`.
    #[arg(long)]
    challenge: Option<String>,
    /// The service of the kinds `webhook`, `intune`, `ndes` and `jamf`.
    #[arg(long)]
    challenge_url: Option<String>,
    /// What that service knows this server as: a name, or the webhook's identifier.
    #[arg(long, default_value = "")]
    challenge_user: String,
    /// The file that holds the password, token or webhook secret for that service.
    #[arg(long)]
    challenge_secret_file: Option<PathBuf>,
    /// The authorities that the certificates of such services, and of SCEP servers behind this one, must come from, as PEM.
    #[arg(long, default_value = "/etc/ssl/certs/ca-certificates.crt")]
    trust: PathBuf,
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
    /// Mebibytes that the file of SQLite may take; without a bound when absent.
    #[arg(long, default_value_t = 0, conflicts_with = "database")]
    max_database: u32,
    /// With how many certificates a new authority answers SCEP.
    #[arg(long, value_enum, default_value_t = Registration::Two)]
    ra: Registration,
    /// Seconds by which this server's clock is ahead of the system's, to see what it does in years. Its peers' clocks stay.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,
    /// A backup of the authority to begin a new database with.
    #[arg(long, requires = "restore_password_file")]
    restore: Option<PathBuf>,
    /// The file that holds the password of the backup.
    #[arg(long)]
    restore_password_file: Option<PathBuf>,
}

/// The kinds of challenges, by the names of `tenant::ChallengePolicy`.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ChallengeKind {
    /// Whoever asks gets a certificate.
    None,
    /// One secret for everybody.
    Static,
    /// Good for one certificate: in each profile another, and those that `/admin` issues.
    OneTime,
    /// Good for one name and a day: in each profile another, and those that `/admin` issues.
    Bound,
    /// A service decides that speaks the webhooks of Smallstep.
    Webhook,
    /// Intune decides.
    Intune,
    /// The admin page of NDES makes those of profiles.
    Ndes,
    /// A service that answers Jamf Pro's webhook makes those of profiles.
    Jamf,
}

impl Arguments {
    fn challenge_policy(&self) -> Result<ChallengePolicy, String> {
        let service = || {
            let url = self.challenge_url.as_deref().ok_or("this kind of --challenges needs a service: --challenge-url")?;
            let url = Endpoint::allowing_http(url).map_err(|error| format!("--challenge-url: {error}"))?;
            let secret = match &self.challenge_secret_file {
                Some(file) => lifecycle::read_secret(file)?,
                None => Secret::default(),
            };
            Ok::<_, String>(Service { url, account: Account { user: self.challenge_user.clone(), secret } })
        };
        Ok(match self.challenges {
            ChallengeKind::None => ChallengePolicy::None,
            ChallengeKind::Static => {
                let secret = self.challenge.as_deref().filter(|secret| !secret.is_empty());
                let secret = secret.ok_or("--challenges static, the default, needs the secret: --challenge SECRET")?;
                ChallengePolicy::Static { secret: Secret::from(secret) }
            }
            ChallengeKind::OneTime => ChallengePolicy::OneTime,
            ChallengeKind::Bound => ChallengePolicy::Bound,
            ChallengeKind::Webhook => ChallengePolicy::Webhook(service()?),
            ChallengeKind::Intune => ChallengePolicy::Intune(service()?),
            ChallengeKind::Ndes => ChallengePolicy::Ndes(service()?),
            ChallengeKind::Jamf => ChallengePolicy::Jamf(service()?),
        })
    }

    fn place(&self) -> Result<Place, String> {
        if let Some(folder) = &self.data {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("cannot make the data folder {}: {error}", folder.display()))?;
            return Ok(Place::File(folder.join("mdm.sqlite"), self.max_database));
        }
        let password = self.database_password_file.as_deref().map(lifecycle::read_secret).transpose()?;
        let url = self.database.as_deref().unwrap_or_default();
        let address = Address::parse(url, password.as_ref()).map_err(|error| format!("--database: {error}"))?;
        Ok(Place::Postgres(Box::new(address)))
    }

    /// None where the system keeps no such file: services over TLS are not reached then.
    fn roots(&self) -> Result<Vec<reqwest::Certificate>, String> {
        match std::fs::read(&self.trust) {
            Ok(pem) => reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| format!("--trust: {error}")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(format!("--trust {}: {error}", self.trust.display())),
        }
    }
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
    host::set_clock(arguments.clock_offset);
    let place = arguments.place()?;
    let apns = arguments.apns.as_deref().map(|url| {
        let roots = std::fs::read(&arguments.apns_ca);
        let roots = roots.map_err(|error| format!("--apns-ca {}: {error}", arguments.apns_ca.display()))?;
        Apns::new((url != "apple").then_some(url), &roots)
    });
    let mut retry = RetryPolicy::default();
    (retry.server_error, retry.too_many) = (arguments.push_retry, arguments.push_retry);
    let config = Config {
        challenge: arguments.challenge_policy()?,
        roots: arguments.roots()?,
        url: arguments.url.unwrap_or_else(|| format!("http://{}", arguments.listen)),
        retry,
        registration: arguments.ra,
        restore: match (arguments.restore, arguments.restore_password_file) {
            (Some(backup), Some(password)) => Some(lifecycle::Backup::read(&backup, &password)?),
            _ => None,
        },
    };
    let apns = apns.transpose()?;
    let opening = tokio::task::spawn_blocking(move || Host::open(&place, config, apns, &arguments.tenant));
    let host = opening.await.map_err(|error| error.to_string())??;
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
