//! A SCEP server whose private keys are elsewhere: in an HSM, in a KMS. Here "elsewhere" is a child process of this very program, which
//! makes the keys of the CA and of its two RAs, one that signs and one that decrypts, keeps them, and does two things for whoever holds the
//! other end of its standard input: it signs, and it decrypts content keys. The parent, which is the server, never has a private key of its
//! own in memory.
//!
//! ```text
//! cargo run --example kms_signer                                      a device enrols in memory
//! cargo run --example kms_signer -- --listen 127.0.0.1:8083 --challenge SECRET     SCEP over HTTP at /scep
//! ```
//!
//! CA and RAs are new with every start. GetCACert hands out the RA that signs, the RA that decrypts, and the CA.
//!
//! ```text
//! parent                                                      child
//! tbs.algorithm(), tbs.bytes() ───── sign ca rsa-sha256 … ──► signs
//! tbs.complete(signature) ◄───────── octets ─────────────────
//! received.content_key_request() ─── open opener … ─────────► decrypts, or substitutes
//! received.open_with_key(key) ◄───── octets ─────────────────
//! ```
//!
//! Every signature that comes back is verified before it is used ([`ToBeSigned::complete`]), so that a service that errs, or answers with
//! another key, is noticed. The child answers a content key that does not open with random octets, as [`DecryptionKey::unwrap_key`] does;
//! a service that reports an error instead is answered with `open_with_key(None)`, which ends alike.

#[path = "shared/os.rs"]
mod os;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Parser;
use mdm_core::cms;
use mdm_core::crypto::{
    DecryptionKey, KeyKind, KeyTransport, Provider, PublicKey, SignatureAlgorithm, SigningKey, SoftwareKey, ToBeSigned,
};
use mdm_core::limits::Limits;
use mdm_core::scep::{
    CaCertificates, Capabilities, Capability, Challenge, FailInfo, Operation, Peer, Received, Recipient, Refused, Reply,
    Request, client, media_type,
};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, CsrTemplate, Extensions, KeyUsage, Name, PathRules, SerialNumber,
    Validity, verify_path,
};

use os::Os;

type Failure = Box<dyn Error>;

/// A SCEP server whose keys are in another process.
#[derive(Parser)]
struct Arguments {
    /// Serve SCEP over HTTP here, at /scep; without it a device enrols in memory.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The challenge that devices must know.
    #[arg(long, default_value = "open sesame")]
    challenge: String,
    /// Be the child.
    #[arg(long, hide = true)]
    hold_keys: bool,
}

fn main() -> Result<(), Failure> {
    let provider = Provider::rustcrypto(&Os);
    let arguments = Arguments::parse();
    if arguments.hold_keys {
        return hold_keys(&provider);
    }
    let server = Server::start(Secret::from(arguments.challenge.as_str()), provider)?;
    match arguments.listen {
        Some(address) => listen(server, address),
        None => demonstrate(server, &arguments.challenge),
    }
}

// --- the child -------------------------------------------------------------------------------------------------------------------

/// Answers one line with one line until the input ends. The keys are made here and never written anywhere.
fn hold_keys(provider: &Provider) -> Result<(), Failure> {
    let mut keys = HashMap::new();
    for name in ["ca", "ra", "opener"] {
        keys.insert(name, provider.load(&provider.generate(KeyKind::Rsa(2048))?)?);
    }
    for line in stdin().lock().lines() {
        let answer = answer(&line?, &keys, provider)?;
        writeln!(stdout(), "{}", hex(&answer))?;
        stdout().flush()?;
    }
    Ok(())
}

