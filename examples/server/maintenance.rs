//! What a host does by the clock: devices that are silent, notices, certificates of its own that end, messages that are forgotten.
//!
//! Of several nodes one does it for all. It is the one that has taken the duty's lease, and another takes it over when that node is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mdm_core::push::{NoticeSchedule, PushCertificate};
use tokio::time::{MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::host::{Host, now};
use crate::push::{self, waking};
use crate::scep::judge;
use crate::store::Lease;
use crate::{authority, lifecycle, tenant};

/// How often devices are looked for that are owed a push.
const SWEEP: Duration = Duration::from_secs(60);
/// How many sweeps there are from one look at everything else to the next: an hour.
const SWEEPS_PER_ROUND: u64 = 60;
/// Days for which a message is remembered, so that it is not taken for another. A SCEP exchange is over long before.
const REMEMBERED_DAYS: i64 = 7;

/// Until the server stops. Other servers are waited for beside what is this one's own.
pub async fn run(host: Arc<Host>) {
    tokio::join!(services(host.clone()), house(host.clone()), connections(host));
}

async fn services(host: Arc<Host>) {
    let duty = Duty::new("challenge services");
    each_sweep(host, move |host| {
        if duty.is_ours(host).is_some() {
            report("challenge services", judge::tell(host));
        }
    })
    .await;
}

async fn house(host: Arc<Host>) {
    let duty = Duty::new("house");
    each_sweep(host, move |host| {
        let Some(round) = duty.is_ours(host) else { return };
        report("sweep", waking::sweep(host));
        if round.is_multiple_of(SWEEPS_PER_ROUND) {
            report("certificates", authority::recover(host));
            report("authority", lifecycle::look_after(host));
            report("push certificates", notices(host));
            report("nonces", forget(host));
        }
    })
    .await;
}

/// Each node its own.
async fn connections(host: Arc<Host>) {
    each_sweep(host, |host| report("connections", host.apns.iter().try_for_each(|apns| apns.close_unused(host)))).await;
}

async fn each_sweep(host: Arc<Host>, work: impl Fn(&Host) + Send + Sync + 'static) {
    let work = Arc::new(work);
    let mut clock = interval(SWEEP);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let (host, work) = (host.clone(), work.clone());
        if let Err(error) = tokio::task::spawn_blocking(move || work(&host)).await {
            eprintln!("maintenance: {error}");
        }
    }
}

/// Work that one node does for all.
struct Duty {
    name: &'static str,
    /// Since it is this node's: the lease, and how often the work was done.
    ours: Mutex<Option<(Lease, u64)>>,
}

impl Duty {
    const fn new(name: &'static str) -> Duty {
        Duty { name, ours: Mutex::new(None) }
    }

    /// How often this node has done it since it is its own; `None` when it is another's. What nobody has is taken over.
    fn is_ours(&self, host: &Host) -> Option<u64> {
        let mut ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rounds)) = ours.as_mut().filter(|(lease, _)| lease.holds()) {
            *rounds += 1;
            return Some(*rounds);
        }
        // One that does not hold any more stands in its own way.
        *ours = None;
        match host.store.lease(self.name) {
            Ok(lease) => *ours = lease.map(|lease| (lease, 0)),
            Err(error) => eprintln!("maintenance: {}: {error}", self.name),
        }
        ours.as_ref().map(|_| 0)
    }
}

fn report(what: &str, outcome: Result<(), Failure>) {
    if let Err(failure) = outcome {
        eprintln!("maintenance: {what}: {}", failure.log);
    }
}

/// Push certificates that end soon, each told once for each day of the schedule.
fn notices(host: &Host) -> Result<(), Failure> {
    let tenants = host.store.read(|view| view.list_all::<tenant::Tenant>().map_err(Failure::from))?;
    for tenant in tenants {
        host.store.decide(|batch| {
            for certificate in batch.list_open::<PushCertificate>(tenant.id.as_str())? {
                let due = certificate.notice(&NoticeSchedule::default(), now());
                due.iter().try_for_each(|notice| push::certificate::keep(host, batch, notice))?;
            }
            Ok::<_, Failure>(())
        })?;
    }
    Ok(())
}

fn forget(host: &Host) -> Result<(), Failure> {
    host.store.decide(|batch| {
        let forgotten = batch.forget_seen(now().plus_days(-REMEMBERED_DAYS).unix())?;
        if forgotten > 0 {
            batch.log(format!("maintenance: {forgotten} nonces of more than {REMEMBERED_DAYS} days forgotten"));
        }
        Ok(())
    })
}
