//! A SCEP client: from a URL, a fingerprint and a challenge to a certificate.
//!
//! ```text
//! cargo run --release --example enroll -- --url http://ca.example.com/scep --fingerprint 5F3A... --challenge SECRET \
//!     --name "Device 7" --key device.key --certificate device.pem
//! ```
//!
//! It asks what the server can do, fetches its certificates and keeps those that the fingerprint vouches for, makes a key when there is none,
//! asks for a certificate, and polls while the server has not decided. `--renew` asks with the certificate that is there. What a server that
//! knows no better needs is named with `--peer`; without it, nothing below AES-128 and SHA-256 is spoken.

#[path = "shared/os.rs"]
mod os;

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use clap::Parser;
use mdm_core::crypto::{DigestAlgorithm, KeyKind, Provider, SigningKey, SoftwareKey};
use mdm_core::limits::Limits;
use mdm_core::scep::{CaCertificates, Capabilities, Operation, Peer, Recipient, client, media_type};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, CsrTemplate, Name, Validity};

use os::Os;

type Failure = Box<dyn Error>;

/// A SCEP client (RFC 8894).
#[derive(Parser)]
struct Arguments {
    /// The server's URL, without a query.
    #[arg(long)]
    url: String,
    /// The fingerprint of the CA's certificate in hexadecimal, as its administrator gave it: SHA-256, SHA-384 or SHA-512.
    #[arg(long)]
    fingerprint: String,
    /// The challenge; none when the server asks for none, or to renew.
    #[arg(long)]
    challenge: Option<String>,
    /// The common name to ask for.
    #[arg(long)]
    name: String,
    /// The file of the private key, in PEM; it is made when it is not there.
    #[arg(long)]
    key: PathBuf,
    /// Where the certificate goes, in PEM.
    #[arg(long)]
    certificate: PathBuf,
    /// Ask for a new certificate with the one in `--certificate`.
    #[arg(long)]
    renew: bool,
    /// Where the server's pinned certificates go, in PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// What the server is forgiven: strict, micromdm, ndes or jscep.
    #[arg(long, default_value = "strict")]
    peer: String,
    /// The server's name for the CA, where it has several.
    #[arg(long)]
    identifier: Option<String>,
    /// Send requests by GET, whatever the server says that it can do.
    #[arg(long)]
    get: bool,
    /// The longest wait between two polls, in seconds.
    #[arg(long, default_value_t = 3600)]
    longest_wait: u64,
    /// How often to poll before giving up.
    #[arg(long, default_value_t = 100)]
    polls: u32,
    /// Certificates in PEM to trust for https.
    #[arg(long)]
    tls_root: Option<PathBuf>,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(&Arguments::parse()).await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let provider = Provider::rustcrypto(&Os);
    let peer = peer(&arguments.peer)?;
    let http = Http::new(arguments)?;
    let server = http.server(arguments, peer, &provider).await?;
    let key = load_or_make_key(&arguments.key, &provider)?;
    let csr = request(arguments, &key, &provider)?;
    let mut enrollment = match arguments.renew {
        true => client::Enrollment::renewal(csr, Certificate::from_pem(fs::read(&arguments.certificate)?)?, &provider)?,
        false => {
            let signer = client::Enrollment::self_signed(&csr, a_day(), &provider)?.sign_with(&key)?;
            client::Enrollment::first(csr, signer, &provider)?
        }
    };
    for _ in 0..=arguments.polls {
        let (sent, message) = enrollment.request(&server, &provider)?;
        let reply = http.pki_operation(message.sign_with(&key)?, !arguments.get && server.algorithms().post).await?;
        match sent.receive(&reply, &server, &provider)? {
            client::Outcome::Granted(granted) => {
                let recipient = Recipient { certificate: enrollment.signer(), key: &key };
                let issued = granted.open(&recipient)?.certificate;
                fs::write(&arguments.certificate, issued.to_pem())?;
                println!("issued: {} serial {} until {}", issued.subject(), issued.serial(), issued.validity().not_after);
                return Ok(());
            }
            client::Outcome::Denied { fail_info, text } => {
                return Err(format!("denied: {fail_info:?} {}", text.as_deref().unwrap_or_default().escape_debug()).into());
            }
            client::Outcome::Pending => {
                let wait = u64::from(enrollment.waiting()).min(arguments.longest_wait);
                eprintln!("pending: asking again in {wait} s");
                tokio::time::sleep(Duration::from_secs(wait)).await;
            }
        }
    }
    Err("the server has not decided".into())
}

fn peer(name: &str) -> Result<Peer, Failure> {
    match name {
        "strict" => Ok(Peer::STRICT),
        "micromdm" => Ok(Peer::micromdm_server()),
        "ndes" => Ok(Peer::ndes()),
        "jscep" => Ok(Peer::jscep_server()),
        _ => Err("peers are strict, micromdm, ndes and jscep".into()),
    }
}