fn answer(line: &str, keys: &HashMap<&str, SoftwareKey>, provider: &Provider) -> Result<Vec<u8>, Failure> {
    let mut words = line.split(' ');
    let mut word = || words.next().ok_or("a request is a verb, a key and its operands");
    let (verb, name) = (word()?, word()?);
    let key = keys.get(name).ok_or("there is no such key")?;
    match verb {
        "public" => Ok(SigningKey::public_key(key).as_der().to_vec()),
        "sign" => {
            let algorithm = algorithm_of(word()?)?;
            Ok(key.sign(algorithm, &unhex(word()?)?)?)
        }
        "open" => {
            let mut substitute = vec![0; word()?.parse::<usize>()?.min(32)];
            provider.random.fill(&mut substitute)?;
            let opened = key.unwrap_key(KeyTransport::RsaPkcs1, &unhex(word()?)?, Secret::new(substitute))?;
            Ok(opened.expose().to_vec())
        }
        _ => Err("verbs are public, sign and open".into()),
    }
}

/// The names of signature algorithms between the two processes.
const ALGORITHMS: [(&str, SignatureAlgorithm); 3] = [
    ("rsa-sha256", SignatureAlgorithm::RsaSha256),
    ("rsa-sha384", SignatureAlgorithm::RsaSha384),
    ("rsa-sha512", SignatureAlgorithm::RsaSha512),
];

fn algorithm_of(name: &str) -> Result<SignatureAlgorithm, Failure> {
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    found.ok_or_else(|| "there is no such algorithm".into())
}

// --- the parent ------------------------------------------------------------------------------------------------------------------

/// The other end of the child's pipes. An HSM's session or a KMS's client would stand here.
struct KeyService {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl KeyService {
    fn start() -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("--hold-keys").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let from = BufReader::new(child.stdout.take().ok_or("the child has no output")?);
        Ok(KeyService { to: child.stdin.take(), from, child })
    }

    fn ask(&mut self, request: &str) -> Result<Vec<u8>, Failure> {
        let to = self.to.as_mut().ok_or("the child was sent away")?;
        writeln!(to, "{request}")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        unhex(line.trim_end())
    }

    fn public_key(&mut self, name: &str) -> Result<PublicKey, Failure> {
        Ok(PublicKey::from_der(&self.ask(&format!("public {name}"))?)?)
    }

    /// The two phases of every signature in this program.
    fn sign<T>(&mut self, name: &str, tbs: ToBeSigned<T>) -> Result<T, Failure> {
        // A reply is signed with the digest of its request, which is the client's choice.
        let algorithm = ALGORITHMS.iter().find(|(_, algorithm)| *algorithm == tbs.algorithm()).map(|(name, _)| *name);
        let algorithm = algorithm.ok_or("the service signs with RSA over SHA-2 only")?;
        let signature = self.ask(&format!("sign {name} {algorithm} {}", hex(tbs.bytes())))?;
        Ok(tbs.complete(&signature)?)
    }

    /// Sends the child away, and waits until it is gone.
    fn finish(mut self) -> Result<(), Failure> {
        self.to = None;
        if self.child.wait()?.success() { Ok(()) } else { Err("the child failed".into()) }
    }
}

/// CA and RAs, as the parent knows them: certificates.
struct Server {
    ca: Certificate,
    /// Signs replies.
    ra: Certificate,
    /// Decrypts requests.
    opener: Certificate,
    certificates: CaCertificates,
    challenge: Secret,
    provider: Provider,
    keys: KeyService,
}

impl Server {
    fn start(challenge: Secret, provider: Provider) -> Result<Self, Failure> {
        let mut keys = KeyService::start()?;
        let ca_key = keys.public_key("ca")?;
        let extensions =
            Extensions::new().with(&BasicConstraints::authority(Some(0))).with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
        let ca = CertificateTemplate {
            serial: SerialNumber::random(provider.random)?,
            issuer: name("Example CA")?,
            subject: name("Example CA")?,
            validity: validity(),
            public_key: ca_key.clone(),
            extensions,
            authority_key_identifier: None,
        };
        let ca = keys.sign("ca", ca.to_be_signed(&ca_key, SignatureAlgorithm::RsaSha256, &provider)?)?;
        let mut issue = |key: &str, subject: &str, usage: KeyUsage| -> Result<Certificate, Failure> {
            let public_key = keys.public_key(key)?;
            keys.sign("ca", certificate(&ca, name(subject)?, public_key, usage, &provider)?)
        };
        let ra = issue("ra", "Example RA", KeyUsage::DIGITAL_SIGNATURE)?;
        let opener = issue("opener", "Example RA, encryption", KeyUsage::KEY_ENCIPHERMENT)?;
        let (certificates, warnings) = CaCertificates::for_server(&ra, &opener, vec![ca.clone()])?;
        warnings.iter().for_each(|warning| println!("warning: {warning}"));
        Ok(Server { ca, ra, opener, certificates, challenge, provider, keys })
    }

