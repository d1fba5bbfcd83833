//! Decisions that no message brings: the end of an address, and enrollments of other servers.

use super::check_in::{Draft, address};
use super::contact::Contact;
use super::record::{Beginning, Enrollment, Event};
use super::{Effect, Error, Fingerprint};
use crate::checkin::{CheckIn, TokenUpdate};
use crate::id::EnrollmentId;
use crate::push::{Address, DeviceToken, Retirement};
use crate::record::Change;
use crate::secret::Secret;
use crate::time::Timestamp;

/// An enrollment as another server kept it: the last `TokenUpdate` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out")]
pub struct Migrant {
    /// Which channel it is.
    pub id: EnrollmentId,
    /// Topic, token and push magic.
    pub address: Address,
    /// The identity certificate, when the other server knew it. Otherwise the first that proves itself is bound.
    pub identity: Option<Fingerprint>,
    /// `UnlockToken`. A device does not send it again when asked; lost here, it is lost.
    pub unlock_token: Option<Secret>,
    /// The bootstrap token, which is not sent again either.
    pub bootstrap_token: Option<Secret>,
}

impl Migrant {
    /// From the last `TokenUpdate` that the other server has stored, without identity and bootstrap token.
    ///
    /// # Errors
    /// [`Error::Identifiers`], [`Error::Missing`] or [`Error::Address`] when the message is not one that a device could be woken by.
    pub fn from_token_update(update: &TokenUpdate) -> Result<Self, Error> {
        let message = CheckIn::from(update.clone());
        Ok(Migrant {
            id: message.enrollment()?,
            address: address(update)?,
            identity: None,
            unlock_token: update.unlock_token.clone().filter(|token| !token.is_empty()),
            bootstrap_token: None,
        })
    }
}

impl Enrollment {
    /// Takes over an enrollment from another server without touching the device: topic, token, push magic and the tokens stay, so
    /// the device notices nothing but that another server answers.
    ///
    /// # Errors
    /// [`Error::OtherTopic`] when the device listens on a topic that the tenant does not have: it could never be woken, and must
    /// enroll again. [`Error::TokenOfAnotherTenant`], [`Error::IdentityOfAnother`].
    pub fn migrate(migrant: Migrant, contact: &Contact<'_>, now: Timestamp) -> Result<Change<Self>, Error> {
        let Migrant { id, address, identity, unlock_token, bootstrap_token } = migrant;
        contact.own_topic(address.topic().as_str())?;
        if identity.is_some() {
            contact.not_anothers(&id)?;
        }
        let displaced = contact.displaced(&id)?.cloned();
        // A user's channel is bound through its device's.
        let identity = identity.filter(|_| !id.kind().is_user_channel());
        let device_generation = contact.device.map_or(1, Enrollment::generation);
        let device_generation = id.kind().is_user_channel().then_some(device_generation);
        let token = address.token().clone();
        let tenant = contact.tenant.clone();
        let draft = Draft::begin(Beginning::Migrated {
            at: now,
            id,
            tenant,
            address,
            identity,
            unlock_token,
            bootstrap_token,
            device_generation,
        });
        let draft = match displaced {
            Some(enrollment) => draft.effect(Effect::Displace { enrollment, token }),
            None => draft,
        };
        Ok(draft.change)
    }

    /// Drops an address that APNs has proven dead. `None` when the proof is about another address than the present one: the device
    /// has sent a newer `TokenUpdate` since.
    ///
    /// The enrollment itself goes on: a device that comes by itself is answered, and its next `TokenUpdate` makes it
    /// [`State::Enrolled`](super::State::Enrolled) again.
    pub fn retire(&self, proof: &Retirement, now: Timestamp) -> Option<Change<Self>> {
        self.binding.as_ref().filter(|binding| proof.concerns(binding))?;
        let event = Event::Retired { at: now, dead_since_ms: Some(proof.dead_since_ms()) };
        Some(Draft::new(self).happened(event).change)
    }

    /// Drops its address because another enrollment of the tenant has given the same token ([`Effect::Displace`]). `None` when its
    /// address is another by now, or it has none.
    pub fn displace(&self, token: &DeviceToken, now: Timestamp) -> Option<Change<Self>> {
        let has_it = self.binding.as_ref().is_some_and(|binding| binding.token() == token);
        has_it.then(|| Draft::new(self).happened(Event::Retired { at: now, dead_since_ms: None }).change)
    }
}
