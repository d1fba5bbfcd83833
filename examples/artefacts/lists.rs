//! Revocation lists: full ones, a delta list, and lists in parts.

use mdm_core::ca::{CrlScope, Holder};
use mdm_core::x509::{CertificateRevocationList, RevocationReason};

use crate::authority::{Ca, PARTS};
use crate::certificates::Issued;
use crate::{Folder, Result};

/// A full list, and the delta list beside it when one was wanted and there is a list to continue.
pub struct Lists {
    pub full: CertificateRevocationList,
    pub delta: Option<CertificateRevocationList>,
}

/// Makes the next list of a scope.
pub fn next(ca: &mut Ca, scope: &CrlScope, with_delta: bool) -> Result<Lists> {
    let planned = if with_delta { ca.record.plan_delta_crl(scope, ca.now)? } else { ca.record.plan_crl(scope, ca.now)? };
    ca.record = planned.record;
    let plan = *ca.record.planned_crl(scope).ok_or("no list is planned")?;
    let delta = match plan.base {
        Some(base) => {
            let changed = ca.certificates.values().filter_map(|record| record.delta_crl_entry(scope, &base));
            Some(ca.sign(ca.record.delta_crl(scope, changed, &ca.provider)?)?)
        }
        None => None,
    };
    let previous = ca.record.last_crl(scope).map(|last| last.this_update);
    let entries = ca.certificates.values().filter_map(|record| record.crl_entry(scope, previous));
    let issued = ca.sign(ca.record.crl(scope, entries, &ca.provider)?)?;
    ca.record = issued.change.record;
    Ok(Lists { full: issued.crl, delta })
}

/// The scope of all certificates under the key in use.
pub fn full_scope(ca: &Ca) -> Result<CrlScope> {
    Ok(CrlScope::full(ca.record.active()?.key.clone()))
}

/// Three full lists; between the second and the third one device is lost and another one comes back, which the delta list tells.
pub fn full_and_delta(ca: &mut Ca, issued: &Issued, folder: &Folder) -> Result<()> {
    let scope = full_scope(ca)?;
    ca.now = ca.now.plus_seconds(300);
    folder.write("crl-1.der", next(ca, &scope, false)?.full.as_der())?;
    ca.now = ca.now.plus_seconds(300);
    let held = ca.find(issued.lent)?.hold(ca.now)?;
    ca.keep(held);
    ca.now = ca.now.plus_seconds(300);
    folder.write("crl-2.der", next(ca, &scope, false)?.full.as_der())?;
    ca.now = ca.now.plus_seconds(300);
    let revoked = ca.find(issued.lost)?.revoke(RevocationReason::KeyCompromise, Some(ca.now.plus_days(-1)), ca.now)?;
    ca.keep(revoked);
    let released = ca.find(issued.lent)?.release(ca.now)?;
    ca.keep(released);
    ca.now = ca.now.plus_seconds(300);
    let third = next(ca, &scope, true)?;
    folder.write("crl-3.der", third.full.as_der())?;
    folder.write("delta.der", third.delta.ok_or("there is no delta list")?.as_der())
}

/// Lists in parts, with one revoked certificate at least on each.
pub fn parts(ca: &mut Ca, folder: &Folder) -> Result<()> {
    ca.use_parts()?;
    let key = ca.record.active()?.key.clone();
    for part in 0..PARTS {
        let serial = loop {
            let serial = ca.issue_device(Holder::default(), &format!("Device of part {part}"))?;
            if ca.find(serial)?.part() == Some(part) {
                break serial;
            }
        };
        let revoked = ca.find(serial)?.revoke(RevocationReason::Superseded, None, ca.now)?;
        ca.keep(revoked);
        folder.write(&format!("part-{part}-revoked.pem"), ca.pem(serial)?)?;
        let list = next(ca, &CrlScope::part(key.clone(), part), false)?;
        folder.write(&format!("part-{part}.der"), list.full.as_der())?;
    }
    Ok(())
}