    /// A PKCSReq in, a CertRep out, with three visits to the child: open, sign the certificate, sign the reply. What is no request at all gets
    /// an HTTP status.
    fn answer(&mut self, body: &[u8]) -> Result<Result<Vec<u8>, u16>, Failure> {
        let reply = match self.decide(body)? {
            Ok(reply) => reply,
            Err(refused) => {
                println!("server: refused: {}", refused.error());
                let status = refused.error().http_status();
                match refused.into_reply() {
                    Some(reply) => reply,
                    None => return Ok(Err(status)),
                }
            }
        };
        Ok(Ok(self.keys.sign("ra", reply.to_be_signed(&self.ra)?)?))
    }

    fn decide(&mut self, body: &[u8]) -> Result<Result<Reply, Refused>, Failure> {
        let received = match Received::parse(body, &Peer::apple(), &self.provider) {
            Ok(received) => received,
            Err(refused) => return Ok(Err(refused)),
        };
        let content_key = match received.content_key_request(&self.opener) {
            Ok(wanted) if wanted.algorithm == KeyTransport::RsaPkcs1 => {
                Secret::new(self.keys.ask(&format!("open opener {} {}", wanted.key_len, hex(wanted.wrapped)))?)
            }
            Ok(_) => return Ok(Err(received.refused(cms::Error::Algorithm("key transport algorithm").into()))),
            Err(error) => return Ok(Err(received.refused(error))),
        };
        let request = match received.open_with_key(Some(content_key)) {
            Ok(Request::PkcsReq(request)) => request,
            Ok(other) => return Ok(Ok(other.deny(FailInfo::BadRequest).because("this server only issues"))),
            Err(refused) => return Ok(Err(refused)),
        };
        let authorized = match request.authorize(Challenge::Fixed(&self.challenge)) {
            Ok(authorized) => authorized,
            Err(refused) => return Ok(Err(refused)),
        };
        let usage = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
        let (subject, key) = (authorized.csr().subject().clone(), authorized.csr().public_key().clone());
        let issued = self.keys.sign("ca", certificate(&self.ca, subject, key, usage, &self.provider)?)?;
        println!("server: issued {} to {}", issued.serial(), issued.subject());
        Ok(authorized.grant(&issued))
    }
}

/// A certificate under the CA, lacking its signature.
fn certificate(
    ca: &Certificate,
    subject: Name,
    key: PublicKey,
    usage: KeyUsage,
    provider: &Provider,
) -> Result<ToBeSigned<Certificate>, Failure> {
    let serial = SerialNumber::random(provider.random)?;
    let mut template = CertificateTemplate::under(ca, serial, subject, validity(), key);
    // That it is no authority goes without saying, but not for PyScep.
    template.extensions = Extensions::new().with(&BasicConstraints::end_entity()).with(&usage);
    Ok(template.to_be_signed(ca.public_key(), SignatureAlgorithm::RsaSha256, provider)?)
}

// --- over HTTP -------------------------------------------------------------------------------------------------------------------

/// One request after the other: there is one pipe to the child.
type Shared = Arc<Mutex<Server>>;

fn listen(server: Server, address: SocketAddr) -> Result<(), Failure> {
    print!("{}", server.ca.to_pem());
    let routes = Router::new()
        .route("/scep", get(query).post(post))
        .layer(DefaultBodyLimit::max(Limits::PKI.max_bytes))
        .with_state(Arc::new(Mutex::new(server)));
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("listening on http://{}", listener.local_addr()?);
        Ok(axum::serve(listener, routes).await?)
    })
}

