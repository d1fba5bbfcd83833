//! Automated Device Enrollment: what a device says of itself before it is enrolled, and what a server may refuse it with.
//!
//! Owns the messages. The signature around a `MachineInfo` is opened with `cms`.

pub use crate::schema::generated::ade::*;
