//! Random sequences of decisions about one request, with the host stopped at any point.

use mdm_core::external::{Answer, CertificateRequest, Error, Polling, Reference, RequestEffect, RequestState};
use mdm_core::record::{Change, Record};
use mdm_core::web;
use mdm_core::x509::RevocationReason;
use proptest::prelude::*;

use crate::world::{NOW, world};

#[derive(Clone, Copy, Debug)]
enum Step {
    Sending,
    Resubmit,
    Accepted,
    Pending,
    Issued,
    Denied,
    Gone,
    RevocationPending,
    Revoked,
    Failed(u8),
    Withdraw,
    GiveUp,
    Revoke,
    Delivered,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Sending),
        1 => Just(Step::Resubmit),
        2 => Just(Step::Accepted),
        3 => Just(Step::Pending),
        3 => Just(Step::Issued),
        1 => Just(Step::Denied),
        1 => Just(Step::Gone),
        1 => Just(Step::RevocationPending),
        1 => Just(Step::Revoked),
        2 => (0_u8..3).prop_map(Step::Failed),
        1 => Just(Step::Withdraw),
        1 => Just(Step::GiveUp),
        1 => Just(Step::Revoke),
        1 => Just(Step::Delivered),
    ];
    prop::collection::vec(step, 1..60)
}

fn decide(record: &CertificateRequest, step: Step, at: i64) -> Result<Change<CertificateRequest>, Error> {
    let (now, polling) = (NOW.plus_seconds(at), Polling::default());
    let answered = |answer| record.answered(answer, &polling, now);
    match step {
        Step::Sending => record.sending(now),
        Step::Resubmit => record.resubmit(now),
        Step::Accepted => answered(Answer::Accepted(Reference::new("order 1").unwrap())),
        Step::Pending => answered(Answer::Pending { reference: Some(Reference::new("order 1").unwrap()) }),
        Step::Issued => answered(Answer::Issued(world().issued())),
        Step::Denied => answered(Answer::Denied { reason: "no".into() }),
        Step::Gone => answered(Answer::Withdrawn),
        Step::RevocationPending => answered(Answer::RevocationPending),
        Step::Revoked => answered(Answer::Revoked),
        Step::Failed(0) => record.failed(&web::Error::Unavailable { status: 503, retry_after: Some(9) }.into(), &polling, now),
        Step::Failed(1) => record.failed(&web::Error::Unauthorized(401).into(), &polling, now),
        Step::Failed(_) => record.failed(&Error::Status("odd".into()), &polling, now),
        Step::Withdraw => record.withdraw(now),
        Step::GiveUp => record.give_up(now),
        Step::Revoke => record.revoke(RevocationReason::KeyCompromise, now),
        Step::Delivered => record.delivered(now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens: the events make the record, the stored record is the record, a revision is never used twice, work is announced
    /// when there is some, a certificate is delivered once and never once it is unwanted, and nothing is sent twice without leave.
    #[test]
    fn replay_makes_the_record_and_no_promise_is_broken(steps in steps()) {
        let order = CertificateRequest::place(world().order(), NOW);
        let (mut record, mut events) = (order.record, order.events);
        let (mut outstanding, mut delivered) = (false, 0);
        for (at, step) in (0..).zip(steps) {
            let before = record.clone();
            let Ok(change) = decide(&record, step, at) else {
                prop_assert_eq!(&before, &record);
                continue;
            };
            prop_assert_eq!(change.expected(), Some(before.revision()));
            prop_assert_eq!(change.events.is_empty(), change.record == before, "{:?}", step);
            record = change.record.clone();
            events.extend(change.events.clone());
            prop_assert_eq!(&CertificateRequest::replay(&events).unwrap(), &record);
            let stored: CertificateRequest = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            prop_assert_eq!(&stored, &record);

            match step {
                Step::Sending => {
                    prop_assert!(!outstanding, "sent twice");
                    outstanding = true;
                }
                Step::Resubmit | Step::Failed(1) => outstanding = false,
                _ => {}
            }
            for effect in &change.effects {
                match effect {
                    RequestEffect::Deliver { .. } => delivered += 1,
                    RequestEffect::Work { at, .. } => prop_assert_eq!(record.due(), Some(*at)),
                    _ => {}
                }
            }
            let has_work = change.effects.iter().any(|effect| matches!(effect, RequestEffect::Work { .. }));
            if record.due() != before.due() && record.due().is_some() {
                prop_assert!(has_work, "{:?} changed when to work and said nothing", step);
            }
            let has_certificate = matches!(
                record.state(),
                RequestState::Issued | RequestState::PendingRevoke { .. } | RequestState::Revoked
            );
            prop_assert_eq!(has_certificate, record.issued().is_some());
        }
        prop_assert!(delivered <= 1);
    }
}