async fn query(State(server): State<Shared>, RawQuery(query): RawQuery) -> Response {
    match Operation::from_query(&query.unwrap_or_default(), &Limits::PKI) {
        Ok(Operation::GetCaCaps { .. }) => {
            // Renewals are not answered here, so they are not offered.
            let offered = Capabilities::server(&Peer::apple()).iter().filter(|one| *one != Capability::Renewal);
            let offered = offered.fold(Capabilities::default(), Capabilities::with);
            ([(header::CONTENT_TYPE, media_type::CAPABILITIES)], offered.to_string()).into_response()
        }
        Ok(Operation::GetCaCert { .. }) => match server.lock() {
            Ok(server) => {
                let (content_type, body) = server.certificates.to_body();
                ([(header::CONTENT_TYPE, content_type)], body).into_response()
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Ok(Operation::PkiOperation { message: Some(message) }) => respond(&server, &message),
        Ok(Operation::PkiOperation { message: None } | Operation::GetNextCaCert { .. }) | Err(_) => {
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

async fn post(State(server): State<Shared>, body: Bytes) -> Response {
    respond(&server, &body)
}

fn respond(server: &Shared, body: &[u8]) -> Response {
    let answer = || server.lock().map_err(|_| "another request failed halfway")?.answer(body);
    match tokio::task::block_in_place(answer) {
        Ok(Ok(reply)) => ([(header::CONTENT_TYPE, media_type::PKI_MESSAGE)], reply).into_response(),
        Ok(Err(status)) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST).into_response(),
        Err(error) => {
            eprintln!("server: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

// --- in memory -------------------------------------------------------------------------------------------------------------------

/// A device enrols, whose key is its own affair: with a wrong challenge, and with the right one.
fn demonstrate(mut server: Server, challenge: &str) -> Result<(), Failure> {
    println!("the child holds the keys of {}, {} and {}", server.ca.subject(), server.ra.subject(), server.opener.subject());
    let provider = &server.provider.clone();
    let key = provider.load(&provider.generate(KeyKind::Rsa(2048))?)?;
    for challenge in ["a guess", challenge] {
        let capabilities = Capabilities::server(&Peer::default());
        let trusted = client::Server::new(server.certificates.clone(), capabilities, Peer::default())?;
        let mut csr = CsrTemplate::new(name("iPhone")?, SigningKey::public_key(&key).clone());
        csr.challenge = Some(Secret::from(challenge));
        let csr = csr.to_be_signed(key.algorithm(), provider)?.sign_with(&key)?;
        let signer = client::Enrollment::self_signed(&csr, validity(), provider)?.sign_with(&key)?;
        let enrollment = client::Enrollment::first(csr, signer.clone(), provider)?;
        let (sent, message) = enrollment.request(&trusted, provider)?;
        let reply = server.answer(&message.sign_with(&key)?)?.map_err(|status| format!("HTTP {status}"))?;
        match sent.receive(&reply, &trusted, provider)? {
            client::Outcome::Granted(granted) => {
                let issued = granted.open(&Recipient { certificate: &signer, key: &key })?.certificate;
                let anchors = [server.ca.clone()];
                verify_path(&issued, &[], &anchors, &PathRules::at(now()), provider)?;
                println!("device: {} by {}, serial {}", issued.subject(), issued.issuer(), issued.serial());
            }
            client::Outcome::Denied { fail_info, .. } => println!("device: denied, {fail_info:?}"),
            client::Outcome::Pending => return Err("this server decides at once".into()),
        }
    }
    server.keys.finish()
}

fn name(common_name: &str) -> Result<Name, mdm_core::x509::Error> {
    Name::builder().organization("Example").common_name(common_name).build()
}

fn now() -> Timestamp {
    Timestamp::from(std::time::SystemTime::now())
}

fn validity() -> Validity {
    Validity { not_before: now().plus_seconds(-300), not_after: now().plus_days(365) }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Failure> {
    let digits = |at: usize| text.get(at..at + 2).ok_or("an odd number of digits");
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(digits(at)?, 16)?)).collect()
}
