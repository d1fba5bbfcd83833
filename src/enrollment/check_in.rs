//! What a check-in message changes.

use super::contact::{Contact, Reenrollment, UnannouncedIdentity, UserAuthentication};
use super::record::{Beginning, Enrollment, Event, MOST_ANNOUNCED, State};
use super::{Effect, Error, Fingerprint, Outcome, QueuedCommand, Reply};
use crate::checkin::{CheckIn, GetBootstrapTokenResponse, SetBootstrapToken, TokenUpdate, UserAuthenticateChallenge};
use crate::id::EnrollmentId;
use crate::plist;
use crate::push::{Address, Topic};
use crate::record::Change;
use crate::schema::Record;
use crate::time::Timestamp;
use crate::x509::Standing;

/// An outcome that is being made: events are applied as they are found, so that record and events cannot disagree.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) change: Change<Enrollment>,
    pub(super) commands: Vec<Change<QueuedCommand>>,
}

impl Draft {
    pub(super) fn new(record: &Enrollment) -> Self {
        Draft { change: Change::none(record.clone()), commands: Vec::new() }
    }

    pub(super) fn begin(beginning: Beginning) -> Self {
        let mut draft = Draft::new(&Enrollment::new(&beginning));
        draft.change.events.push(Event::Began(beginning));
        draft
    }

    pub(super) fn happened(mut self, event: Event) -> Self {
        self.change.record.take(&event);
        self.change.events.push(event);
        self
    }

    pub(super) fn effect(mut self, effect: Effect) -> Self {
        self.change.effects.push(effect);
        self
    }

    pub(super) fn reply(self, reply: Reply) -> Outcome {
        Outcome { enrollment: self.change, commands: self.commands, reply }
    }
}

impl Enrollment {
    /// Takes a message of a channel that has no record yet: `Authenticate` of a device, `TokenUpdate` of a user on an enrolled
    /// device. A `UserAuthenticate` is answered as well; it makes no record, and the outcome's is the device's, unchanged.
    ///
    /// # Errors
    /// [`Error`]; [`Error::reply`] is what the device is told.
    pub fn begin(message: &CheckIn, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        let id = message.enrollment()?;
        if id.kind().is_user_channel() {
            return begin_user(message, id, contact, now);
        }
        let CheckIn::Authenticate(_) = message else { return Err(Error::NotEnrolled) };
        let beginning = introduction(message, id, contact, 1, now)?;
        Ok(Draft::begin(beginning).reply(Reply::Empty))
    }

    /// Takes a check-in message of this channel.
    ///
    /// ```
    /// use mdm_core::checkin::CheckIn;
    /// use mdm_core::enrollment::{Contact, Enrollment, Error, Outcome};
    /// use mdm_core::time::Timestamp;
    ///
    /// fn check_in(
    ///     stored: Option<&Enrollment>,
    ///     message: &CheckIn,
    ///     contact: &Contact<'_>,
    ///     now: Timestamp,
    /// ) -> Result<Outcome, Error> {
    ///     match stored {
    ///         Some(enrollment) => enrollment.receive(message, contact, now),
    ///         None => Enrollment::begin(message, contact, now),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error`]; [`Error::reply`] is what the device is told. Nothing has changed then.
    pub fn receive(&self, message: &CheckIn, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        if message.enrollment()? != self.id {
            return Err(Error::OtherEnrollment);
        }
        match message {
            CheckIn::Authenticate(_) => self.authenticate(message, contact, now),
            CheckIn::TokenUpdate(update) => self.token_update(update, contact, now),
            CheckIn::CheckOut(_) => self.check_out(contact, now),
            CheckIn::SetBootstrapToken(set) => self.set_bootstrap_token(set, contact, now),
            CheckIn::GetBootstrapToken(_) => self.get_bootstrap_token(contact, now),
            CheckIn::UserAuthenticate(_) => user_authenticate(&self.id, contact),
            _ => Ok(self.admit(contact, now)?.reply(Reply::Host)),
        }
    }

