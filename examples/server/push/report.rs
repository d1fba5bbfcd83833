//! `GET /admin/push`: how the push certificates stand, who would be lost with what, and what tenants share.

use mdm_core::enrollment::Enrollment;
use mdm_core::id::TenantId;
use mdm_core::push::{
    Estate, Level, Node, NoticeSchedule, PushCertificate, SeparationPlan, Stake, Status, Waking, WakingState,
};
use mdm_core::record::Change;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::host::now;
use crate::store::View;

/// One certificate, one tenant, and how many of its enrollments listen on the certificate's topic.
struct Row {
    certificate: PushCertificate,
    tenant: TenantId,
    enrollments: u64,
}

/// Counted by the database: no enrollment is loaded.
fn rows(view: &View<'_>) -> Result<Vec<Row>, Failure> {
    let counts = view.count_by_alias::<Enrollment>()?;
    let mut rows = Vec::new();
    for certificate in view.list_all::<PushCertificate>()? {
        let tenants = [certificate.tenant()].into_iter().chain(certificate.shared_with()).cloned().collect::<Vec<_>>();
        let topic = certificate.installed().map(|installed| installed.topic.to_string()).unwrap_or_default();
        for tenant in tenants {
            let alias = format!("{tenant} {topic}");
            let enrollments = counts.iter().find(|(found, _)| *found == alias).map_or(0, |(_, count)| *count);
            rows.push(Row { certificate: certificate.clone(), tenant, enrollments });
        }
    }
    Ok(rows)
}

fn estate(rows: &[Row]) -> Estate<'_> {
    Estate::new(rows.iter().map(|row| Stake {
        certificate: &row.certificate,
        tenant: &row.tenant,
        enrollments: row.enrollments,
    }))
}

/// The whole report.
pub fn report(view: &View<'_>) -> Result<Value, Failure> {
    let rows = rows(view)?;
    let estate = estate(&rows);
    let levels = [Level::Certificate, Level::AppleAccount, Level::VendorCertificate, Level::DeveloperAccount];
    let mut nodes: Vec<Node> = levels
        .into_iter()
        .flat_map(|level| estate.stakes().iter().filter_map(move |stake| Node::above(stake.certificate, level)))
        .collect();
    nodes.sort();
    nodes.dedup();
    let exposure = nodes.iter().map(|node| {
        let lost = estate.exposure(node);
        json!({
            "node": node.to_string(),
            "level": format!("{:?}", node.level()),
            "enrollments": lost.enrollments,
            "tenants": lost.tenants,
            "topics": lost.topics,
        })
    });
    let sharing = estate.sharing();
    let sharing = sharing.iter().map(|shared| {
        json!({
            "node": shared.node.to_string(),
            "level": format!("{:?}", shared.node.level()),
            "tenants": shared.tenants,
            "enrollments": shared.enrollments,
        })
    });
    Ok(json!({
        "certificates": rows.iter().filter(|row| row.tenant == *row.certificate.tenant()).map(describe).collect::<Vec<_>>(),
        "exposure": exposure.collect::<Vec<_>>(),
        "sharing": sharing.collect::<Vec<_>>(),
        "pushes": pushes(view)?,
    }))
}

fn describe(row: &Row) -> Value {
    let certificate = &row.certificate;
    let installed = certificate.installed();
    let status = certificate.status(&NoticeSchedule::default(), now());
    let (status, days_left) = match status {
        Status::Expiring { days_left } => ("Expiring".to_owned(), Some(days_left)),
        other => (format!("{other:?}"), None),
    };
    let descent = certificate.descent();
    json!({
        "tenant": certificate.tenant(),
        "status": status,
        "daysLeft": days_left,
        "topic": installed.map(|installed| installed.topic.to_string()),
        "serial": installed.map(|installed| installed.serial.to_string()),
        "environment": installed.map(|installed| format!("{:?}", installed.environment)),
        "notAfter": installed.map(|installed| installed.validity.not_after.to_string()),
        "paused": certificate.paused().map(|pause| json!({ "since": pause.since.to_string(), "reason": pause.reason })),
        "sharedWith": certificate.shared_with(),
        "appleAccount": descent.apple_account.to_string(),
        "vendorCertificate": descent.vendor_certificate.to_string(),
        "developerAccount": descent.developer_account.to_string(),
        "enrollments": row.enrollments,
    })
}

/// The pushes that are not settled, those first that are due first, and how many there are of each kind.
fn pushes(view: &View<'_>) -> Result<Value, Failure> {
    const SHOWN: u32 = 1_000;
    let open = view.list_due::<Waking>("all", &[0xFF; 8], SHOWN)?;
    let shown = open.iter().map(|waking| {
        let (state, since, attempts) = match waking.state() {
            WakingState::Owed { at, attempts } => ("Owed", Some(at), attempts),
            WakingState::Out { since, attempts } => ("Out", Some(since), attempts),
            WakingState::Delivered { since } => ("Delivered", Some(since), 0),
            _ => ("Quiet", None, 0),
        };
        json!({
            "enrollment": waking.enrollment().to_string(),
            "tenant": waking.tenant(),
            "state": state,
            "at": since.map(|since| since.to_string()),
            "attempts": attempts,
        })
    });
    Ok(Value::Array(shown.collect()))
}

/// The steps that take a tenant out of what it shares.
pub fn plan(view: &View<'_>, tenant: &TenantId, level: Level, batch: u32) -> Result<Change<SeparationPlan>, Failure> {
    Ok(estate(&rows(view)?).plan_separation(tenant, level, batch))
}
