//! Configuration profiles.