    /// The identity is the one that may speak here. A new certificate is bound on the way when it is to be believed.
    pub(super) fn admit(&self, contact: &Contact<'_>, now: Timestamp) -> Result<Draft, Error> {
        if self.tenant != *contact.tenant {
            return Err(Error::OtherTenant);
        }
        if !self.state.is_live() {
            return Err(Error::NotEnrolled);
        }
        if self.id.kind().is_user_channel() {
            let device = device_of(&self.id, contact)?;
            if self.device_generation != Some(device.generation) {
                return Err(Error::NotEnrolled);
            }
            return Ok(Draft::new(self));
        }
        let found = self.recognise(contact)?;
        let draft = Draft::new(self);
        let origin = contact.identity.origin.cloned();
        let is_learnt = self.origin.is_none() && origin.is_some();
        if self.identity == Some(found) && !is_learnt {
            return Ok(draft);
        }
        let draft = draft.happened(Event::IdentityChanged { at: now, identity: found, origin });
        Ok(self.release_before(draft, found))
    }

    /// A certificate that has been replaced speaks for nobody any more; nor does one that was announced before its successor.
    fn release_before(&self, draft: Draft, new: Fingerprint) -> Draft {
        let announced = self.announced.iter().take(self.passed_over(new)).copied();
        let replaced = self.identity.filter(|old| *old != new).into_iter().chain(announced);
        replaced.fold(draft, |draft, old| draft.effect(Effect::ReleaseIdentity(old)))
    }

    /// The certificate that speaks for this device, when it may.
    fn recognise(&self, contact: &Contact<'_>) -> Result<Fingerprint, Error> {
        let found = contact.identity.fingerprint;
        let bound = self.identity == Some(found);
        match contact.identity.standing {
            Standing::InForce => {}
            Standing::Expired(_) if bound && contact.policy.admit_expired => {}
            standing => return Err(Error::Identity(standing)),
        }
        if bound || self.announced.contains(&found) {
            return Ok(found);
        }
        contact.not_anothers(&self.id)?;
        match (self.identity, contact.policy.unannounced_identity) {
            // Taken over from a server that did not know; the first identity that proves itself is it.
            (None, _) | (_, UnannouncedIdentity::Bind) => Ok(found),
            (Some(_), UnannouncedIdentity::Refuse) => Err(Error::OtherIdentity),
        }
    }

    fn authenticate(&self, message: &CheckIn, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        if self.id.kind().is_user_channel() {
            return Err(Error::NotForChannel);
        }
        if self.tenant != *contact.tenant {
            return Err(Error::OtherTenant);
        }
        let beginning = introduction(message, self.id.clone(), contact, self.generation.saturating_add(1), now)?;
        let identity = contact.identity.fingerprint;
        if self.state == State::Authenticated && self.identity == Some(identity) {
            // The device did not get the answer and says it again.
            return Ok(Draft::new(self).reply(Reply::Empty));
        }
        let managed = matches!(self.state, State::Enrolled | State::Retired);
        let renews = match contact.policy.reenrollment {
            Reenrollment::ByRecord => {
                self.announced.contains(&identity) || self.renewal_expected.is_some_and(|until| now <= until)
            }
            Reenrollment::Renew => true,
            Reenrollment::Reset => false,
        };
        if managed && renews {
            let draft =
                Draft::new(self).happened(Event::Renewed { at: now, identity, origin: contact.identity.origin.cloned() });
            return Ok(self.release_before(draft, identity).reply(Reply::Empty));
        }
        Ok(restart(Draft::new(self), beginning, Some(identity)).reply(Reply::Empty))
    }

    fn token_update(&self, update: &TokenUpdate, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        let draft = if self.id.kind().is_user_channel() {
            let device = device_of(&self.id, contact)?;
            let draft = Draft::new(self);
            if self.state.is_live() && self.device_generation == Some(device.generation) {
                draft
            } else {
                // A user has no Authenticate: the channel begins anew with the token.
                restart(draft, appearance(&self.id, device, self.generation.saturating_add(1), now), None)
            }
        } else {
            self.restarted_if_erased(self.admit(contact, now)?, update, now)
        };
        update_token(draft, update, contact, now)
    }

