//! How many certificates there are of each kind, counted in one pass.

use serde::{Deserialize, Serialize};

use super::{CertificateRecord, State};
use crate::time::Timestamp;

/// The numbers of a dashboard. `active` and `inactive` make up all certificates; the other numbers are parts of these two.
///
/// ```
/// use mdm_core::ca::{CertificateRecord, Inventory};
/// use mdm_core::time::Timestamp;
///
/// fn dashboard(records: &[CertificateRecord], now: Timestamp) -> String {
///     let inventory = Inventory::count(records, now, 30);
///     format!("{} active ({} %), {} expiring", inventory.active, inventory.active_percent(), inventory.expiring)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inventory {
    /// Issued or expiring.
    pub active: u64,
    /// Of the active ones: near their end.
    pub expiring: u64,
    /// Expired, held, revoked, or asked to be revoked.
    pub inactive: u64,
    /// Of the inactive ones: past their end.
    pub expired: u64,
    /// Of the inactive ones: on hold.
    pub held: u64,
    /// Of the inactive ones: revoked, or asked to be.
    pub revoked: u64,
    /// Serial numbers under which no certificate was issued: reserved or abandoned. Part of nothing above.
    pub unissued: u64,
}

impl Inventory {
    /// Counts these records at this moment. The host says which: those of one authority, of one tenant, of all.
    pub fn count<'a>(records: impl IntoIterator<Item = &'a CertificateRecord>, now: Timestamp, expiring_days: u32) -> Self {
        let mut inventory = Inventory::default();
        records.into_iter().for_each(|record| inventory.add(record.state(now, expiring_days)));
        inventory
    }

    /// Counts one more certificate.
    pub fn add(&mut self, state: State) {
        let (whole, part) = match state {
            State::Issued => (&mut self.active, None),
            State::Expiring => (&mut self.active, Some(&mut self.expiring)),
            State::Expired => (&mut self.inactive, Some(&mut self.expired)),
            State::Held => (&mut self.inactive, Some(&mut self.held)),
            State::Revoked | State::PendingRevoke => (&mut self.inactive, Some(&mut self.revoked)),
            State::Reserved | State::Abandoned => (&mut self.unissued, None),
        };
        *whole = whole.saturating_add(1);
        if let Some(part) = part {
            *part = part.saturating_add(1);
        }
    }

    /// All certificates.
    pub const fn all(&self) -> u64 {
        self.active.saturating_add(self.inactive)
    }

    /// How many of a hundred are active, rounded down; 0 when there are none.
    pub const fn active_percent(&self) -> u64 {
        match self.active.saturating_mul(100).checked_div(self.all()) {
            Some(percent) => percent,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_and_inactive_are_all_and_the_rest_are_parts() {
        let mut inventory = Inventory::default();
        assert_eq!((inventory.all(), inventory.active_percent()), (0, 0));
        let states = [
            State::Reserved,
            State::Issued,
            State::Issued,
            State::Expiring,
            State::Expired,
            State::Held,
            State::PendingRevoke,
            State::Revoked,
            State::Abandoned,
        ];
        states.into_iter().for_each(|state| inventory.add(state));
        let Inventory { active, expiring, inactive, expired, held, revoked, unissued } = inventory;
        assert_eq!((active, expiring, inactive, expired, held, revoked, unissued), (3, 1, 4, 1, 1, 2, 2));
        assert_eq!((inventory.all(), inventory.active_percent()), (7, 42));
        let with_status = states.iter().filter(|state| state.status().is_some()).count();
        assert_eq!(u64::try_from(with_status), Ok(inventory.all()));
    }
}
