//! What this host decides with: its database, its keys, its clock and its randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use mdm_core::crypto::Provider;
use mdm_core::id::TenantId;
use mdm_core::push::RetryPolicy;
use mdm_core::scep::ChallengeKey;
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::authority::Registration;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::lifecycle::Backup;
use crate::os::Os;
use crate::push::apns::Apns;
use crate::scep::upstream::Servers;
use crate::store::{Batch, Place, Store};
use crate::tenant::{self, ChallengePolicy, ScepSettings, Tenant};
use crate::{authority, push};

/// What the command line says.
pub struct Config {
    /// What first requests of the default tenant are held against.
    pub challenge: ChallengePolicy,
    /// The authorities that other servers' certificates must come from.
    pub roots: Vec<reqwest::Certificate>,
    /// How devices reach this server.
    pub url: String,
    /// How long to wait before a push is repeated.
    pub retry: RetryPolicy,
    /// With how many certificates a new authority answers SCEP.
    pub registration: Registration,
    /// What a new database begins with.
    pub restore: Option<Backup>,
}

/// A running host.
pub struct Host {
    /// The database.
    pub store: Store,
    /// The primitives.
    pub provider: Provider,
    /// The command line.
    pub config: Config,
    /// The private keys.
    pub keys: Keys,
    /// What `/admin` asks for.
    pub admin_token: Secret,
    /// What challenges that are bound to a device are made with.
    pub challenge_key: ChallengeKey,
    /// The connections to APNs; `None` when pushes are only owed.
    pub apns: Option<Apns>,
    /// Somebody is owed a push.
    pub push_owed: Notify,
    /// The SCEP servers behind this one.
    pub upstreams: Servers,
    web: reqwest::Client,
    runtime: Handle,
}

/// Seconds by which the host's clock is ahead of the system's; for trying what happens in years.
static CLOCK_OFFSET: AtomicI64 = AtomicI64::new(0);

/// Sets the host's clock, before anything looks at it.
pub fn set_clock(offset_seconds: i64) {
    CLOCK_OFFSET.store(offset_seconds, Ordering::Relaxed);
}

/// The host's clock.
pub fn now() -> Timestamp {
    Timestamp::from(SystemTime::now()).plus_seconds(CLOCK_OFFSET.load(Ordering::Relaxed))
}

/// The provider that this program was built for.
const fn provider() -> Provider {
    #[cfg(feature = "aws-lc-rs")]
    return Provider::aws_lc_rs(&Os);
    #[cfg(not(feature = "aws-lc-rs"))]
    return Provider::rustcrypto(&Os);
}

impl Host {
    /// Opens the database; the first time it makes the keys, the authority, the tenants and the admin token. From a thread that may
    /// block.
    pub fn open(place: &Place, config: Config, apns: Option<Apns>, tenants: &[String]) -> Result<Arc<Host>, String> {
        let provider = provider();
        let store = Store::open(place).map_err(|error| match place {
            Place::File(path, _) => format!("cannot open {}: {error}", path.display()),
            Place::Postgres(_) => error.to_string(),
        })?;
        let secrets = store.decide(|batch| -> Result<_, Failure> {
            let admin_token = secret(batch, "admin.token", || Ok(Secret::from(hex(&provider.random_bytes::<24>()?))))?;
            let challenges = secret(batch, "challenge.key", || Ok(Secret::new(provider.random_bytes::<32>()?.to_vec())))?;
            Ok((admin_token, challenges.value))
        });
        let (admin_token, challenges) = secrets.map_err(|failure| failure.log)?;
        // One of several nodes has made it.
        if admin_token.is_new {
            println!("admin token: {}", admin_token.value.expose_str().unwrap_or_default());
        }
        let web = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy();
        let web = config.roots.iter().cloned().fold(web, reqwest::ClientBuilder::add_root_certificate).build();
        let host = Arc::new(Host {
            store,
            keys: Keys::new(provider),
            provider,
            config,
            admin_token: admin_token.value,
            challenge_key: ChallengeKey::new(challenges).map_err(|error| error.to_string())?,
            apns,
            push_owed: Notify::new(),
            upstreams: Servers::default(),
            web: web.map_err(|error| error.to_string())?,
            runtime: Handle::current(),
        });
        host.begin(tenants).map_err(|failure| failure.log)?;
        Ok(host)
    }

    /// Makes what is not there yet, and finishes what a crash cut off.
    fn begin(&self, tenants: &[String]) -> Result<(), Failure> {
        authority::create(self)?;
        authority::recover(self)?;
        for name in std::iter::once(tenant::DEFAULT).chain(tenants.iter().map(String::as_str)) {
            self.store.decide(|batch| match batch.load::<Tenant>(name)? {
                Some(_) => Ok(()),
                None => self.add_tenant(batch, name, &ScepSettings::default()),
            })?;
        }
        Ok(())
    }

    /// Adds a customer, with a push certificate made for the example.
    pub fn add_tenant(&self, batch: &mut Batch<'_>, name: &str, scep: &ScepSettings) -> Result<(), Failure> {
        if !Tenant::is_name(name) {
            return Err(Failure::bad_request("a tenant's name is 1 to 32 lower-case letters, digits and hyphens"));
        }
        let tenant = Tenant::new(TenantId::from(name), scep.clone());
        if batch.load::<Tenant>(name)?.is_some() {
            return Err(Failure::conflict("there is a tenant of this name"));
        }
        batch.put(&tenant, None)?;
        push::certificate::make_example(self, batch, &tenant.id)
    }

    /// One exchange with another server, from a thread that may block.
    pub fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Failure> {
        self.runtime.block_on(self.exchange(request))
    }

    async fn exchange(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Failure> {
        let request = reqwest::Request::try_from(request).map_err(Failure::internal)?;
        let mut answer = self.web.execute(request).await.map_err(Failure::upstream)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failure::upstream)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(Failure::upstream("an answer of more than a mebibyte"));
            }
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

/// The longest answer of another server that is read.
const MAX_ANSWER: usize = 1 << 20;

/// A secret of the server's own.
struct OwnSecret {
    value: Secret,
    /// Whether this very decision has made it.
    is_new: bool,
}

/// The secret under a name, made and stored the first time.
fn secret(batch: &mut Batch<'_>, name: &str, make: impl FnOnce() -> Result<Secret, Failure>) -> Result<OwnSecret, Failure> {
    if let Some(stored) = batch.secret(name)? {
        return Ok(OwnSecret { value: Secret::new(stored), is_new: false });
    }
    let made = make()?;
    batch.put_secret(name, made.expose())?;
    Ok(OwnSecret { value: made, is_new: true })
}

/// Lower-case hexadecimal.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
