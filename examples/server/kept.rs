//! How the core's records are kept: under which key, for which owner, in which order. The example `scale` keeps them the same way.

use mdm_core::ca::{Authority, CertificateRecord, Effect};
use mdm_core::enrollment::{Enrollment, QueuedCommand};
use mdm_core::id::{CommandUuid, EnrollmentId, Revision, TenantId};
use mdm_core::push::Waking;
use mdm_core::record::Record;
use mdm_core::time::Timestamp;

use crate::store::Stored;

/// The one authority of this host.
pub const AUTHORITY: &str = "builtin";
/// Every waking stands under this owner, in the order in which they are due.
pub const WAKINGS: &str = "all";

impl Stored for Authority {
    const KIND: &'static str = "authority";

    fn key(&self) -> String {
        self.id().to_string()
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }
}

impl Stored for CertificateRecord {
    const KIND: &'static str = "certificate";

    /// The serial number; behind the name of the authority when that is another one, whose serial numbers are its own affair.
    fn key(&self) -> String {
        if self.authority().as_str() == AUTHORITY {
            self.serial().to_string()
        } else {
            format!("{}-{}", self.authority(), self.serial())
        }
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    fn owner(&self) -> String {
        self.authority().to_string()
    }

    /// The transaction that it answers, under the name of the tenant: transaction identifiers are chosen by clients.
    fn alias(&self) -> Option<String> {
        self.request().map(|request| transaction_alias(self.holder().tenant.as_ref(), &request.transaction))
    }

    /// Those that are reserved and not signed are looked at by the next start.
    fn place(&self) -> Option<Vec<u8>> {
        is_unsigned(self).then(Vec::new)
    }
}

/// Under what the certificate that answers a transaction is found.
pub fn transaction_alias(tenant: Option<&TenantId>, transaction: &str) -> String {
    format!("{} {transaction}", tenant.map(TenantId::as_str).unwrap_or_default())
}

/// Whether it is reserved and not signed.
pub fn is_unsigned(record: &CertificateRecord) -> bool {
    record.outstanding().iter().any(|effect| matches!(effect, Effect::Sign { .. }))
}

/// Under what an enrollment is stored. Each tenant has its own: a device that moves from one to another is another enrollment.
pub fn enrollment_key(tenant: &TenantId, id: &EnrollmentId) -> String {
    format!("{tenant} {id}")
}

/// Under what a command is stored.
pub fn command_key(tenant: &TenantId, id: &EnrollmentId, uuid: &CommandUuid) -> String {
    format!("{} {uuid}", enrollment_key(tenant, id))
}

impl Stored for Enrollment {
    const KIND: &'static str = "enrollment";

    fn key(&self) -> String {
        enrollment_key(self.tenant(), self.id())
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    /// The device, so that a device's channels are found together.
    fn owner(&self) -> String {
        enrollment_key(self.tenant(), &self.id().device())
    }

    /// The topic that it listens on, so that enrollments are counted by topic without reading one.
    fn alias(&self) -> Option<String> {
        self.binding().map(|binding| topic_alias(self.tenant(), binding.topic().as_str()))
    }
}

/// The second key of all enrollments of a tenant that listen on a topic.
pub fn topic_alias(tenant: &TenantId, topic: &str) -> String {
    format!("{tenant} {topic}")
}

impl Stored for QueuedCommand {
    const KIND: &'static str = "command";

    fn key(&self) -> String {
        command_key(self.tenant(), self.enrollment(), self.uuid())
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    fn owner(&self) -> String {
        enrollment_key(self.tenant(), self.enrollment())
    }

    fn place(&self) -> Option<Vec<u8>> {
        self.state().is_open().then(|| self.rank().to_bytes().to_vec())
    }
}

impl Stored for Waking {
    const KIND: &'static str = "waking";

    fn key(&self) -> String {
        enrollment_key(self.tenant(), self.enrollment())
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    fn owner(&self) -> String {
        WAKINGS.into()
    }

    fn alias(&self) -> Option<String> {
        Some(self.tenant().to_string())
    }

    fn place(&self) -> Option<Vec<u8>> {
        self.due().map(due_place)
    }
}

/// The place of what is due at a moment.
pub fn due_place(due: Timestamp) -> Vec<u8> {
    due.unix().max(0).to_be_bytes().to_vec()
}
