//! Nothing: the package is for its benches.
