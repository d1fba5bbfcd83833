//! What this host keeps and decides with: its keys, its authority, its clock and its randomness.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use axum::http::StatusCode;
use mdm_core::ca::{Authority, CertificateRecord, Creation, CrlScope, Effect, Service};
use mdm_core::crypto::{Error as CryptoError, KeyKind, Provider, Random, SignatureAlgorithm, SigningKey, SoftwareKey};
use mdm_core::enrollment::Fingerprint;
use mdm_core::id::TenantId;
use mdm_core::push::{Descent, Environment, PushCertificate};
use mdm_core::record::Change;
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, CertificateTemplate, Extensions, Name, SerialNumber, Validity};

use crate::Answer;
use crate::store::{self, Batch, Store, Stored};

/// The operating system's randomness.
struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(dest).map_err(|_| CryptoError::Random)
    }
}

/// What the command line says.
pub struct Config {
    /// The static SCEP challenge.
    pub challenge: String,
    /// How devices reach this server.
    pub url: String,
}

/// Why a request was not served: for the stranger who asked, and for the log.
#[derive(Debug)]
pub struct Failure {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the stranger is told.
    pub reason: String,
    /// What the log is told.
    pub log: String,
}

impl Failure {
    /// A refusal whose reason may be told.
    pub fn refused(status: StatusCode, reason: impl Into<String>) -> Failure {
        let reason = reason.into();
        Failure { status, log: reason.clone(), reason }
    }

    /// A fault of this server.
    pub fn internal(error: impl std::fmt::Display) -> Failure {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Failure { status, reason: "internal error; the server's log says more".into(), log: error.to_string() }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        match error {
            store::Error::Conflict(_) => {
                Failure { status: StatusCode::SERVICE_UNAVAILABLE, reason: "busy; try again".into(), log: error.to_string() }
            }
            error => Failure::internal(error),
        }
    }
}

impl From<mdm_core::ca::Error> for Failure {
    fn from(error: mdm_core::ca::Error) -> Failure {
        Failure::internal(error)
    }
}

impl From<CryptoError> for Failure {
    fn from(error: CryptoError) -> Failure {
        Failure::internal(error)
    }
}

/// The one authority and the one tenant of this host.
pub const AUTHORITY: &str = "builtin";

/// A running host.
pub struct Host {
    /// The database.
    pub store: Store,
    /// The primitives.
    pub provider: Provider,
    /// The command line.
    pub config: Config,
    /// The authority's key: it signs certificates and revocation lists.
    pub ca_key: SoftwareKey,
    /// The SCEP service's key: devices encrypt to it, and it signs the answers.
    pub scep_key: SoftwareKey,
    /// What `/admin` asks for.
    pub admin_token: Secret,
    making_crl: Mutex<()>,
}

/// The customer that this host serves.
pub fn tenant() -> TenantId {
    TenantId::from("example")
}

/// The host's clock.
pub fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

impl Stored for Authority {
    const KIND: &'static str = "authority";

    fn key(&self) -> String {
        self.id().to_string()
    }
}

impl Stored for CertificateRecord {
    const KIND: &'static str = "certificate";

    fn key(&self) -> String {
        self.serial().to_string()
    }

    fn owner(&self) -> String {
        self.authority().to_string()
    }

    fn alias(&self) -> Option<String> {
        self.request().map(|request| request.transaction.clone())
    }
}

impl Stored for PushCertificate {
    const KIND: &'static str = "push certificate";

    fn key(&self) -> String {
        self.tenant().to_string()
    }
}

/// Stores an issued certificate, and what an enrollment's identity is found by.
pub fn keep_issued(host: &Host, batch: &mut Batch<'_>, issued: &Change<CertificateRecord>) -> Result<(), Failure> {
    batch.keep(issued)?;
    if let Some(certificate) = issued.record.certificate() {
        let fingerprint = Fingerprint::of(certificate, &host.provider);
        batch.link("fingerprint", &fingerprint.to_string(), &issued.record.serial().to_string())?;
    }
    Ok(())
}

