//! Customers, and how each of them hands out certificates.

use mdm_core::id::{Revision, TenantId};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::store::{Stored, View};

/// The customer whom the plain paths serve.
pub const DEFAULT: &str = "example";

/// One customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name, in paths too.
    pub id: TenantId,
    /// How its devices get certificates.
    pub scep: ScepSettings,
    /// Since when certificates come from where they come from now: devices that enrolled before must enroll again.
    pub issuer_since: Option<Timestamp>,
    /// How often it has been changed.
    pub revision: Revision,
}

/// How a tenant's devices get certificates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScepSettings {
    /// The challenge that everybody knows; none when empty. The default tenant's is on the command line.
    #[serde(with = "as_text")]
    pub challenge: Secret,
    /// A service that is asked about challenges which are none of this server's.
    pub webhook: Option<String>,
    /// Whoever asks gets a certificate.
    pub anybody: bool,
    /// An operator looks at each first request.
    pub approval: Approval,
    /// What stands in enrollment profiles.
    pub profile: ProfileChallenge,
    /// Replies that carry nothing carry an empty content all the same. RFC 8894 leaves it out; certmonger cannot verify a reply
    /// without.
    pub empty_content: bool,
    /// Another server that issues in place of this one.
    pub upstream: Option<Upstream>,
}

/// Who decides about first requests whose challenge is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// Nobody: they are granted.
    #[default]
    Automatic,
    /// An operator; until then they are pending.
    Manual,
}

/// The challenge in an enrollment profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileChallenge {
    /// The one that everybody knows.
    #[default]
    Fixed,
    /// A new one in each profile, good for one certificate.
    OneTime,
}

/// A SCEP server that issues in place of this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// Its URL, without a query.
    pub url: String,
    /// Whether messages are passed on as they are; otherwise this server opens them, decides, and asks in its own name.
    #[serde(default)]
    pub pass_through: bool,
    /// SHA-256 of its CA certificate, in hexadecimal; needed unless messages are passed on.
    #[serde(default)]
    pub fingerprint: String,
    /// Whether it speaks single DES and SHA-1, as micromdm's server does.
    #[serde(default)]
    pub legacy: bool,
}

/// A challenge as an operator writes it. Records of the core hold secrets as base64, since any octets may be one.
mod as_text {
    use mdm_core::secret::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose_str().unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        Ok(Secret::from(String::deserialize(deserializer)?))
    }
}

impl Tenant {
    /// A new customer.
    pub fn new(id: TenantId, scep: ScepSettings) -> Tenant {
        Tenant { id, scep, issuer_since: None, revision: Revision::FIRST }
    }

    /// The same customer with other settings.
    pub fn configured(&self, scep: ScepSettings, now: Timestamp) -> Tenant {
        let moved = scep.upstream != self.scep.upstream;
        let issuer_since = if moved { Some(now) } else { self.issuer_since };
        Tenant { id: self.id.clone(), scep, issuer_since, revision: self.revision.next() }
    }

    /// Where its paths begin: nowhere for the default tenant.
    pub fn path(&self) -> String {
        if self.id.as_str() == DEFAULT { String::new() } else { format!("/t/{}", self.id) }
    }

    /// Whether a name can stand in paths and logs.
    pub fn is_name(name: &str) -> bool {
        (1..=32).contains(&name.len())
            && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
    }
}

impl Stored for Tenant {
    const KIND: &'static str = "tenant";

    fn key(&self) -> String {
        self.id.to_string()
    }

    fn revision(&self) -> Revision {
        self.revision
    }
}

/// The tenant with this name.
pub fn load(view: &View<'_>, name: &str) -> Result<Tenant, Failure> {
    view.load::<Tenant>(name)?.ok_or_else(|| Failure::not_found("there is no tenant of this name"))
}
