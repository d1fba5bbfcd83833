//! What is owed, sent and answered: the loop that wakes devices.
//!
//! A push that is owed is a record beside the enrollment's, stored with the command that it is for. The loop takes what is due,
//! stores that it does, sends, and stores what APNs said. Stopped at any point, it sends again; a push too many does no harm.

use std::sync::Arc;

use mdm_core::enrollment::{Enrollment, Patience, QueuedCommand};
use mdm_core::id::{EnrollmentId, TenantId};
use mdm_core::push::{Answer, PushCertificate, Refused, Verdict, Wake, Waking};
use mdm_core::time::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Duration, sleep};

use super::certificate;
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::kept::{WAKINGS, due_place, enrollment_key};
use crate::mdm::records::keep_enrollment;
use crate::store::{Batch, View};

/// Pushes that are taken at once.
const TAKEN_AT_ONCE: u32 = 200;
/// Pushes that are on their way at once.
const ON_THE_WAY: usize = 1_000;

fn load(view: &View<'_>, tenant: &TenantId, id: &EnrollmentId) -> Result<Option<Waking>, Failure> {
    Ok(view.load::<Waking>(&enrollment_key(tenant, id))?)
}

/// A device is owed a push from this moment on.
pub fn owe(batch: &mut Batch<'_>, tenant: &TenantId, id: &EnrollmentId, at: Timestamp) -> Result<(), Failure> {
    let owed = match load(batch, tenant, id)? {
        Some(waking) => waking.owe(at, now()),
        None => {
            let begun = Waking::quiet(id.clone(), tenant.clone());
            Some(match begun.record.owe(at, now()) {
                Some(owed) => begun.and_then(|_| owed),
                None => begun,
            })
        }
    };
    owed.iter().try_for_each(|owed| Ok(batch.keep(owed)?))
}

/// A device came.
pub fn contacted(batch: &mut Batch<'_>, tenant: &TenantId, id: &EnrollmentId) -> Result<(), Failure> {
    let settled = load(batch, tenant, id)?.and_then(|waking| waking.contacted(now()));
    settled.iter().try_for_each(|settled| Ok(batch.keep(settled)?))
}

/// What is owed to a tenant's devices for later is owed now.
pub fn release(batch: &mut Batch<'_>, tenant: &TenantId) -> Result<(), Failure> {
    for waking in batch.list_alias::<Waking>(tenant.as_str())? {
        waking.release(now()).iter().try_for_each(|released| batch.keep(released))?;
    }
    Ok(())
}

/// A push on its way.
struct Sent {
    wake: Wake,
    attempt: u32,
}

