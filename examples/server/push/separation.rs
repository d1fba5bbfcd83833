//! Taking a tenant out of what it shares with others: the plan, and its progress step by step.
//!
//! What this server can see to, it does or checks: that the tenant has a certificate of its own, who must enroll again, that nobody
//! listens on the old topic before it is left. That accounts at Apple were obtained, the operator says by going on. Devices are told in
//! batches, the next when those of the last have come back; the record is stored with each, so that it goes on where it was.

use mdm_core::enrollment::Enrollment;
use mdm_core::id::{EnrollmentId, Revision, TenantId};
use mdm_core::push::{Level, PushCertificate, SeparationPlan, SeparationStep, Topic};
use mdm_core::record::Record;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{certificate, report};
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::kept::{enrollment_key, topic_alias};
use crate::store::{Batch, Stored, View};

impl Stored for SeparationPlan {
    const KIND: &'static str = "separation";

    fn key(&self) -> String {
        self.tenant().to_string()
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }
}

/// How a plan is made.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// Up to where nothing is to be shared.
    level: Height,
    /// How many devices are told at a time.
    batch: u32,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { level: Height::DeveloperAccount, batch: 100 }
    }
}

/// A level of what hangs from what at Apple, by its name.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Height {
    Certificate,
    AppleAccount,
    VendorCertificate,
    DeveloperAccount,
}

impl From<Height> for Level {
    fn from(height: Height) -> Level {
        match height {
            Height::Certificate => Level::Certificate,
            Height::AppleAccount => Level::AppleAccount,
            Height::VendorCertificate => Level::VendorCertificate,
            Height::DeveloperAccount => Level::DeveloperAccount,
        }
    }
}

/// Most enrollments that are named in one answer.
const SHOWN: u32 = 100;

/// `GET /admin/push/{tenant}/separation`: the plan that is under way, else what a plan would be.
pub fn show(view: &View<'_>, tenant: &TenantId) -> Result<Value, Failure> {
    match view.load::<SeparationPlan>(tenant.as_str())? {
        Some(plan) => describe(view, &plan, &[]),
        None => describe(view, &report::plan(view, tenant, Level::DeveloperAccount, Wanted::default().batch)?.record, &[]),
    }
}

/// `POST /admin/push/{tenant}/separation`: makes the plan.
pub fn begin(host: &Host, tenant: &TenantId, wanted: &Wanted) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let earlier = batch.load::<SeparationPlan>(tenant.as_str())?;
        if earlier.is_some_and(|plan| plan.next().is_some()) {
            return Err(Failure::conflict("the tenant has a plan that is under way"));
        }
        let planned = report::plan(batch, tenant, wanted.level.into(), wanted.batch)?;
        if planned.record.next().is_none() {
            return Err(Failure::conflict("the tenant shares nothing up to this level"));
        }
        batch.keep_anew(&planned)?;
        batch.log(format!("audit: the separation of {tenant} is planned"));
        describe(batch, &planned.record, &[])
    })
}

/// `POST /admin/push/{tenant}/separation/advance`: sees to the step at hand, or checks that it was seen to, and goes on.
pub fn advance(host: &Host, tenant: &TenantId) -> Result<Value, Failure> {
    host.store.decide(|batch| {
        let plan = batch.load::<SeparationPlan>(tenant.as_str())?;
        let plan = plan.ok_or_else(|| Failure::not_found("the tenant has no plan"))?;
        let step = plan.next().cloned().ok_or_else(|| Failure::conflict("all steps are done"))?;
        if let SeparationStep::EnrollAgain { topic, .. } = &step {
            return tell_next(batch, &plan, topic);
        }
        match &step {
            SeparationStep::InstallCertificate => check_own(batch, &plan)?,
            SeparationStep::LeaveCertificate { topic } => leave(host, batch, tenant, topic)?,
            // What happens at Apple: the operator's word is taken for it.
            _ => {}
        }
        let completed = plan.completed(now()).ok_or_else(|| Failure::internal("the step cannot be completed"))?;
        batch.keep(&completed)?;
        batch.log(format!("audit: separation of {tenant}: {} is done", name(&step)));
        describe(batch, &completed.record, &[])
    })
}

/// Tells the next batch to enroll again, once all who were told before have; with nobody left, the step is done.
fn tell_next(batch: &mut Batch<'_>, plan: &SeparationPlan, topic: &Topic) -> Result<Value, Failure> {
    let tenant = plan.tenant();
    let waiting = listening(batch, plan, topic, Side::Told)?;
    if !waiting.is_empty() {
        let names: Vec<String> = waiting.iter().map(ToString::to_string).collect();
        let reason = "those who were told have not all enrolled again";
        return Err(Failure::conflict(reason).with_detail(json!({ "error": reason, "waiting": names })));
    }
    let told = plan.next_batch(listening(batch, plan, topic, Side::Behind)?);
    let moved = plan.batch_moved(&told, now()).ok_or_else(|| Failure::internal("the step touches no device"))?;
    batch.keep(&moved)?;
    for id in &told {
        batch.log(format!("attention: {id} of {tenant} must enroll again, to leave {topic}"));
    }
    if told.is_empty() {
        batch.log(format!("audit: separation of {tenant}: nobody listens on {topic} any more"));
    }
    describe(batch, &moved.record, &told)
}