    /// A device that waits in Setup Assistant behind what was taken for a renewal has been erased: it was a reset after all.
    fn restarted_if_erased(&self, draft: Draft, update: &TokenUpdate, now: Timestamp) -> Draft {
        let erased = self.renewing && !self.awaiting_configuration && update.awaiting_configuration == Some(true);
        match draft.change.record.identity.filter(|_| erased) {
            None => draft,
            Some(identity) => {
                let (id, tenant, topic) = (self.id.clone(), self.tenant.clone(), self.topic.clone());
                let (origin, generation) = (draft.change.record.origin.clone(), self.generation.saturating_add(1));
                restart(draft, Beginning::Device { at: now, id, tenant, topic, identity, origin, generation }, Some(identity))
            }
        }
    }

    fn check_out(&self, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        if self.state == State::CheckedOut && self.tenant == *contact.tenant {
            return Ok(Draft::new(self).reply(Reply::Empty));
        }
        let draft = self.admit(contact, now)?;
        Ok(end(draft, Event::CheckedOut { at: now }).reply(Reply::Empty))
    }

    fn set_bootstrap_token(&self, set: &SetBootstrapToken, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        if self.id.kind().is_user_channel() {
            return Err(Error::NotForChannel);
        }
        let draft = self.admit(contact, now)?;
        let token = set.bootstrap_token.clone().filter(|token| !token.is_empty());
        if token == self.bootstrap_token {
            return Ok(draft.reply(Reply::Empty));
        }
        Ok(draft.happened(Event::BootstrapTokenSet { at: now, token }).reply(Reply::Empty))
    }

    fn get_bootstrap_token(&self, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
        if self.id.kind().is_user_channel() {
            return Err(Error::NotForChannel);
        }
        let draft = self.admit(contact, now)?;
        // No token is not an error: the device expects 200 without a body.
        let Some(token) = self.bootstrap_token.clone() else { return Ok(draft.reply(Reply::Empty)) };
        let answer = GetBootstrapTokenResponse { bootstrap_token: Some(token), ..GetBootstrapTokenResponse::default() };
        Ok(draft.reply(body(&answer)))
    }

    /// Says that the authority has issued this certificate to the device in place of the one it is bound to. The old one speaks
    /// until the new one is first used: a device renews outside of MDM, and no message tells when it begins to use it, nor whether
    /// the certificate reached it. A host looks the enrollment up by every certificate that speaks for it, announced ones too.
    ///
    /// `None` when it is known already, or there is no live device channel to bind it to.
    pub fn announce_identity(&self, identity: Fingerprint, now: Timestamp) -> Option<Change<Self>> {
        let known = self.identity == Some(identity) || self.announced.contains(&identity);
        if known || !self.state.is_live() || self.id.kind().is_user_channel() {
            return None;
        }
        let draft = Draft::new(self).happened(Event::IdentityAnnounced { at: now, identity });
        let crowded_out = self.announced.first().filter(|_| self.announced.len() == MOST_ANNOUNCED);
        Some(crowded_out.into_iter().fold(draft, |draft, oldest| draft.effect(Effect::ReleaseIdentity(*oldest))).change)
    }

    /// Says that the host has sent the enrollment profile once more to renew the certificate in it: an `Authenticate` until then is
    /// a renewal. Without this, or an announced certificate, it is a reset and the bootstrap token is lost.
    ///
    /// When the device turns out to wait in Setup Assistant afterwards, it had been erased, and is reset with its `TokenUpdate`.
    ///
    /// `None` for a user's channel, and when the device is not managed.
    pub fn expect_renewal(&self, until: Timestamp, now: Timestamp) -> Option<Change<Self>> {
        let managed = matches!(self.state, State::Enrolled | State::Retired) && !self.id.kind().is_user_channel();
        let event = Event::RenewalExpected { at: now, until };
        managed.then(|| Draft::new(self).happened(event).change)
    }