impl Host {
    /// Opens the database; the first time it makes the keys, the authority and the admin token.
    pub fn open(path: &Path, config: Config) -> Result<Host, String> {
        let provider = Provider::rustcrypto(&Os);
        let store = Store::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
        let opened = store.decide(|batch| -> Result<_, Failure> {
            let mut key = |name| secret(batch, name, || provider.generate(KeyKind::Rsa(2048)).map_err(Failure::from));
            let (ca_key, scep_key, push_key) = (key("ca.key")?, key("scep.key")?, key("push.key")?);
            if batch.load::<PushCertificate>(tenant().as_str())?.is_none() {
                let made = example_push_certificate(&provider.load(&push_key)?, &provider)?;
                batch.keep(&made)?;
            }
            let admin_token = secret(batch, "admin.token", || {
                let token = hex(&provider.random_bytes::<24>()?);
                println!("admin token: {token}");
                Ok(Secret::from(token))
            })?;
            Ok((provider.load(&ca_key)?, provider.load(&scep_key)?, admin_token))
        });
        let (ca_key, scep_key, admin_token) = opened.map_err(|failure| failure.log)?;
        let host = Host { store, provider, config, ca_key, scep_key, admin_token, making_crl: Mutex::default() };
        host.create_authority().map_err(|failure| failure.log)?;
        host.recover().map_err(|failure| failure.log)?;
        Ok(host)
    }

    /// Creates the authority unless it is there, and signs what of its own certificates is not signed yet.
    fn create_authority(&self) -> Result<(), Failure> {
        let mut authority = self.store.decide(|batch| match batch.load::<Authority>(AUTHORITY)? {
            Some(authority) => Ok::<_, Failure>(authority),
            None => {
                let creation = Creation::new(AUTHORITY, "Example", SigningKey::public_key(&self.ca_key).clone())
                    .service(Service::Scep, SigningKey::public_key(&self.scep_key).clone());
                let created = Authority::create(&creation, now(), &self.provider)?;
                batch.keep(&created)?;
                Ok(created.record)
            }
        })?;
        while let Some(next) = authority.to_be_signed(now(), &self.provider)? {
            let signed = next.sign_with(&self.ca_key)?;
            self.store.decide(|batch| batch.keep(&signed))?;
            authority = signed.record;
        }
        Ok(())
    }

    /// Finishes what a crash cut off: every certificate that is reserved is signed from its stored bytes.
    fn recover(&self) -> Result<(), Failure> {
        self.store.decide(|batch| {
            let authority = self.authority(batch)?;
            for record in batch.list::<CertificateRecord>(AUTHORITY)? {
                if record.certificate().is_none()
                    && record.revocation().is_none()
                    && record.outstanding().iter().any(|effect| matches!(effect, Effect::Sign { .. }))
                {
                    let signed = authority.resume(&record, now(), &self.provider)?.sign_with(&self.ca_key)?;
                    keep_issued(self, batch, &signed)?;
                    eprintln!("recovered: certificate {} was reserved and is signed now", record.serial());
                }
            }
            Ok(())
        })
    }

    /// The authority as it is stored.
    pub fn authority(&self, batch: &Batch<'_>) -> Result<Authority, Failure> {
        batch.load::<Authority>(AUTHORITY)?.ok_or_else(|| Failure::internal("the authority is not in the database"))
    }

    /// `GET /ca.pem`
    pub fn ca_pem(&self) -> Result<Answer, Failure> {
        let authority = self.store.decide(|batch| self.authority(batch))?;
        Ok(Answer::ok("application/x-pem-file", authority.certificate()?.to_pem()))
    }

