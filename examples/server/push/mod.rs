//! Waking devices: push certificates, what is owed, the connections to APNs.

pub mod apns;
pub mod certificate;
pub mod report;
pub mod separation;
pub mod waking;