/// On which side of the plan's cursor.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Told,
    Behind,
}

/// The enrollments that listen on a topic and have been told to leave it, or have not; in the order of their keys.
fn listening(view: &View<'_>, plan: &SeparationPlan, topic: &Topic, side: Side) -> Result<Vec<EnrollmentId>, Failure> {
    let alias = topic_alias(plan.tenant(), topic.as_str());
    let cursor = plan.cursor().map(|last| enrollment_key(plan.tenant(), last)).unwrap_or_default();
    let page = match side {
        Side::Told => view.list_alias_between::<Enrollment>(&alias, "", &cursor, SHOWN)?,
        Side::Behind => view.list_alias_between::<Enrollment>(&alias, &cursor, "\u{10FFFF}", plan.batch())?,
    };
    Ok(page.iter().map(|enrollment| enrollment.id().clone()).collect())
}

/// The tenant must have a certificate of its own, with another topic than those that it is to leave.
fn check_own(view: &View<'_>, plan: &SeparationPlan) -> Result<(), Failure> {
    let left: Vec<&Topic> = plan.steps().iter().filter_map(|progress| left_with(&progress.step)).collect();
    let own = view.list_open::<PushCertificate>(plan.tenant().as_str())?;
    let is_new = |found: &PushCertificate| found.installed().is_some_and(|installed| !left.contains(&&installed.topic));
    if own.iter().any(|found| is_new(found) && found.shared_with().is_empty()) {
        Ok(())
    } else {
        Err(Failure::conflict("install a certificate of the tenant's own first, which nobody shares"))
    }
}

const fn left_with(step: &SeparationStep) -> Option<&Topic> {
    match step {
        SeparationStep::LeaveCertificate { topic } => Some(topic),
        _ => None,
    }
}

/// Ends the sharing; or gives the certificate up when it is the tenant's own.
fn leave(host: &Host, batch: &mut Batch<'_>, tenant: &TenantId, topic: &Topic) -> Result<(), Failure> {
    if certificate::enrollments(batch, tenant, topic)? > 0 {
        return Err(Failure::conflict("somebody has begun to listen on the topic again"));
    }
    let has_topic = |found: &PushCertificate| found.installed().is_some_and(|installed| installed.topic == *topic);
    for found in certificate::of_tenant(batch, tenant)?.iter().filter(|found| has_topic(found)) {
        if found.tenant() == tenant {
            if !found.shared_with().is_empty() {
                return Err(Failure::conflict("others use the tenant's certificate: end that first"));
            }
            found.revoke(now()).iter().try_for_each(|revoked| certificate::keep(host, batch, revoked))?;
        } else {
            let others = found.shared_with().iter().filter(|other| *other != tenant).cloned().collect();
            certificate::share(host, batch, found, others)?;
        }
    }
    Ok(())
}

/// A step's name.
fn name(step: &SeparationStep) -> String {
    let shown = format!("{step:?}");
    shown.split([' ', '{']).next().unwrap_or_default().to_owned()
}

fn describe(view: &View<'_>, plan: &SeparationPlan, told: &[EnrollmentId]) -> Result<Value, Failure> {
    let steps = plan.steps().iter().map(|progress| {
        let topic = match &progress.step {
            SeparationStep::RenewUnderVendor { topic }
            | SeparationStep::EnrollAgain { topic, .. }
            | SeparationStep::LeaveCertificate { topic } => Some(topic.to_string()),
            _ => None,
        };
        json!({
            "step": name(&progress.step),
            "topic": topic,
            "touchesDevices": progress.step.touches_devices(),
            "done": progress.done.map(|at| at.to_string()),
        })
    });
    let waiting = match plan.next() {
        Some(SeparationStep::EnrollAgain { topic, .. }) => listening(view, plan, topic, Side::Told)?,
        _ => Vec::new(),
    };
    let names = |ids: &[EnrollmentId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(json!({
        "tenant": plan.tenant(),
        "level": format!("{:?}", plan.level()),
        "enrollAgain": plan.to_enroll_again(),
        "moved": plan.moved(),
        "next": plan.next().map(name),
        "told": names(told),
        "waiting": names(&waiting),
        "steps": steps.collect::<Vec<_>>(),
    }))
}
