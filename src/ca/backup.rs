//! The authority's backup: certificates, keys and record in one file under a password (J12), and what is decided when it is restored.

use serde::{Deserialize, Serialize};

use super::authority::AuthorityEventKind;
use super::crl::number_at;
use super::{Authority, AuthorityEvent, Effect, Error, Generation, KeyId, Service};
use crate::crypto::{Provider, SigningKey as _};
use crate::id::Revision;
use crate::keystore::{self, Entry, KeyStore, Policy, Protection};
use crate::record::stored::Format;
use crate::record::{Change, Record as _};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::x509::CrlNumber;

/// What a backup holds besides keys and certificates.
#[derive(Serialize, Deserialize)]
struct StateHead {
    format: Format,
    taken_at: Timestamp,
    authority: Authority,
}

/// An authority that was restored: store the change and the keys, then carry the effects out.
#[derive(Clone, Debug)]
#[must_use = "nothing is restored until the change is stored"]
#[non_exhaustive]
pub struct Restored {
    /// The authority's record, and that it was restored.
    pub change: Change<Authority>,
    /// The private keys (PKCS#8), each under its name.
    pub keys: Vec<(KeyId, Secret)>,
    /// When the backup was taken. What happened since is not in it; certificates that were issued since are good, and their records
    /// are to be had from the host's own database or log.
    pub taken_at: Timestamp,
}

/// By how many seconds the numbers of a restored authority begin above the clock: more than they can have run ahead, and more than
/// the clocks of two nodes differ.
const AHEAD_SECONDS: i64 = 3600;

impl Service {
    const fn alias(self) -> &'static str {
        match self {
            Service::Scep => "scep",
            Service::ScepSigning => "scep-signing",
            Service::ScepEncryption => "scep-encryption",
            Service::Ocsp => "ocsp",
            Service::ProfileSigning => "profile-signing",
        }
    }
}

