//! Storing what the authority decided, and of the effects those that are changes in this database.

use mdm_core::ca::{CrlScope, Effect};
use mdm_core::record::{Change, Record};

use crate::failure::Failure;
use crate::host::{Host, hex};
use crate::store::{Batch, Stored};

/// Stores a change of the authority or of one of its certificates, and carries out its effects.
pub fn keep_ca<R>(host: &Host, batch: &mut Batch<'_>, change: &Change<R>) -> Result<(), Failure>
where
    R: Stored + Record<Effect = Effect>,
{
    batch.keep(change)?;
    for effect in &change.effects {
        match effect {
            // An enrollment's standing is read from the certificate's record whenever its device talks: access ends with the record.
            Effect::EndAccess { serial, holder } => {
                let whose = holder.enrollment.as_ref().map(|id| format!(", of {id}")).unwrap_or_default();
                let tenant = holder.tenant.as_ref().map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
                batch.log(format!("audit: certificate {serial}{tenant}{whose} gives no access any more"));
            }
            Effect::RestoreAccess { serial, .. } => batch.log(format!("audit: certificate {serial} gives access again")),
            Effect::RefreshCrl { scope } => mark_stale(host, batch, scope)?,
            Effect::Notify(notice) => batch.log(format!("notice: {notice}")),
            Effect::AskRevocation { serial } => {
                batch.log(format!("attention: have certificate {serial} revoked where it was issued"));
            }
            // Whoever decided signs and hands out next; after a crash the next start does.
            Effect::SignAuthority | Effect::Sign { .. } | Effect::Deliver { .. } => {}
        }
    }
    Ok(())
}

/// Says that a published list is out of date. Each time with another mark, so that a list which is being made meanwhile does not
/// take away what it does not know of; in one of 256 places, so that revocations do not wait for each other.
fn mark_stale(host: &Host, batch: &mut Batch<'_>, scope: &CrlScope) -> Result<(), Failure> {
    let mark = hex(&host.provider.random_bytes::<16>()?);
    let place = mark.get(..2).unwrap_or_default();
    Ok(batch.link(&stale_marks(scope), place, &mark)?)
}

/// What the marks are linked under.
pub fn stale_marks(scope: &CrlScope) -> String {
    format!("crl.stale {}", scope.key)
}