    /// Ends it by the host's decision. `None` when it has ended already.
    pub fn disable(&self, now: Timestamp) -> Option<Change<Self>> {
        self.state.is_live().then(|| end(Draft::new(self), Event::Disabled { at: now }).change)
    }

    /// Ends a user's channel because this generation of the device's enrollment has ended ([`Effect::DisableUserChannels`]). `None`
    /// when it has ended already, belongs to a later one, or is no user's channel.
    pub fn disable_with_device(&self, generation: u32, now: Timestamp) -> Option<Change<Self>> {
        self.device_generation.filter(|own| *own <= generation).and_then(|_| self.disable(now))
    }
}

impl<'a> Contact<'a> {
    /// The enrollment that loses its token to this one. Channels of one device may share a token; two devices may not.
    pub(super) fn displaced(&self, id: &EnrollmentId) -> Result<Option<&'a EnrollmentId>, Error> {
        match self.token_holder {
            Some(holder) if holder.tenant != self.tenant => Err(Error::TokenOfAnotherTenant),
            Some(holder) if holder.enrollment.device() != id.device() => Ok(Some(holder.enrollment)),
            _ => Ok(None),
        }
    }

    /// The certificate does not belong to another device.
    pub(super) fn not_anothers(&self, id: &EnrollmentId) -> Result<(), Error> {
        match self.identity.bound_to {
            Some(holder) if holder.device() != id.device() => Err(Error::IdentityOfAnother),
            _ => Ok(()),
        }
    }

    /// The topic that a message names, when it is one of the tenant's.
    pub(super) fn own_topic(&self, text: &str) -> Result<&'a Topic, Error> {
        let text = text.trim();
        self.topics.iter().find(|topic| topic.as_str() == text).ok_or(Error::OtherTopic)
    }
}

/// What `Authenticate` says, checked.
fn introduction(
    message: &CheckIn,
    id: EnrollmentId,
    contact: &Contact<'_>,
    generation: u32,
    now: Timestamp,
) -> Result<Beginning, Error> {
    let topic = contact.own_topic(message.topic().ok_or(Error::Missing("Topic"))?)?;
    let standing = contact.identity.standing;
    if standing != Standing::InForce {
        return Err(Error::Identity(standing));
    }
    contact.not_anothers(&id)?;
    let (tenant, topic) = (contact.tenant.clone(), topic.clone());
    let (identity, origin) = (contact.identity.fingerprint, contact.identity.origin.cloned());
    Ok(Beginning::Device { at: now, id, tenant, topic, identity, origin, generation })
}

fn begin_user(message: &CheckIn, id: EnrollmentId, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
    match message {
        CheckIn::UserAuthenticate(_) => user_authenticate(&id, contact),
        CheckIn::TokenUpdate(update) => {
            let device = device_of(&id, contact)?;
            update_token(Draft::begin(appearance(&id, device, 1, now)), update, contact, now)
        }
        _ => Err(Error::NotEnrolled),
    }
}

fn appearance(id: &EnrollmentId, device: &Enrollment, generation: u32, now: Timestamp) -> Beginning {
    let (tenant, topic) = (device.tenant.clone(), device.topic.clone());
    Beginning::User { at: now, id: id.clone(), tenant, topic, generation, device_generation: device.generation }
}

/// The device under a user's channel: managed, of the tenant, and with the identity that speaks.
fn device_of<'a>(user: &EnrollmentId, contact: &Contact<'a>) -> Result<&'a Enrollment, Error> {
    let device = contact.device.ok_or(Error::NotEnrolled)?;
    if device.id != user.device() {
        return Err(Error::OtherEnrollment);
    }
    if device.tenant != *contact.tenant {
        return Err(Error::OtherTenant);
    }
    if !matches!(device.state, State::Enrolled | State::Retired) {
        return Err(Error::NotEnrolled);
    }
    device.recognise(contact)?;
    Ok(device)
}