/// The request, with the challenge where there is one.
fn request(arguments: &Arguments, key: &SoftwareKey, provider: &Provider) -> Result<mdm_core::x509::Csr, Failure> {
    let subject = Name::builder().common_name(&arguments.name).build()?;
    let mut template = CsrTemplate::new(subject, SigningKey::public_key(key).clone());
    template.challenge = arguments.challenge.as_deref().map(Secret::from);
    Ok(template.to_be_signed(key.algorithm(), provider)?.sign_with(key)?)
}

/// How long the certificate that signs a first request is good.
fn a_day() -> Validity {
    let now = Timestamp::from(std::time::SystemTime::now());
    Validity { not_before: now.plus_seconds(-300), not_after: now.plus_days(1) }
}

const PRIVATE_KEY: &str = "PRIVATE KEY";

fn load_or_make_key(path: &Path, provider: &Provider) -> Result<SoftwareKey, Failure> {
    let base64 = base64::engine::general_purpose::STANDARD;
    if path.exists() {
        let text = fs::read_to_string(path)?;
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        return Ok(provider.load(&Secret::new(base64.decode(body)?))?);
    }
    let pkcs8 = provider.generate(KeyKind::Rsa(2048))?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    // Nobody else reads the key, from the first moment on.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "-----BEGIN {PRIVATE_KEY}-----")?;
    for line in base64.encode(pkcs8.expose()).as_bytes().chunks(64) {
        file.write_all(line)?;
        file.write_all(b"\n")?;
    }
    writeln!(file, "-----END {PRIVATE_KEY}-----")?;
    Ok(provider.load(&pkcs8)?)
}

/// The server at the other end of HTTP.
struct Http {
    client: reqwest::Client,
    url: String,
}

/// More than any answer of a SCEP server.
const MAX_ANSWER: usize = 1 << 20;

impl Http {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        // One provider for the whole program; a second call would change nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder =
            reqwest::Client::builder().timeout(Duration::from_secs(30)).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &arguments.tls_root {
            for certificate in Certificate::all_from_pem(fs::read(path)?)? {
                builder = builder.add_root_certificate(reqwest::Certificate::from_der(certificate.as_der())?);
            }
        }
        Ok(Http { client: builder.build()?, url: arguments.url.clone() })
    }

    /// What the server can do, and those of its certificates that the fingerprint vouches for.
    async fn server(&self, arguments: &Arguments, peer: Peer, provider: &Provider) -> Result<client::Server, Failure> {
        let identifier = || arguments.identifier.clone();
        // A server that does not know the operation has no capabilities; what that means the policy says.
        let capabilities = match self.get(&Operation::GetCaCaps { identifier: identifier() }).await {
            Ok(body) => Capabilities::parse(&body),
            Err(error) => {
                eprintln!("no capabilities: {error}");
                Capabilities::default()
            }
        };
        let body = self.get(&Operation::GetCaCert { identifier: identifier() }).await?;
        let certificates = CaCertificates::parse(&body, &Limits::PKI)?;
        for certificate in certificates.as_slice() {
            eprintln!("offered: {} {:?}", certificate.subject(), certificate.fingerprint(provider, DigestAlgorithm::Sha256));
        }
        let pinned = certificates.pin(&unhex(&arguments.fingerprint)?, provider, &peer)?;
        if let Some(path) = &arguments.ca {
            fs::write(path, pinned.as_slice().iter().map(Certificate::to_pem).collect::<String>())?;
        }
        Ok(client::Server::new(pinned, capabilities, peer)?)
    }

    async fn pki_operation(&self, message: Vec<u8>, post: bool) -> Result<Vec<u8>, Failure> {
        if !post {
            return self.get(&Operation::PkiOperation { message: Some(message) }).await;
        }
        let url = format!("{}?{}", self.url, Operation::PkiOperation { message: None }.to_query());
        let request = self.client.post(url).header("content-type", media_type::PKI_MESSAGE).body(message);
        read(request.send().await?).await
    }

    async fn get(&self, operation: &Operation) -> Result<Vec<u8>, Failure> {
        read(self.client.get(format!("{}?{}", self.url, operation.to_query())).send().await?).await
    }
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    if !response.status().is_success() {
        return Err(format!("the server answers {}", response.status()).into());
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ANSWER {
            return Err("the answer is longer than any of SCEP".into());
        }
    }
    Ok(body)
}

/// Hexadecimal as administrators write it: in either case, with colons or spaces.
fn unhex(text: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::from_str_radix(&format!("{high}{low}"), 16).map_err(|_| "the fingerprint is not hexadecimal"),
        _ => Err("the fingerprint has an odd number of digits"),
    });
    Ok(pairs.collect::<Result<_, _>>()?)
}
