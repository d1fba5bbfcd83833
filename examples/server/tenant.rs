//! Customers, and how each of them hands out certificates.

use mdm_core::enrollment::Origin;
use mdm_core::id::{AuthorityId, Revision, TenantId};
use mdm_core::secret::Secret;
use mdm_core::web::{Credentials, Endpoint};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::kept::AUTHORITY;
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
    /// How often certificates were set to come from another server than before.
    #[serde(default)]
    pub era: u32,
    /// How often it has been changed.
    pub revision: Revision,
}

/// How a tenant's devices get certificates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScepSettings {
    /// What first requests are held against; the default tenant's is on the command line unless it is set here, and others' are
    /// one-time challenges.
    pub challenge: Option<ChallengePolicy>,
    /// Who may ask for challenges as Jamf Pro's webhook does, and with what.
    pub asked_by: Option<Account>,
    /// An operator looks at each first request.
    pub approval: Approval,
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

/// What first requests are held against. Challenges that an operator has issued, one-time or bound, are good besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ChallengePolicy {
    /// Whoever asks gets a certificate.
    None,
    /// One secret for everybody.
    Static {
        /// The secret.
        #[serde(with = "as_text")]
        secret: Secret,
    },
    /// A new challenge in each profile, good for one certificate.
    OneTime,
    /// A challenge in each profile that is good for one common name and some time.
    Bound,
    /// A service decides that is asked as step-ca asks its webhooks, and told what became of the request. `user` is the webhook's
    /// identifier, `secret` its secret in Base64.
    Webhook(Service),
    /// Intune decides, and is told what became of the request. `secret` is a token for its service.
    Intune(Service),
    /// The admin page of NDES makes the challenges of profiles.
    Ndes(Service),
    /// A service makes the challenges of profiles that is asked as Jamf Pro's webhook asks.
    Jamf(Service),
}

/// Another program's service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Where it is.
    pub url: Endpoint,
    /// What it knows this server by.
    #[serde(flatten)]
    pub account: Account,
}

/// A name and a secret; the secret alone when the name is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The secret.
    #[serde(with = "as_text")]
    pub secret: Secret,
}

impl Account {
    /// As HTTP shows it.
    pub fn credentials(&self) -> Credentials {
        if self.user.is_empty() {
            Credentials::bearer(self.secret.clone())
        } else {
            Credentials::basic(self.user.as_str(), self.secret.clone())
        }
    }
}

impl ChallengePolicy {
    /// Its name, which tells no secret.
    pub const fn name(&self) -> &'static str {
        match self {
            ChallengePolicy::None => "none",
            ChallengePolicy::Static { .. } => "static",
            ChallengePolicy::OneTime => "one-time",
            ChallengePolicy::Bound => "bound",
            ChallengePolicy::Webhook(_) => "webhook",
            ChallengePolicy::Intune(_) => "intune",
            ChallengePolicy::Ndes(_) => "ndes",
            ChallengePolicy::Jamf(_) => "jamf",
        }
    }
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

/// Where the certificates of an authority come from: none here is exchanged under its name.
pub fn origin_of(authority: &AuthorityId) -> Origin {
    Origin { authority: authority.clone(), era: 1 }
}

impl Tenant {
    /// A new customer.
    pub fn new(id: TenantId, scep: ScepSettings) -> Tenant {
        Tenant { id, scep, era: 0, revision: Revision::FIRST }
    }

    /// The same customer with other settings.
    pub fn configured(&self, scep: &ScepSettings) -> Tenant {
        let moved = scep.upstream.is_some() && scep.upstream != self.scep.upstream;
        let era = self.era.saturating_add(u32::from(moved));
        Tenant { id: self.id.clone(), scep: scep.clone(), era, revision: self.revision.next() }
    }

    /// Where its certificates come from now. Another server behind this one is another authority, whose serial numbers are its own.
    pub fn origin(&self) -> Origin {
        match self.scep.upstream {
            Some(_) => origin_of(&format!("upstream-{}-{}", self.id, self.era).as_str().into()),
            None => origin_of(&AUTHORITY.into()),
        }
    }

    /// What its first requests are held against. `default` is the default tenant's.
    pub fn challenge<'a>(&'a self, default: &'a ChallengePolicy) -> &'a ChallengePolicy {
        let otherwise = if self.id.as_str() == DEFAULT { default } else { &ChallengePolicy::OneTime };
        self.scep.challenge.as_ref().unwrap_or(otherwise)
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