impl Authority {
    /// Writes the backup: PKCS#12 with each key of the authority and its services beside its certificates, and the record, so that
    /// an authority that is restored uses no number twice. `keys` are the private keys in PKCS#8, in any order.
    ///
    /// Any program that reads PKCS#12 finds the keys in it; `authority 1` is the alias of the first generation's.
    ///
    /// ```
    /// use mdm_core::ca::{Authority, Error, Restored};
    /// use mdm_core::crypto::Provider;
    /// use mdm_core::keystore::{Policy, Protection};
    /// use mdm_core::secret::Secret;
    /// use mdm_core::time::Timestamp;
    ///
    /// fn there_and_back(
    ///     authority: &Authority,
    ///     keys: &[Secret],
    ///     password: &Secret,
    ///     now: Timestamp,
    ///     provider: &Provider,
    /// ) -> Result<Restored, Error> {
    ///     let file = authority.backup(keys, password, Protection::default(), now, provider)?;
    ///     let policy = Policy { max_iterations: 20_000_000, ..Policy::MODERN };
    ///     Authority::restore(&file, password, &policy, Some(authority), None, now, provider)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownKey`] when a key is missing; [`Error::NoCertificate`], [`Error::SignatureOutstanding`] and
    /// [`Error::RenewalRunning`] while certificates of the authority's own are being signed; [`Error::Keystore`] for a password that
    /// protects nothing.
    pub fn backup(
        &self,
        keys: &[Secret],
        password: &Secret,
        protection: Protection,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Vec<u8>, Error> {
        self.active()?;
        // What waits has keys of its own, which are not in use yet.
        if let Some(id) = self.renewing() {
            return Err(Error::RenewalRunning(id));
        }
        if self.is_signing() {
            return Err(Error::SignatureOutstanding);
        }
        let keys = named(keys, provider)?;
        let key = |id: &KeyId| keys.iter().find(|(found, _)| found == id).map(|(_, key)| key.clone()).ok_or(Error::UnknownKey);
        let mut store = KeyStore::default();
        for generation in self.generations().iter().rev() {
            let alias = format!("authority {}", generation.id);
            if self.generation_of(&generation.key) == Some(generation) {
                store.entries.push(Entry { alias, key: key(&generation.key)?, chain: vec![generation.certificate.clone()] });
            } else {
                store.certificates.push(generation.certificate.clone());
            }
        }
        for service in self.services() {
            let issuer = self.generation(service.generation).ok().and_then(|issuer| self.generation_of(&issuer.key));
            let chain = std::iter::once(&service.certificate).chain(issuer.map(|issuer| &issuer.certificate));
            let alias = service.service.alias().to_owned();
            store.entries.push(Entry { alias, key: key(&service.key)?, chain: chain.cloned().collect() });
        }
        store.certificates.extend(self.cross_certificates().iter().map(|cross| cross.certificate.clone()));
        let head = StateHead { format: Format, taken_at: now.max(self.latest()), authority: self.clone() };
        let head = serde_json::to_vec(&head).map_err(|_| Error::Misuse("the authority's record cannot be encoded"))?;
        store.state = Some(Secret::new(head));
        Ok(store.to_pkcs12(password, protection, provider)?)
    }

    /// Restores an authority from its backup. Serial numbers are random and go on being so; numbers of revocation lists begin
    /// above every number that the authority can have spent since the backup was taken; a list that was planned and not issued then
    /// is given up. With the change go effects that ask for a new list in every scope.
    ///
    /// `current` is the record that is there, when one can be read: its numbers are passed over too, and its revision goes on. After
    /// a clock that was wrong and was [trusted](Authority::trust_clock) again, numbers may be above the clock: without the
    /// current record, `last_number` of the latest published list keeps them rising.
    ///
    /// # Errors
    /// [`Error::Keystore`] when the file does not open: a wrong password and damage are told apart there. [`Error::NotABackup`] for a
    /// key store of another make; [`Error::UnknownKey`] when a key is missing in it; [`Error::Foreign`] when `current` is another
    /// authority; [`Error::ClockBackwards`] when it is earlier than in the backup.
    pub fn restore(
        backup: &[u8],
        password: &Secret,
        policy: &Policy,
        current: Option<&Authority>,
        last_number: Option<CrlNumber>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Restored, Error> {
        let store = keystore::open(backup, password, policy, provider)?;
        let state = store.state.as_ref().ok_or(Error::NotABackup("it holds no state of an authority"))?;
        let head: StateHead = serde_json::from_slice(state.expose())
            .map_err(|_| Error::NotABackup("its state is not one that this version reads"))?;
        let StateHead { taken_at, authority, .. } = head;
        let at = authority.check_clock(now)?;
        let secrets: Vec<Secret> = store.entries.iter().map(|entry| entry.key.clone()).collect();
        let keys = named(&secrets, provider)?;
        let has = |id: &KeyId| keys.iter().any(|(found, _)| found == id);
        let generations = authority.generations().iter().map(|generation: &Generation| &generation.key);
        if !generations.chain(authority.services().iter().map(|service| &service.key)).all(has) {
            return Err(Error::UnknownKey);
        }
        if current.is_some_and(|current| current.id() != authority.id()) {
            return Err(Error::Foreign("authority"));
        }
        let spent = authority.highest_crl_number().max(current.map(Authority::highest_crl_number).unwrap_or_default());
        let spent = spent.max(last_number.unwrap_or_default());
        let floor = spent.next().max(CrlNumber::new(number_at(at.plus_seconds(AHEAD_SECONDS))));
        let event = AuthorityEvent {
            authority: authority.id().clone(),
            revision: current.map_or(Revision::FIRST, |current| current.revision().next()),
            at,
            kind: AuthorityEventKind::Restored { authority: Box::new(authority), floor },
        };
        let record = Authority::begin(&event)?;
        let effects = record.crl_scopes().into_iter().map(|scope| Effect::RefreshCrl { scope }).collect();
        Ok(Restored { change: Change { record, events: vec![event], effects }, keys, taken_at })
    }
}

/// Each key under its name.
fn named(keys: &[Secret], provider: &Provider) -> Result<Vec<(KeyId, Secret)>, Error> {
    keys.iter().map(|key| Ok((KeyId::of(provider.load(key)?.public_key(), provider), key.clone()))).collect()
}
