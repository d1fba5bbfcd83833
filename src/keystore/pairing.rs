//! Which certificate is whose: PKCS#12 throws keys and certificates into one heap.

use std::collections::BTreeSet;

use super::Entry;
use crate::crypto::{Provider, SigningKey};
use crate::secret::Secret;
use crate::x509::Certificate;

/// A private key with the attributes of its bag.
pub(super) struct KeyBag {
    pub(super) key: Secret,
    pub(super) name: String,
    pub(super) id: Option<Vec<u8>>,
}

/// A certificate with the attributes of its bag.
pub(super) struct CertificateBag {
    pub(super) certificate: Certificate,
    pub(super) name: String,
    pub(super) id: Option<Vec<u8>>,
}

/// No path in use is longer.
const LONGEST_CHAIN: usize = 16;

/// Makes an entry of each key, with its certificate and those above it, and gives the certificates that belong to no key.
pub(super) fn pair(keys: Vec<KeyBag>, bags: Vec<CertificateBag>, provider: &Provider) -> (Vec<Entry>, Vec<Certificate>) {
    let mut entries = Vec::with_capacity(keys.len());
    for bag in keys {
        let own = own(&bag, &bags, provider);
        let alias = if bag.name.is_empty() { own.map(|own| own.name.clone()).unwrap_or_default() } else { bag.name };
        let chain = own.map(|own| chain(&own.certificate, &bags)).unwrap_or_default();
        entries.push(Entry { alias, key: bag.key, chain });
    }
    let mut seen: BTreeSet<Vec<u8>> =
        entries.iter().flat_map(|entry| entry.chain.iter().map(|certificate| certificate.as_der().to_vec())).collect();
    let rest = bags.into_iter().map(|bag| bag.certificate);
    let rest = rest.filter(|certificate| seen.insert(certificate.as_der().to_vec())).collect();
    (entries, rest)
}

/// The certificate of the key: the one with the same localKeyID; where none or several have it, the one with the same public key.
fn own<'a>(key: &KeyBag, bags: &'a [CertificateBag], provider: &Provider) -> Option<&'a CertificateBag> {
    let named = |bag: &&CertificateBag| key.id.is_some() && bag.id == key.id;
    let mut with_id = bags.iter().filter(named);
    match (with_id.next(), with_id.next()) {
        (Some(only), None) => Some(only),
        (first, _) => {
            let loaded = provider.load(&key.key).ok();
            let fits = |bag: &&CertificateBag| {
                loaded.as_ref().is_some_and(|loaded| loaded.public_key() == bag.certificate.public_key())
            };
            bags.iter().filter(named).find(fits).or(first).or_else(|| bags.iter().find(fits))
        }
    }
}

/// From the certificate upwards, by names and key identifiers, to one that issued itself or whose issuer is not there.
fn chain(own: &Certificate, bags: &[CertificateBag]) -> Vec<Certificate> {
    let mut chain = vec![own.clone()];
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued() && chain.len() < LONGEST_CHAIN) {
        let mut above = bags.iter().map(|bag| &bag.certificate).filter(|above| may_have_issued(above, last));
        let Some(above) = above.find(|above| !chain.contains(above)).cloned() else { break };
        chain.push(above);
    }
    chain
}

fn may_have_issued(above: &Certificate, below: &Certificate) -> bool {
    let same_key = match (below.authority_key_identifier(), above.subject_key_identifier()) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => true,
    };
    same_key && above.subject() == below.issuer()
}
