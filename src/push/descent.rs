//! What a push certificate hangs from at Apple.

use serde::{Deserialize, Serialize};

use crate::id::text_id;

text_id! {
    /// The host's name for an Apple Developer account that has the MDM CSR permission: the vendor's.
    DeveloperAccountId
}
text_id! {
    /// The host's name for a vendor certificate ("MDM CSR") that signs requests; its serial number is a good one.
    VendorCertificateId
}
text_id! {
    /// The Apple Account that made a push certificate at identity.apple.com, and the only one that can renew it.
    AppleAccountId
}

/// What a push certificate stands and falls with. Apple may revoke each of these, and everything below falls together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out")]
pub struct Descent {
    /// The account behind the vendor certificate.
    pub developer_account: DeveloperAccountId,
    /// The certificate that signed the request.
    pub vendor_certificate: VendorCertificateId,
    /// The account that holds the push certificate.
    pub apple_account: AppleAccountId,
}