/// Wakes devices until the server stops.
pub async fn run(host: Arc<Host>) {
    let on_the_way = Arc::new(Semaphore::new(ON_THE_WAY));
    loop {
        let taking = host.clone();
        let taken = match tokio::task::spawn_blocking(move || take(&taking)).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(failure)) => {
                eprintln!("push: {}", failure.log);
                Vec::new()
            }
            Err(error) => {
                eprintln!("push: {error}");
                Vec::new()
            }
        };
        let idle = taken.is_empty();
        for sent in taken {
            let Ok(permit) = on_the_way.clone().acquire_owned().await else { return };
            let host = host.clone();
            tokio::spawn(async move {
                send(host, sent).await;
                drop(permit);
            });
        }
        if idle {
            tokio::select! {
                () = host.push_owed.notified() => {}
                () = sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

/// Takes what is due, and prepares it. What no certificate may wake now waits, or is given up. One node takes at a time, and all send.
fn take(host: &Host) -> Result<Vec<Sent>, Failure> {
    let is_due = |view: &View<'_>, limit| view.list_due::<Waking>(WAKINGS, &due_place(now()), limit).map_err(Failure::from);
    if host.store.read(|view| is_due(view, 1))?.is_empty() {
        return Ok(Vec::new());
    }
    let Some(_alone) = host.store.lease("pushes")? else { return Ok(Vec::new()) };
    host.store.decide(|batch| {
        let mut taken = Vec::new();
        for waking in is_due(batch, TAKEN_AT_ONCE)? {
            let Some((step, attempt)) = waking.take(now()) else { continue };
            batch.keep(&step)?;
            match prepare(batch, &waking)? {
                Ok(wake) => taken.push(Sent { wake, attempt }),
                Err(verdict) => {
                    step.record.answered(&verdict, now()).iter().try_for_each(|answered| batch.keep(answered))?;
                }
            }
        }
        Ok(taken)
    })
}

/// The push, with the certificate of the enrollment's topic; or what becomes of it without one.
fn prepare(batch: &mut Batch<'_>, waking: &Waking) -> Result<Result<Wake, Verdict>, Failure> {
    let given_up = || Verdict::Rejected { reason: None, status: 0 };
    let id = waking.enrollment();
    let enrollment = batch.load::<Enrollment>(&enrollment_key(waking.tenant(), id))?;
    let Some(binding) = enrollment.as_ref().and_then(Enrollment::binding) else { return Ok(Err(given_up())) };
    let certificates = certificate::of_tenant(batch, waking.tenant())?;
    let mut refusal = Refused::NotInstalled;
    for candidate in &certificates {
        match binding.wake(candidate, now()) {
            Ok(wake) => return Ok(Ok(wake)),
            // Another certificate may have the topic; why the one with the topic is not used says more.
            Err(Refused::OtherTopic) if refusal != Refused::NotInstalled => {}
            Err(refused) => refusal = refused,
        }
    }
    batch.log(format!("push: not sent to {id} of {}: {refusal}", waking.tenant()));
    Ok(Err(match refusal {
        Refused::OtherTenant | Refused::OtherTopic | Refused::Damaged => given_up(),
        _ => Verdict::RetryAt(now().plus_seconds(Waking::PAUSED_FOR)),
    }))
}

async fn send(host: Arc<Host>, sent: Sent) {
    let Some(apns) = &host.apns else { return };
    let answer = apns.send(&host, &sent.wake).await;
    let settling = host.clone();
    let settled = tokio::task::spawn_blocking(move || settle(&settling, &sent, &answer)).await;
    match settled {
        Ok(Ok(())) => {}
        // The push stays out; it is sent again after a while.
        Ok(Err(failure)) => eprintln!("push: {}", failure.log),
        Err(error) => eprintln!("push: {error}"),
    }
}

/// Stores what APNs said, and what follows from it.
fn settle(host: &Host, sent: &Sent, answer: &Answer) -> Result<(), Failure> {
    let Sent { wake, attempt } = sent;
    host.store.decide(|batch| {
        let (tenant, id) = (wake.tenant(), wake.enrollment());
        let enrollment = batch.load::<Enrollment>(&enrollment_key(tenant, id))?;
        let Some((enrollment, binding)) = enrollment.as_ref().and_then(|found| Some((found, found.binding()?))) else {
            return Ok(());
        };
        let verdict = binding.answered(wake, answer, &host.config.retry, *attempt, now());
        match &verdict {
            Verdict::Delivered { .. } => batch.log(format!("push: {id} of {tenant} over {}", wake.route().serial)),
            Verdict::RetryAt(at) => batch.log(format!("push: {id} of {tenant} again at {at}, status {}", answer.status())),
            Verdict::Rejected { reason, status } => {
                let reason = reason.as_ref().map(ToString::to_string).unwrap_or_default();
                batch.log(format!("attention: push: {id} of {tenant} rejected: {status} {reason}"));
            }
            Verdict::PauseTopic(complaint) => {
                let mine = batch.list_open::<PushCertificate>(complaint.tenant.as_str())?;
                if let Some(paused) = mine.iter().find_map(|certificate| certificate.pause(complaint, now())) {
                    certificate::keep(host, batch, &paused)?;
                    batch.log(format!("attention: push: APNs refuses {}: {}", complaint.topic, complaint.reason));
                }
            }
            Verdict::Retire(proof) => {
                if let Some(retired) = enrollment.retire(proof, now()) {
                    keep_enrollment(batch, &retired)?;
                    batch.log(format!("push: {id} of {tenant} does not listen any more"));
                }
            }
        }
        let answered = load(batch, tenant, id)?.and_then(|waking| waking.answered(&verdict, now()));
        answered.iter().try_for_each(|answered| Ok(batch.keep(answered)?))
    })
}

/// Finds devices that have something to do and have been silent, and owes them a push.
pub fn sweep(host: &Host) -> Result<(), Failure> {
    const PAGE: u32 = 200;
    let mut after = String::new();
    loop {
        let (last, silent) = host.store.read(|view| {
            let page = view.open_owners::<QueuedCommand>(&after, PAGE)?;
            let mut silent = Vec::new();
            for owner in &page {
                silent.extend(silent_since(view, owner)?.map(|_| owner.clone()));
            }
            Ok::<_, Failure>((page.last().cloned(), silent))
        })?;
        // Only who is owed a push is looked at once more where decisions of other nodes would count.
        if !silent.is_empty() {
            host.store.decide(|batch| silent.iter().try_for_each(|owner| owe_silent(batch, owner)))?;
        }
        match last {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

/// An enrollment that has something to do and has been silent, and from when on it is owed a push.
fn silent_since(view: &View<'_>, owner: &str) -> Result<Option<(Enrollment, Timestamp)>, Failure> {
    let Some(enrollment) = view.load::<Enrollment>(owner)? else { return Ok(None) };
    let open = view.list_open::<QueuedCommand>(owner)?;
    let owed = enrollment.wake_owed(&open, &Patience::default(), now()).filter(|at| *at <= now());
    Ok(owed.map(|at| (enrollment, at)))
}

fn owe_silent(batch: &mut Batch<'_>, owner: &str) -> Result<(), Failure> {
    match silent_since(batch, owner)? {
        Some((enrollment, at)) => owe(batch, enrollment.tenant(), enrollment.id(), at),
        None => Ok(()),
    }
}
