//! Many of each, for judges that look at every one.

use mdm_core::ca::{CrlScope, Holder};
use mdm_core::crypto::DigestAlgorithm::{Sha1, Sha256};
use mdm_core::x509::{RevocationReason, SerialNumber};

use crate::authority::{Ca, PARTS};
use crate::{Folder, Result, lists, ocsp};

const CERTIFICATES: usize = 1000;
const ANSWERS: usize = 200;
/// Of lists: so many rounds, in each of which all parts, a full list and a delta list are made, and a last full list.
const ROUNDS: usize = 7;
const LISTS: usize = ROUNDS * (PARTS as usize + 3) + 1;

/// Writes 1,000 certificates, 50 lists and 200 answers.
pub fn write(ca: &mut Ca, folder: &Folder) -> Result<()> {
    const { assert!(LISTS == 50) };
    let certificates = folder.folder("certificates")?;
    let mut serials = Vec::with_capacity(CERTIFICATES);
    for number in 0..CERTIFICATES {
        // Names of all lengths and letters that a device may have.
        let name = format!("{} {number}", ["Device", "Gerät", "端末", "iPad of O'Neil & Söhne, 2nd \"floor\""][number % 4]);
        let serial = ca.issue_device(Holder::default(), &name)?;
        certificates.write(&format!("{number:04}.pem"), ca.pem(serial)?)?;
        serials.push(serial);
    }
    write_lists(ca, &serials, &folder.folder("lists")?)?;
    write_answers(ca, &serials, &folder.folder("answers")?)
}

const REASONS: [RevocationReason; 6] = [
    RevocationReason::Unspecified,
    RevocationReason::KeyCompromise,
    RevocationReason::AffiliationChanged,
    RevocationReason::Superseded,
    RevocationReason::CessationOfOperation,
    RevocationReason::PrivilegeWithdrawn,
];

/// In each round some certificates are revoked, some held, and those of the round before released.
fn write_lists(ca: &mut Ca, serials: &[SerialNumber], folder: &Folder) -> Result<()> {
    let full = lists::full_scope(ca)?;
    for round in 0..ROUNDS {
        ca.now = ca.now.plus_seconds(60);
        folder.write(&format!("{round}-base.der"), lists::next(ca, &full, false)?.full.as_der())?;
        ca.now = ca.now.plus_seconds(60);
        for (at, serial) in serials.iter().skip(round * 20).take(20).enumerate() {
            let invalid_since = (at % 3 == 0).then(|| ca.now.plus_days(-30));
            let record = ca.find(*serial)?;
            let change =
                if at % 5 == 4 { record.hold(ca.now)? } else { record.revoke(REASONS[at % 6], invalid_since, ca.now)? };
            ca.keep(change);
        }
        for serial in serials.iter().take(round * 20) {
            if let Ok(released) = ca.find(*serial)?.release(ca.now) {
                ca.keep(released);
            }
        }
        ca.now = ca.now.plus_seconds(60);
        let both = lists::next(ca, &full, true)?;
        folder.write(&format!("{round}-full.der"), both.full.as_der())?;
        folder.write(&format!("{round}-delta.der"), both.delta.ok_or("there is no delta list")?.as_der())?;
        for part in 0..PARTS {
            let list = lists::next(ca, &CrlScope::part(full.key.clone(), part), false)?;
            folder.write(&format!("{round}-part-{part}.der"), list.full.as_der())?;
        }
    }
    folder.write("last.der", lists::next(ca, &full, false)?.full.as_der())
}

/// Good, revoked, held and never issued ones in turn; one certificate or several, with a nonce and without.
fn write_answers(ca: &Ca, serials: &[SerialNumber], folder: &Folder) -> Result<()> {
    for number in 0..ANSWERS {
        let algorithm = if number % 2 == 0 { Sha1 } else { Sha256 };
        let serial = if number % 10 == 9 { SerialNumber::random(ca.provider.random)? } else { serials[number] };
        let mut ids = vec![ocsp::name(ca, algorithm, serial)?];
        for more in 0..number % 4 {
            ids.push(ocsp::name(ca, algorithm, serials[ANSWERS + number + more])?);
        }
        let (question, answer) = ocsp::exchange(ca, ids, number % 3 != 0)?;
        folder.write(&format!("{number:03}.req.der"), question)?;
        folder.write(&format!("{number:03}.resp.der"), answer)?;
    }
    Ok(())
}
