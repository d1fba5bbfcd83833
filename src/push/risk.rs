//! What hangs from what at Apple, and what would fall with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AppleAccountId, DeveloperAccountId, PushCertificate, Topic, VendorCertificateId};
use crate::id::TenantId;
use crate::x509::SerialNumber;

/// One row of the host's count: so many enrollments of one tenant listen on the topic of one certificate.
///
/// A host gets these rows from its database by counting (`GROUP BY`); no enrollment is loaded.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out")]
pub struct Stake<'a> {
    /// The certificate.
    pub certificate: &'a PushCertificate,
    /// The tenant whose devices they are.
    pub tenant: &'a TenantId,
    /// How many.
    pub enrollments: u64,
}

/// How far up two tenants may meet, from the device side up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Level {
    /// One push certificate, and so one topic.
    Certificate,
    /// One Apple Account that holds several push certificates.
    AppleAccount,
    /// One vendor certificate that signed the requests.
    VendorCertificate,
    /// One developer account with the MDM CSR permission.
    DeveloperAccount,
}

/// Something that Apple may revoke or close, or that may expire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Node {
    /// A push certificate.
    Certificate(SerialNumber),
    /// The Apple Account that made push certificates.
    AppleAccount(AppleAccountId),
    /// The certificate with which a vendor signs requests.
    VendorCertificate(VendorCertificateId),
    /// The vendor's developer account.
    DeveloperAccount(DeveloperAccountId),
}

impl Node {
    /// How far up it stands.
    pub const fn level(&self) -> Level {
        match self {
            Node::Certificate(_) => Level::Certificate,
            Node::AppleAccount(_) => Level::AppleAccount,
            Node::VendorCertificate(_) => Level::VendorCertificate,
            Node::DeveloperAccount(_) => Level::DeveloperAccount,
        }
    }

    /// The node of this level that a certificate hangs from. `None` for a certificate that Apple has not issued.
    pub fn above(certificate: &PushCertificate, level: Level) -> Option<Self> {
        let descent = certificate.descent();
        Some(match level {
            Level::Certificate => Node::Certificate(certificate.installed()?.serial),
            Level::AppleAccount => Node::AppleAccount(descent.apple_account.clone()),
            Level::VendorCertificate => Node::VendorCertificate(descent.vendor_certificate.clone()),
            Level::DeveloperAccount => Node::DeveloperAccount(descent.developer_account.clone()),
        })
    }

    /// Whether a certificate falls with it.
    fn carries(&self, certificate: &PushCertificate) -> bool {
        let descent = certificate.descent();
        match self {
            Node::Certificate(serial) => certificate.installed().is_some_and(|installed| installed.serial == *serial),
            Node::AppleAccount(account) => descent.apple_account == *account,
            Node::VendorCertificate(vendor) => descent.vendor_certificate == *vendor,
            Node::DeveloperAccount(account) => descent.developer_account == *account,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Certificate(serial) => write!(f, "push certificate {serial}"),
            Node::AppleAccount(account) => write!(f, "Apple Account {account}"),
            Node::VendorCertificate(vendor) => write!(f, "vendor certificate {vendor}"),
            Node::DeveloperAccount(account) => write!(f, "developer account {account}"),
        }
    }
}

/// Who loses management when a node falls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exposure {
    /// How many enrollments of each tenant could not be woken any more.
    pub tenants: BTreeMap<TenantId, u64>,
    /// The topics that would be dead.
    pub topics: BTreeSet<Topic>,
    /// All these enrollments together.
    pub enrollments: u64,
}

/// A node on which several tenants depend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Shared {
    /// The node.
    pub node: Node,
    /// The tenants, those included that are only named by a [`SharingPolicy`](super::SharingPolicy) and have no device yet.
    pub tenants: BTreeSet<TenantId>,
    /// The enrollments that fall together.
    pub enrollments: u64,
}

/// All push certificates in use, with the counts of what listens on their topics.
///
/// ```
/// # use mdm_core::push::{Estate, Level, Node, PushCertificate, Stake};
/// # use mdm_core::id::TenantId;
/// fn warn(certificates: &[(PushCertificate, TenantId, u64)]) {
///     let stakes = certificates.iter().map(|(certificate, tenant, enrollments)| Stake {
///         certificate,
///         tenant,
///         enrollments: *enrollments,
///     });
///     for shared in Estate::new(stakes).sharing() {
///         println!("{}: {} tenants, {} enrollments", shared.node, shared.tenants.len(), shared.enrollments);
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Estate<'a> {
    stakes: Vec<Stake<'a>>,
}

impl<'a> Estate<'a> {
    /// From one row for each tenant and certificate. Rows of certificates that are not in use (requested, revoked, superseded) are
    /// left out: nothing can be lost with them any more.
    pub fn new(stakes: impl IntoIterator<Item = Stake<'a>>) -> Self {
        Estate { stakes: stakes.into_iter().filter(|stake| stake.certificate.in_use().is_some()).collect() }
    }

    /// The rows.
    pub fn stakes(&self) -> &[Stake<'a>] {
        &self.stakes
    }

    /// Who loses management when this node is revoked, closed or expires.
    pub fn exposure(&self, node: &Node) -> Exposure {
        let mut exposure = Exposure::default();
        for stake in self.stakes.iter().filter(|stake| node.carries(stake.certificate)) {
            match exposure.tenants.get_mut(stake.tenant) {
                Some(count) => *count = count.saturating_add(stake.enrollments),
                None => {
                    exposure.tenants.insert(stake.tenant.clone(), stake.enrollments);
                }
            }
            if let Some(installed) = stake.certificate.installed()
                && !exposure.topics.contains(&installed.topic)
            {
                exposure.topics.insert(installed.topic.clone());
            }
            exposure.enrollments = exposure.enrollments.saturating_add(stake.enrollments);
        }
        exposure
    }

    /// Every node on which more than one tenant depends, the closest to the devices first.
    pub fn sharing(&self) -> Vec<Shared> {
        let mut found: BTreeMap<Node, (BTreeSet<&TenantId>, u64)> = BTreeMap::new();
        for level in [Level::Certificate, Level::AppleAccount, Level::VendorCertificate, Level::DeveloperAccount] {
            for stake in &self.stakes {
                let Some(node) = Node::above(stake.certificate, level) else { continue };
                let (tenants, enrollments) = found.entry(node).or_default();
                tenants.extend(dependants(stake));
                *enrollments = enrollments.saturating_add(stake.enrollments);
            }
        }
        let shared = found.into_iter().filter(|(_, (tenants, _))| tenants.len() > 1);
        shared
            .map(|(node, (tenants, enrollments))| Shared { node, tenants: tenants.into_iter().cloned().collect(), enrollments })
            .collect()
    }

    /// Whether any other tenant than this one depends on a node.
    pub(super) fn is_shared(&self, node: &Node, tenant: &TenantId) -> bool {
        let carried = self.stakes.iter().filter(|stake| node.carries(stake.certificate));
        carried.flat_map(dependants).any(|other| other != tenant)
    }
}

/// The tenants that depend on a certificate: who has devices on it, who owns it, and who may use it.
fn dependants<'a>(stake: &Stake<'a>) -> impl Iterator<Item = &'a TenantId> + use<'a> {
    [stake.tenant, stake.certificate.tenant()].into_iter().chain(stake.certificate.shared_with())
}
