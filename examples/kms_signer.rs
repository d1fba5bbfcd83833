//! A SCEP server whose private keys are elsewhere: in an HSM, in a KMS. Here "elsewhere" is a child process of this very program, which
//! makes the keys of CA and RA, keeps them, and does two things for whoever holds the other end of its standard input: it signs, and it
//! decrypts content keys. The parent, which is the server, never has a private key of its own in memory.
//!
//! ```text
//! cargo run --example kms_signer
//! ```
//!
//! ```text
//! parent                                                      child
//! tbs.algorithm(), tbs.bytes() ───── sign ca … ─────────────► signs
//! tbs.complete(signature) ◄───────── octets ─────────────────
//! received.content_key_request() ─── open ra … ─────────────► decrypts, or substitutes
//! received.open_with_key(key) ◄───── octets ─────────────────
//! ```
//!
//! Every signature that comes back is verified before it is used ([`ToBeSigned::complete`]), so that a service that errs, or answers with
//! another key, is noticed. The child answers a content key that does not open with random octets, as [`DecryptionKey::unwrap_key`] does;
//! a service that reports an error instead is answered with `open_with_key(None)`, which ends alike.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use mdm_core::crypto::{
    self, DecryptionKey, KeyKind, KeyTransport, Provider, PublicKey, Random, SignatureAlgorithm, SigningKey, SoftwareKey,
    ToBeSigned,
};
use mdm_core::scep::{CaCertificates, Capabilities, Challenge, Peer, Received, Recipient, Refused, Request, client};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, CsrTemplate, Extensions, KeyUsage, Name, PathRules, SerialNumber,
    Validity, verify_path,
};

type Failure = Box<dyn Error>;

/// The operating system's randomness.
struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), crypto::Error> {
        getrandom::fill(dest).map_err(|_| crypto::Error::Random)
    }
}

/// The argument that makes this program the child.
const SERVICE: &str = "--hold-keys";
const CHALLENGE: &str = "open sesame";

fn main() -> Result<(), Failure> {
    let provider = Provider::rustcrypto(&Os);
    if std::env::args().nth(1).as_deref() == Some(SERVICE) { hold_keys(&provider) } else { serve(&provider) }
}

// --- the child -------------------------------------------------------------------------------------------------------------------

/// Answers one line with one line until the input ends. The keys are made here and never written anywhere.
fn hold_keys(provider: &Provider) -> Result<(), Failure> {
    let mut keys = HashMap::new();
    for name in ["ca", "ra"] {
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
        "sign" => Ok(key.sign(SignatureAlgorithm::RsaSha256, &unhex(word()?)?)?),
        "open" => {
            let mut substitute = vec![0; word()?.parse::<usize>()?.min(32)];
            provider.random.fill(&mut substitute)?;
            let opened = key.unwrap_key(KeyTransport::RsaPkcs1, &unhex(word()?)?, Secret::new(substitute))?;
            Ok(opened.expose().to_vec())
        }
        _ => Err("verbs are public, sign and open".into()),
    }
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
        let mut child = command.arg(SERVICE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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
        if tbs.algorithm() != SignatureAlgorithm::RsaSha256 {
            return Err("the service signs with RSA over SHA-256 only".into());
        }
        let signature = self.ask(&format!("sign {name} {}", hex(tbs.bytes())))?;
        Ok(tbs.complete(&signature)?)
    }

    /// Sends the child away, and waits until it is gone.
    fn finish(mut self) -> Result<(), Failure> {
        self.to = None;
        if self.child.wait()?.success() { Ok(()) } else { Err("the child failed".into()) }
    }
}

/// CA and RA, as the parent knows them: certificates.
struct Server {
    ca: Certificate,
    ra: Certificate,
    keys: KeyService,
}

