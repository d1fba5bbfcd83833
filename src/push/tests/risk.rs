//! What falls with what, and how a tenant gets out of it.

use super::*;

struct Holding {
    certificate: PushCertificate,
    tenant: TenantId,
    enrollments: u64,
}

fn holding(owner: &str, tenant: &str, serial: u32, path: [&str; 3], enrollments: u64) -> Holding {
    let [developer, vendor, apple] = path;
    let uid = format!("com.apple.mgmt.External.{serial}");
    let uids = [(Tag::UTF8_STRING, uid.as_bytes())];
    let certificate = Sketch { uids: &uids, serial, ..Sketch::default() }.certificate();
    let descent =
        Descent { developer_account: developer.into(), vendor_certificate: vendor.into(), apple_account: apple.into() };
    let record = PushCertificate::adopt(owner.into(), descent, &certificate, &key(1), Environment::Production, NOW);
    Holding { certificate: record.unwrap().record, tenant: tenant.into(), enrollments }
}

fn estate(holdings: &[Holding]) -> Estate<'_> {
    Estate::new(holdings.iter().map(|holding| Stake {
        certificate: &holding.certificate,
        tenant: &holding.tenant,
        enrollments: holding.enrollments,
    }))
}

/// One developer account with two vendor certificates; `a` and `b` share an Apple Account under the first, `c` and `d` share a
/// certificate under the second, `e` is by itself.
fn town() -> Vec<Holding> {
    let mut town = vec![
        holding("a", "a", 1, ["dev", "v1", "apple1"], 100),
        holding("b", "b", 2, ["dev", "v1", "apple1"], 20),
        holding("c", "c", 3, ["dev", "v2", "apple2"], 3),
        holding("c", "d", 3, ["dev", "v2", "apple2"], 4),
        holding("e", "e", 5, ["other", "v3", "apple3"], 50_000),
    ];
    let policy = SharingPolicy { owner: "c".into(), with: [TenantId::from("d")].into() };
    for holding in &mut town[2..4] {
        holding.certificate = holding.certificate.share(&policy).unwrap().unwrap().record;
    }
    town
}

#[test]
fn exposure_counts_who_falls_with_a_node() {
    let town = town();
    let estate = estate(&town);
    let exposed = |node: Node| {
        let exposure = estate.exposure(&node);
        let tenants: Vec<_> = exposure.tenants.iter().map(|(tenant, count)| format!("{tenant}={count}")).collect();
        assert_eq!(exposure.enrollments, exposure.tenants.values().sum::<u64>());
        (tenants.join(" "), exposure.topics.len())
    };
    assert_eq!(exposed(Node::DeveloperAccount("dev".into())), ("a=100 b=20 c=3 d=4".into(), 3));
    assert_eq!(exposed(Node::VendorCertificate("v1".into())), ("a=100 b=20".into(), 2));
    assert_eq!(exposed(Node::AppleAccount("apple2".into())), ("c=3 d=4".into(), 1));
    assert_eq!(exposed(Node::Certificate("01".parse().unwrap())), ("a=100".into(), 1));
    assert_eq!(exposed(Node::AppleAccount("nobody".into())), (String::new(), 0));
}

#[test]
fn a_certificate_out_of_use_exposes_nobody() {
    let mut town = town();
    town[0].certificate = town[0].certificate.revoke(NOW).unwrap().record;
    assert!(!estate(&town).exposure(&Node::AppleAccount("apple1".into())).tenants.contains_key(&TenantId::from("a")));
}

#[test]
fn sharing_names_every_node_with_several_tenants() {
    let town = town();
    let shared: Vec<_> = estate(&town)
        .sharing()
        .into_iter()
        .map(|shared| {
            let tenants: Vec<_> = shared.tenants.iter().map(TenantId::as_str).collect();
            format!("{}: {} ({})", shared.node, tenants.join(" "), shared.enrollments)
        })
        .collect();
    assert_eq!(
        shared,
        [
            "push certificate 03: c d (7)",
            "Apple Account apple1: a b (120)",
            "Apple Account apple2: c d (7)",
            "vendor certificate v1: a b (120)",
            "vendor certificate v2: c d (7)",
            "developer account dev: a b c d (127)",
        ]
    );
}

