//! The authority renewed: with the same key, and then with a new one.

use mdm_core::ca::Renewal;
use mdm_core::crypto::{KeyKind, SigningKey};

use crate::authority::Ca;
use crate::{Folder, Result};

/// Writes `ca-renewed.pem`, and `ca-rekeyed.pem` with the certificates across the keys behind it, which are also written alone.
pub fn write(ca: &mut Ca, kind: KeyKind, folder: &Folder) -> Result<()> {
    ca.record = ca.record.renew(&Renewal::default(), ca.now, &ca.provider)?.record;
    ca.sign_own()?;
    folder.write("ca-renewed.pem", ca.certificate()?.to_pem())?;
    let key = ca.add_key(kind)?.public_key().clone();
    let rekey = Renewal { key: Some(key), ..Renewal::default() };
    ca.record = ca.record.renew(&rekey, ca.now, &ca.provider)?.record;
    ca.sign_own()?;
    let mut rekeyed = ca.certificate()?.to_pem();
    let active = ca.record.active()?.id;
    for cross in ca.record.cross_certificates() {
        let pem = cross.certificate.to_pem();
        folder.write(if cross.subject == active { "new-with-old.pem" } else { "old-with-new.pem" }, &pem)?;
        rekeyed.push_str(&pem);
    }
    folder.write("ca-rekeyed.pem", rekeyed)
}