impl Server {
    fn start(provider: &Provider) -> Result<Self, Failure> {
        let mut keys = KeyService::start()?;
        let (ca_key, ra_key) = (keys.public_key("ca")?, keys.public_key("ra")?);
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
        let ca = keys.sign("ca", ca.to_be_signed(&ca_key, SignatureAlgorithm::RsaSha256, provider)?)?;
        let serial = SerialNumber::random(provider.random)?;
        let mut ra = CertificateTemplate::under(&ca, serial, name("Example RA")?, validity(), ra_key);
        ra.extensions = Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT));
        let ra = keys.sign("ca", ra.to_be_signed(ca.public_key(), SignatureAlgorithm::RsaSha256, provider)?)?;
        Ok(Server { ca, ra, keys })
    }

    /// A PKCSReq in, a CertRep out, with three visits to the child: open, sign the certificate, sign the reply.
    fn answer(&mut self, body: &[u8], provider: &Provider) -> Result<Vec<u8>, Failure> {
        let reply = match self.decide(body, provider)? {
            Ok(reply) => reply,
            Err(refused) => {
                println!("server: refused: {}", refused.error());
                refused.into_reply().ok_or("not a request that can be answered")?
            }
        };
        self.keys.sign("ra", reply.to_be_signed(&self.ra)?)
    }

    fn decide(&mut self, body: &[u8], provider: &Provider) -> Result<Result<mdm_core::scep::Reply, Refused>, Failure> {
        let received = match Received::parse(body, &Peer::apple(), provider) {
            Ok(received) => received,
            Err(refused) => return Ok(Err(refused)),
        };
        let content_key = match received.content_key_request(&self.ra) {
            Ok(wanted) if wanted.algorithm == KeyTransport::RsaPkcs1 => {
                Secret::new(self.keys.ask(&format!("open ra {} {}", wanted.key_len, hex(wanted.wrapped)))?)
            }
            Ok(_) => return Err("the service opens PKCS#1 v1.5 only".into()),
            Err(error) => return Ok(Err(received.refused(error))),
        };
        let request = match received.open_with_key(Some(content_key)) {
            Ok(Request::PkcsReq(request)) => request,
            Ok(other) => return Ok(Ok(other.deny(mdm_core::scep::FailInfo::BadRequest))),
            Err(refused) => return Ok(Err(refused)),
        };
        let authorized = match request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))) {
            Ok(authorized) => authorized,
            Err(refused) => return Ok(Err(refused)),
        };
        let serial = SerialNumber::random(provider.random)?;
        let (subject, key) = (authorized.csr().subject().clone(), authorized.csr().public_key().clone());
        let mut template = CertificateTemplate::under(&self.ca, serial, subject, validity(), key);
        template.extensions = Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT));
        let tbs = template.to_be_signed(self.ca.public_key(), SignatureAlgorithm::RsaSha256, provider)?;
        let certificate = self.keys.sign("ca", tbs)?;
        Ok(authorized.grant(&certificate))
    }
}

fn serve(provider: &Provider) -> Result<(), Failure> {
    let mut server = Server::start(provider)?;
    println!("the child holds the keys of {} and {}", server.ca.subject(), server.ra.subject());
    let (certificates, warnings) = CaCertificates::for_server(&server.ra, &server.ra, vec![server.ca.clone()])?;
    warnings.iter().for_each(|warning| println!("warning: {warning}"));

    // A device, whose key is its own affair.
    let key = provider.load(&provider.generate(KeyKind::Rsa(2048))?)?;
    for challenge in ["a guess", CHALLENGE] {
        let trusted = client::Server::new(certificates.clone(), Capabilities::server(&Peer::default()), Peer::default())?;
        let mut csr = CsrTemplate::new(name("iPhone")?, SigningKey::public_key(&key).clone());
        csr.challenge = Some(Secret::from(challenge));
        let csr = csr.to_be_signed(key.algorithm(), provider)?.sign_with(&key)?;
        let signer = client::Enrollment::self_signed(&csr, validity(), provider)?.sign_with(&key)?;
        let enrollment = client::Enrollment::first(csr, signer.clone(), provider)?;
        let (sent, message) = enrollment.request(&trusted, provider)?;
        let reply = server.answer(&message.sign_with(&key)?, provider)?;
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
