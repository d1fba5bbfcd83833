//! Taking one tenant out of what it shares with others, step by step.

use serde::{Deserialize, Serialize};

use super::{Estate, Level, Node, Topic};
use crate::id::{EnrollmentId, Revision, TenantId};
use crate::record::stored::Format;
use crate::record::{Change, NoEffect, Record, ReplayError};
use crate::time::Timestamp;

/// One step of a separation, in the order in which they are done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SeparationStep {
    /// Have a developer account with the MDM CSR permission for this tenant alone.
    ObtainDeveloperAccount,
    /// Have a vendor certificate for this tenant alone.
    ObtainVendorCertificate,
    /// Renew the certificate of this topic with the same Apple Account, the request signed by the other vendor certificate. The
    /// topic stays: no device notices.
    RenewUnderVendor {
        /// The topic.
        topic: Topic,
    },
    /// Have an Apple Account for this tenant alone.
    ObtainAppleAccount,
    /// Request and install a certificate for this tenant with that account. It has a new topic, and is used beside the old one.
    InstallCertificate,
    /// Enroll every device again that listens on this topic, in batches. A device cannot change its topic in any other way.
    EnrollAgain {
        /// The topic to leave.
        topic: Topic,
        /// How many enrollments listen on it, when the plan was made.
        enrollments: u64,
    },
    /// Stop using the certificate of this topic: end the sharing, or revoke it.
    LeaveCertificate {
        /// The topic.
        topic: Topic,
    },
}

impl SeparationStep {
    /// Whether devices must do something for it.
    pub const fn touches_devices(&self) -> bool {
        matches!(self, SeparationStep::EnrollAgain { .. })
    }
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepProgress {
    /// The step.
    pub step: SeparationStep,
    /// When it was completed.
    pub done: Option<Timestamp>,
}

/// The record of one tenant's separation. It can be stopped and taken up again at any step and within the batches.
///
/// ```text
/// obtain accounts ─► renew under another vendor                        (devices do not notice)
///                └─► install the new certificate ─► enroll again, batch by batch ─► leave the old one
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeparationPlan {
    format: Format,
    tenant: TenantId,
    level: Level,
    steps: Vec<StepProgress>,
    batch: u32,
    moved: u64,
    cursor: Option<EnrollmentId>,
    revision: Revision,
}

/// What happened to a separation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SeparationEvent {
    /// The plan was made.
    Planned {
        /// Whose it is.
        tenant: TenantId,
        /// Up to which level nothing is to be shared.
        level: Level,
        /// What is to be done, in this order.
        steps: Vec<SeparationStep>,
        /// How many devices are told to enroll again at a time.
        batch: u32,
    },
    /// The step at hand was completed.
    StepCompleted {
        /// When.
        at: Timestamp,
    },
    /// A batch of devices has been told to enroll again.
    BatchMoved {
        /// When.
        at: Timestamp,
        /// The last of the batch.
        last: EnrollmentId,
        /// How many there were.
        count: u32,
    },
}

impl Estate<'_> {
    /// The steps that take a tenant out of everything that it shares with others up to this level. `batch` is how many devices
    /// are told to enroll again at a time, at least one.
    ///
    /// A shared push certificate can only be left by enrolling again, for the topic belongs to the certificate; and so can a shared
    /// Apple Account, for a topic is renewed by the account that made it. A shared vendor certificate or developer account is left
    /// at the next renewal, without touching a device.
    pub fn plan_separation(&self, tenant: &TenantId, level: Level, batch: u32) -> Change<SeparationPlan> {
        let (mut renewed, mut left) = (Vec::new(), Vec::new());
        let shares = |stake: &super::Stake<'_>, at: Level| {
            at <= level && Node::above(stake.certificate, at).is_some_and(|node| self.is_shared(&node, tenant))
        };
        for stake in self.stakes().iter().filter(|stake| stake.tenant == tenant) {
            let Some(installed) = stake.certificate.installed() else { continue };
            if shares(stake, Level::Certificate) || shares(stake, Level::AppleAccount) {
                left.push((installed.topic.clone(), stake.enrollments));
            } else if shares(stake, Level::VendorCertificate) || shares(stake, Level::DeveloperAccount) {
                renewed.push(installed.topic.clone());
            }
        }
        let mut steps = Vec::new();
        if !(renewed.is_empty() && left.is_empty()) {
            if level >= Level::DeveloperAccount {
                steps.push(SeparationStep::ObtainDeveloperAccount);
            }
            if level >= Level::VendorCertificate {
                steps.push(SeparationStep::ObtainVendorCertificate);
            }
        }
        steps.extend(renewed.into_iter().map(|topic| SeparationStep::RenewUnderVendor { topic }));
        if !left.is_empty() {
            steps.extend([SeparationStep::ObtainAppleAccount, SeparationStep::InstallCertificate]);
        }
        for (topic, enrollments) in left {
            steps.push(SeparationStep::EnrollAgain { topic: topic.clone(), enrollments });
            steps.push(SeparationStep::LeaveCertificate { topic });
        }
        let batch = batch.max(1);
        let plan = SeparationPlan::new(tenant.clone(), level, &steps, batch);
        Change::one(plan, SeparationEvent::Planned { tenant: tenant.clone(), level, steps, batch }, Vec::new())
    }
}