#[test]
fn a_policy_without_a_device_shows_in_the_report() {
    let mut own = holding("a", "a", 1, ["dev", "v1", "apple1"], 1);
    let policy = SharingPolicy { owner: "a".into(), with: [TenantId::from("z")].into() };
    own.certificate = own.certificate.share(&policy).unwrap().unwrap().record;
    let own = [own];
    assert_eq!(estate(&own).sharing().len(), 4, "at every level");
}

fn plan(tenant: &str, level: Level) -> (Vec<SeparationStep>, u64) {
    let town = town();
    let plan = estate(&town).plan_separation(&tenant.into(), level, 2).record;
    (plan.steps().iter().map(|progress| progress.step.clone()).collect(), plan.to_enroll_again())
}

#[test]
fn what_can_be_done_without_devices_is_done_so() {
    assert_eq!(plan("e", Level::DeveloperAccount), (vec![], 0), "shares nothing");
    assert_eq!(plan("a", Level::Certificate), (vec![], 0), "its certificate is its own");
    let (steps, again) = plan("a", Level::AppleAccount);
    assert!(steps.contains(&SeparationStep::ObtainAppleAccount) && again == 100);

    let mut town = town();
    town.remove(1);
    let alone = estate(&town).plan_separation(&"a".into(), Level::DeveloperAccount, 10).record;
    let topic: Topic = "com.apple.mgmt.External.1".parse().unwrap();
    let steps: Vec<_> = alone.steps().iter().map(|progress| progress.step.clone()).collect();
    assert_eq!(
        steps,
        [
            SeparationStep::ObtainDeveloperAccount,
            SeparationStep::ObtainVendorCertificate,
            SeparationStep::RenewUnderVendor { topic }
        ]
    );
    assert_eq!(alone.to_enroll_again(), 0);
}

#[test]
fn a_separation_can_be_taken_up_again_at_every_point() {
    let town = town();
    let topic: Topic = "com.apple.mgmt.External.3".parse().unwrap();
    let planned = estate(&town).plan_separation(&"d".into(), Level::Certificate, 2);
    let (mut plan, mut log) = (planned.record, planned.events);
    let devices: Vec<_> = (0..4).map(|n| EnrollmentId::device_channel(&format!("D{n}")).unwrap()).collect();
    let mut told = Vec::new();
    while let Some(step) = plan.next().cloned() {
        let next = if step.touches_devices() {
            assert_eq!(plan.completed(NOW), None);
            let behind = plan.cursor().map_or(0, |last| devices.iter().position(|id| id == last).unwrap() + 1);
            let batch = plan.next_batch(devices[behind..].iter().cloned());
            assert!(batch.len() <= 2);
            told.extend(batch.clone());
            plan.batch_moved(&batch, NOW).unwrap()
        } else {
            assert!(plan.next_batch(devices.clone()).is_empty() && plan.batch_moved(&devices, NOW).is_none());
            plan.completed(NOW).unwrap()
        };
        // Stored and read again between any two steps.
        plan = serde_json::from_str(&serde_json::to_string(&next.record).unwrap()).unwrap();
        log.extend(next.events);
    }
    assert_eq!(told, devices, "each once");
    assert_eq!(SeparationPlan::replay(&log).as_ref(), Ok(&plan));
    let steps: Vec<_> = plan.steps().iter().map(|progress| progress.step.clone()).collect();
    assert_eq!(
        steps,
        [
            SeparationStep::ObtainAppleAccount,
            SeparationStep::InstallCertificate,
            SeparationStep::EnrollAgain { topic: topic.clone(), enrollments: 4 },
            SeparationStep::LeaveCertificate { topic },
        ]
    );
    assert_eq!((plan.completed(NOW), plan.batch_moved(&[], NOW)), (None, None));
}
