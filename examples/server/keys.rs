//! The server's private keys: kept in the database under the name of their public half, loaded when they are needed.
//!
//! A real host keeps them in an HSM or a key service. It would sign here in the same two steps, with `to_be_signed` and `complete`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mdm_core::ca::KeyId;
use mdm_core::crypto::{KeyKind, Provider, PublicKey, SigningKey as _, SoftwareKey};
use mdm_core::secret::Secret;

use crate::failure::Failure;
use crate::store::{Batch, View};

/// Keys by their names, and those that are loaded.
pub struct Keys {
    provider: Provider,
    loaded: Mutex<HashMap<KeyId, Arc<SoftwareKey>>>,
}

impl Keys {
    /// None loaded.
    pub fn new(provider: Provider) -> Keys {
        Keys { provider, loaded: Mutex::default() }
    }

    /// Makes a key and stores it.
    pub fn make(&self, batch: &mut Batch<'_>, kind: KeyKind) -> Result<Arc<SoftwareKey>, Failure> {
        self.keep(batch, &self.provider.generate(kind)?)
    }

    /// Stores a key that was made elsewhere: PKCS#8 in DER.
    pub fn keep(&self, batch: &mut Batch<'_>, pkcs8: &Secret) -> Result<Arc<SoftwareKey>, Failure> {
        let key = Arc::new(self.provider.load(pkcs8)?);
        let id = KeyId::of(key.public_key(), &self.provider);
        batch.put_secret(&name(&id), pkcs8.expose())?;
        self.lock().insert(id, key.clone());
        Ok(key)
    }

    /// The private half of a key that was stored.
    pub fn of(&self, view: &View<'_>, public: &PublicKey) -> Result<Arc<SoftwareKey>, Failure> {
        let id = KeyId::of(public, &self.provider);
        if let Some(key) = self.lock().get(&id) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.provider.load(&self.pkcs8(view, public)?)?);
        self.lock().insert(id, key.clone());
        Ok(key)
    }

    /// The same as PKCS#8 in DER, for a TLS library or a backup.
    pub fn pkcs8(&self, view: &View<'_>, public: &PublicKey) -> Result<Secret, Failure> {
        let id = KeyId::of(public, &self.provider);
        let stored = view.secret(&name(&id))?;
        stored.map(Secret::new).ok_or_else(|| Failure::internal(format!("the private key {id} is not in the database")))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<KeyId, Arc<SoftwareKey>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(id: &KeyId) -> String {
    format!("key {id}")
}