impl SeparationPlan {
    fn new(tenant: TenantId, level: Level, steps: &[SeparationStep], batch: u32) -> Self {
        SeparationPlan {
            format: Format,
            tenant,
            level,
            steps: steps.iter().map(|step| StepProgress { step: step.clone(), done: None }).collect(),
            batch,
            moved: 0,
            cursor: None,
            revision: Revision::FIRST,
        }
    }

    /// Whose plan it is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Up to which level nothing is shared when it is done.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// All steps with their progress.
    pub fn steps(&self) -> &[StepProgress] {
        &self.steps
    }

    /// The step at hand; `None` when all are done, or nothing was shared.
    pub fn next(&self) -> Option<&SeparationStep> {
        self.steps.iter().find(|progress| progress.done.is_none()).map(|progress| &progress.step)
    }

    /// How many enrollments must enroll again in all.
    pub fn to_enroll_again(&self) -> u64 {
        let count = |progress: &StepProgress| match progress.step {
            SeparationStep::EnrollAgain { enrollments, .. } => enrollments,
            _ => 0,
        };
        self.steps.iter().map(count).fold(0, u64::saturating_add)
    }

    /// How many devices are told at a time.
    pub const fn batch(&self) -> u32 {
        self.batch
    }

    /// How many of the step at hand have been told to.
    pub const fn moved(&self) -> u64 {
        self.moved
    }

    /// The last enrollment that was told to; the host reads on behind it, in an order of its own that does not change.
    pub const fn cursor(&self) -> Option<&EnrollmentId> {
        self.cursor.as_ref()
    }

    /// The next batch, from the enrollments that listen on the step's topic and stand behind [`SeparationPlan::cursor`]. No more
    /// are read than the batch takes. Empty when the step at hand touches no device.
    pub fn next_batch(&self, behind_cursor: impl IntoIterator<Item = EnrollmentId>) -> Vec<EnrollmentId> {
        let touches = self.next().is_some_and(SeparationStep::touches_devices);
        let size = if touches { usize::try_from(self.batch).unwrap_or(usize::MAX) } else { 0 };
        behind_cursor.into_iter().take(size).collect()
    }

    /// Notes that a batch has been told to enroll again; an empty one completes the step. `None` when the step at hand touches no device.
    pub fn batch_moved(&self, batch: &[EnrollmentId], now: Timestamp) -> Option<Change<Self>> {
        self.next().filter(|step| step.touches_devices())?;
        let event = match batch.last() {
            None => SeparationEvent::StepCompleted { at: now },
            Some(last) => {
                let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
                SeparationEvent::BatchMoved { at: now, last: last.clone(), count }
            }
        };
        Some(self.then(event))
    }

    /// Notes that the step at hand was completed. `None` when there is none, or it is done batch by batch.
    pub fn completed(&self, now: Timestamp) -> Option<Change<Self>> {
        self.next().filter(|step| !step.touches_devices())?;
        let event = SeparationEvent::StepCompleted { at: now };
        Some(self.then(event))
    }

    fn then(&self, event: SeparationEvent) -> Change<Self> {
        let mut plan = self.clone();
        plan.take(&event);
        Change::one(plan, event, Vec::new())
    }

    fn take(&mut self, event: &SeparationEvent) {
        match event {
            SeparationEvent::Planned { .. } => return,
            SeparationEvent::StepCompleted { at } => {
                if let Some(progress) = self.steps.iter_mut().find(|progress| progress.done.is_none()) {
                    progress.done = Some(*at);
                }
                self.moved = 0;
                self.cursor = None;
            }
            SeparationEvent::BatchMoved { last, count, .. } => {
                self.moved = self.moved.saturating_add((*count).into());
                self.cursor = Some(last.clone());
            }
        }
        self.revision = self.revision.next();
    }
}

impl Record for SeparationPlan {
    type Event = SeparationEvent;
    type Effect = NoEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &SeparationEvent) -> Result<Self, ReplayError> {
        match first {
            SeparationEvent::Planned { tenant, level, steps, batch } => Ok(Self::new(tenant.clone(), *level, steps, *batch)),
            _ => Err(ReplayError::NotThisRecord("no plan begins with this event")),
        }
    }

    fn apply(&mut self, event: &SeparationEvent) -> Result<(), ReplayError> {
        let fits = match event {
            SeparationEvent::Planned { .. } => false,
            SeparationEvent::StepCompleted { .. } => self.next().is_some(),
            SeparationEvent::BatchMoved { .. } => self.next().is_some_and(SeparationStep::touches_devices),
        };
        if !fits {
            return Err(ReplayError::NotThisRecord("it cannot happen at this step of the plan"));
        }
        self.take(event);
        Ok(())
    }
}
