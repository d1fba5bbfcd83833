//! What the authority issues.

use mdm_core::ca::{Holder, Service};
use mdm_core::x509::SerialNumber;

use crate::authority::Ca;
use crate::{Folder, Result};

/// The certificates that the lists and answers are about.
pub struct Issued {
    pub device: SerialNumber,
    /// To be revoked.
    pub lost: SerialNumber,
    /// To be put on hold and released.
    pub lent: SerialNumber,
}

/// Issues a certificate of each kind.
pub fn issue(ca: &mut Ca, folder: &Folder) -> Result<Issued> {
    for (service, file) in [(Service::Scep, "ra.pem"), (Service::Ocsp, "ocsp.pem")] {
        folder.write(file, ca.record.service(service).ok_or("no such service")?.to_pem())?;
    }
    let holder = |device: &str, user: &str| Holder {
        device_name: Some(device.into()),
        user_name: Some(user.into()),
        ..Holder::default()
    };
    let device = ca.issue_device(holder("iPhone of Ann", "ann"), "Device 1")?;
    // What a list for people must not run as a formula.
    let lost = ca.issue_device(holder("=HYPERLINK(\"http://example.com\";\"iPad\")", "bob"), "Device 2")?;
    let lent = ca.issue_device(holder("Mac, 2nd floor \"lab\"", "@carol"), "Device 3")?;
    let web = ca.issue_web("mdm.example.com")?;
    folder.write("device.pem", ca.pem(device)?)?;
    folder.write("device-revoked.pem", ca.pem(lost)?)?;
    folder.write("web.pem", ca.pem(web)?)?;
    Ok(Issued { device, lost, lent })
}