fn update_token(draft: Draft, update: &TokenUpdate, contact: &Contact<'_>, now: Timestamp) -> Result<Outcome, Error> {
    let address = address(update)?;
    contact.own_topic(address.topic().as_str())?;
    let displaced = contact.displaced(&draft.change.record.id)?.cloned();
    let before = draft.change.record.binding.as_ref().map(|binding| binding.token().clone());
    let first = draft.change.record.token_updates == 0;
    let awaited = draft.change.record.awaiting_configuration;
    let moved = before.as_ref() != Some(address.token());
    // An empty token is none: it must not take the place of one that works.
    let unlock_token = update.unlock_token.clone().filter(|token| !token.is_empty());
    let awaiting_configuration = update.awaiting_configuration;
    let token = address.token().clone();
    let mut draft = draft.happened(Event::TokenUpdated { at: now, address, unlock_token, awaiting_configuration });
    if let Some(enrollment) = displaced {
        draft = draft.effect(Effect::Displace { enrollment, token });
    }
    if draft.change.record.awaiting_configuration && !awaited {
        draft = draft.effect(Effect::FinishSetup);
    }
    if moved && !first {
        // What was sent to the old address may not have arrived.
        draft = draft.effect(Effect::Wake { at: now });
    }
    Ok(draft.reply(Reply::Empty))
}

/// Topic, token and push magic of a `TokenUpdate`. Stored captures pad the topic with line ends.
pub(super) fn address(update: &TokenUpdate) -> Result<Address, Error> {
    let topic = update.topic.as_deref().ok_or(Error::Missing("Topic"))?;
    let token = update.token.as_ref().ok_or(Error::Missing("Token"))?;
    let magic = update.push_magic.as_ref().ok_or(Error::Missing("PushMagic"))?;
    Ok(Address::new(topic.trim(), token.expose(), magic)?)
}

fn user_authenticate(id: &EnrollmentId, contact: &Contact<'_>) -> Result<Outcome, Error> {
    if !id.kind().is_user_channel() {
        return Err(Error::NotForChannel);
    }
    let device = device_of(id, contact)?;
    let reply = match contact.policy.user_authentication {
        UserAuthentication::NotManaged => Reply::Gone,
        UserAuthentication::NoPassword => {
            body(&UserAuthenticateChallenge { digest_challenge: Some(String::new()), ..UserAuthenticateChallenge::default() })
        }
        UserAuthentication::Host => Reply::Host,
    };
    Ok(Draft::new(device).reply(reply))
}

/// A reset: what hangs from the old enrollment is void.
fn restart(draft: Draft, beginning: Beginning, identity: Option<Fingerprint>) -> Draft {
    let old = draft.change.record.clone();
    let draft = draft.happened(Event::Began(beginning));
    // What had ended already has been cleared then.
    let draft = if old.state.is_live() { clear(draft, &old) } else { draft };
    let replaced = old.identity.into_iter().chain(old.announced.iter().copied()).filter(|old| Some(*old) != identity);
    replaced.fold(draft, |draft, old| draft.effect(Effect::ReleaseIdentity(old)))
}

/// The end of a channel, with all that hangs from it.
fn end(draft: Draft, event: Event) -> Draft {
    let old = draft.change.record.clone();
    let draft = clear(draft.happened(event), &old);
    old.identity
        .into_iter()
        .chain(old.announced.iter().copied())
        .fold(draft, |draft, old| draft.effect(Effect::ReleaseIdentity(old)))
}

/// The queue of a generation that has ended, and the users on the device.
fn clear(draft: Draft, old: &Enrollment) -> Draft {
    let generation = old.generation;
    let draft = draft.effect(Effect::ClearQueue { enrollment: old.id.clone(), generation });
    if old.id.kind().is_user_channel() {
        return draft;
    }
    draft.effect(Effect::DisableUserChannels { device: old.id.clone(), generation })
}

#[allow(clippy::expect_used, reason = "the record holds data or an empty text, and both have an XML form")]
fn body(answer: &impl Record) -> Reply {
    Reply::Body(plist::to_xml(&answer.to_dictionary().into()).expect("the answer has an XML form"))
}
