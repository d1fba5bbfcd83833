//! Keys and primitives that note what they cost, so that it can be told from what the crate costs.

use std::cell::Cell;
use std::ops::Sub;
use std::time::{Duration, Instant};

use mdm_core::crypto::{
    DecryptionKey, Error, KeyTransport, KeyWrapping, Provider, PublicKey, Random, SignatureAlgorithm, SigningKey, SoftwareKey,
    Verifier,
};
use mdm_core::secret::Secret;

use crate::MEMORY;

/// What key operations have cost.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub time: Duration,
    pub operations: u64,
    pub allocations: u64,
    pub bytes: u64,
}

impl Sub for Cost {
    type Output = Cost;

    fn sub(self, before: Cost) -> Cost {
        Cost {
            time: self.time - before.time,
            operations: self.operations - before.operations,
            allocations: self.allocations - before.allocations,
            bytes: self.bytes - before.bytes,
        }
    }
}

thread_local! {
    static COST: Cell<Cost> = const { Cell::new(Cost { time: Duration::ZERO, operations: 0, allocations: 0, bytes: 0 }) };
}

/// What the key operations of this thread have cost so far.
pub fn cost() -> Cost {
    COST.get()
}

/// Notes one operation. A function of its own, by whose name a profiler leaves key operations out.
#[inline(never)]
fn count<T>(operation: impl FnOnce() -> T) -> T {
    let memory = MEMORY.stats();
    let begun = Instant::now();
    let outcome = operation();
    let time = begun.elapsed();
    let memory = MEMORY.stats() - memory;
    let cost = COST.get();
    COST.set(Cost {
        time: cost.time + time,
        operations: cost.operations + 1,
        allocations: cost.allocations + (memory.allocations + memory.reallocations) as u64,
        bytes: cost.bytes + memory.bytes_allocated as u64,
    });
    outcome
}

/// Something whose key operations are noted.
#[derive(Debug)]
pub struct Counted<T>(pub T);

/// The same provider, its public-key operations noted. Made once, for as long as the program runs.
pub fn provider(inner: Provider) -> Provider {
    let counted: &'static Counted<Provider> = Box::leak(Box::new(Counted(inner)));
    Provider { verifier: counted, wrapping: counted, ..inner }
}

impl Verifier for Counted<Provider> {
    fn verify(&self, algorithm: SignatureAlgorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        count(|| self.0.verifier.verify(algorithm, key, message, signature))
    }
}

impl KeyWrapping for Counted<Provider> {
    fn wrap(
        &self,
        algorithm: KeyTransport,
        key: &PublicKey,
        content_key: &Secret,
        random: &dyn Random,
    ) -> Result<Vec<u8>, Error> {
        count(|| self.0.wrapping.wrap(algorithm, key, content_key, random))
    }
}

impl SigningKey for Counted<SoftwareKey> {
    fn public_key(&self) -> &PublicKey {
        SigningKey::public_key(&self.0)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        count(|| self.0.sign(algorithm, message))
    }

    fn checks_itself(&self) -> bool {
        self.0.checks_itself()
    }
}

impl DecryptionKey for Counted<SoftwareKey> {
    fn public_key(&self) -> &PublicKey {
        DecryptionKey::public_key(&self.0)
    }

    fn unwrap_key(&self, algorithm: KeyTransport, wrapped: &[u8], substitute: Secret) -> Result<Secret, Error> {
        count(|| self.0.unwrap_key(algorithm, wrapped, substitute))
    }
}
