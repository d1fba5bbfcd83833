//! What a host may set for an authority.

use serde::{Deserialize, Serialize};

use super::CrlParts;

/// What a host may set. The defaults are those of the product that this one is measured against, or else what
/// other authorities do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Days from a revocation list to the moment it is out of date. 7.
    pub crl_lifetime_days: u32,
    /// Seconds by which the host's clock may seem to run backwards, as the clocks of several nodes do. 60.
    pub clock_tolerance_seconds: u32,
    /// Days before its end from which on the operator is told that the authority's certificate expires. 360.
    pub notice_days: u32,
    /// Seconds for which an OCSP answer may be relied on. 86,400, a day.
    #[serde(skip_serializing_if = "is_a_day")]
    pub ocsp_lifetime_seconds: u32,
    /// Revocation lists in parts. None.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl_parts: Option<CrlParts>,
    /// Where delta lists are published: stands in full lists, without which hardly a program looks for one. `{key}` in it stands for
    /// the number of the authority's key as in [`CrlParts`], `{part}` for that of the part, or `full`. None.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_crl_uri: Option<String>,
}

const DAY: u32 = 86_400;

/// Settings were stored without this one once.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_a_day(seconds: &u32) -> bool {
    *seconds == DAY
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            crl_lifetime_days: 7,
            clock_tolerance_seconds: 60,
            notice_days: 360,
            ocsp_lifetime_seconds: DAY,
            crl_parts: None,
            delta_crl_uri: None,
        }
    }
}
