//! What a host does by the clock: devices that are silent, notices, certificates of its own that end, messages that are forgotten.

use std::sync::Arc;
use std::time::Duration;

use mdm_core::push::{NoticeSchedule, PushCertificate};
use tokio::time::{MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::host::{Host, now};
use crate::push::{self, waking};
use crate::scep::judge;
use crate::{lifecycle, tenant};

/// How often devices are looked for that are owed a push.
const SWEEP: Duration = Duration::from_secs(60);
/// How many sweeps there are from one look at everything else to the next: an hour.
const SWEEPS_PER_ROUND: u64 = 60;
/// Days for which a message is remembered, so that it is not taken for another. A SCEP exchange is over long before.
const REMEMBERED_DAYS: i64 = 7;

/// Until the server stops. Other servers are waited for beside what is this one's own.
pub async fn run(host: Arc<Host>) {
    tokio::join!(services(host.clone()), house(host));
}

async fn services(host: Arc<Host>) {
    let mut clock = interval(SWEEP);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let host = host.clone();
        by_itself(move || report("challenge services", judge::tell(&host))).await;
    }
}

async fn house(host: Arc<Host>) {
    let mut clock = interval(SWEEP);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u64.. {
        clock.tick().await;
        let host = host.clone();
        by_itself(move || {
            report("sweep", waking::sweep(&host));
            if round % SWEEPS_PER_ROUND == 0 {
                report("authority", lifecycle::look_after(&host));
                report("push certificates", notices(&host));
                report("nonces", forget(&host));
            }
        })
        .await;
    }
}

async fn by_itself(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        eprintln!("maintenance: {error}");
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