    /// `GET /crl`: the stored list, or a new one when something was revoked since or half of its time is over.
    pub fn crl(&self) -> Result<Answer, Failure> {
        // One list at a time; everything else goes on beside it.
        let _one_at_a_time = self.making_crl.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = self.store.decide(|batch| {
            let authority = self.authority(batch)?;
            let scope = CrlScope::full(authority.active()?.key.clone());
            let half_over = authority.last_crl(&scope).is_none_or(|last| {
                let lifetime = last.next_update.seconds_since(last.this_update);
                now() > last.this_update.plus_seconds(lifetime / 2)
            });
            if half_over || batch.secret(CRL_IS_STALE)?.is_some() { Ok::<_, Failure>(None) } else { Ok(batch.secret(CRL)?) }
        })?;
        let der = match fresh {
            Some(der) => der,
            None => self.make_crl()?,
        };
        Ok(Answer::ok("application/pkix-crl", der))
    }

    /// Plans a list, which spends its number; then signs it; then publishes it.
    fn make_crl(&self) -> Result<Vec<u8>, Failure> {
        let (planned, scope, records, stale) = self.store.decide(|batch| {
            let authority = self.authority(batch)?;
            let scope = CrlScope::full(authority.active()?.key.clone());
            let planned = authority.plan_crl(&scope, now())?;
            batch.keep(&planned)?;
            let stale = batch.secret(CRL_IS_STALE)?;
            Ok::<_, Failure>((planned.record, scope, batch.list::<CertificateRecord>(AUTHORITY)?, stale))
        })?;
        let previous = planned.last_crl(&scope).map(|last| last.this_update);
        let entries = records.iter().filter_map(|record| record.crl_entry(&scope, previous));
        let issued = planned.crl(&scope, entries, &self.provider)?.sign_with(&self.ca_key)?;
        let der = issued.crl.as_der().to_vec();
        self.store.decide(|batch| {
            batch.keep(&issued.change)?;
            batch.put_secret(CRL, &der)?;
            // A revocation that came in between has put another mark there, which stays.
            if let Some(mark) = stale {
                batch.remove_secret(CRL_IS_STALE, &mark)?;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(der)
    }
}

/// The list that was published last.
const CRL: &str = "crl";
/// A mark that is there while a revocation is not on that list; every revocation makes another.
pub const CRL_IS_STALE: &str = "crl.stale";

/// A push certificate made for the example. Apple's APNs takes no other than the one that identity.apple.com made for the customer.
fn example_push_certificate(key: &SoftwareKey, provider: &Provider) -> Result<Change<PushCertificate>, Failure> {
    let uuid = hex(&provider.random_bytes::<16>()?);
    let name =
        Name::builder().user_id(format!("com.apple.mgmt.External.{uuid}")).common_name(format!("APSP:{uuid}")).country("US");
    let subject = name.build().map_err(Failure::internal)?;
    let key_public = SigningKey::public_key(key).clone();
    let template = CertificateTemplate {
        serial: SerialNumber::random(provider.random).map_err(Failure::internal)?,
        issuer: subject.clone(),
        subject,
        validity: Validity { not_before: now(), not_after: now().plus_days(365) },
        public_key: key_public.clone(),
        extensions: Extensions::new(),
        authority_key_identifier: None,
    };
    let unsigned = template.to_be_signed(&key_public, SignatureAlgorithm::RsaSha256, provider).map_err(Failure::internal)?;
    let certificate: Certificate = unsigned.sign_with(key)?;
    let descent = Descent {
        developer_account: "example".into(),
        vendor_certificate: "example".into(),
        apple_account: "push@example.com".into(),
    };
    let adopted = PushCertificate::adopt(tenant(), descent, &certificate, &key_public, Environment::Production, now());
    adopted.map_err(Failure::internal)
}

/// The secret under a name, made and stored the first time.
fn secret(batch: &mut Batch<'_>, name: &str, make: impl FnOnce() -> Result<Secret, Failure>) -> Result<Secret, Failure> {
    if let Some(stored) = batch.secret(name)? {
        return Ok(Secret::new(stored));
    }
    let made = make()?;
    batch.put_secret(name, made.expose())?;
    Ok(made)
}

/// Lower-case hexadecimal.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
