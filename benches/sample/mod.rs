//! The longest answer that benches and the example `throughput` read.

use mdm_core::plist::{Dictionary, Value};

/// A report of about 2.5 MB: the list of 4,000 applications.
pub fn applications() -> Value {
    let apps = (0..4_000_i64).map(|number| {
        Value::from(Dictionary::from_iter::<[(&str, Value); 11]>([
            ("AdHocCodeSigned", false.into()),
            ("AppStoreVendable", true.into()),
            ("BetaApp", false.into()),
            ("BundleSize", (number * 1_234_567).into()),
            ("DeviceBasedVPP", false.into()),
            ("DynamicSize", (number * 4_096).into()),
            ("Identifier", format!("com.example.department.application-{number}").into()),
            ("IsValidated", true.into()),
            ("Name", format!("Application № {number}").into()),
            ("ShortVersion", format!("{}.{}.{}", number % 20, number % 7, number % 3).into()),
            ("Version", format!("{number}").into()),
        ]))
    });
    Dictionary::from_iter::<[(&str, Value); 4]>([
        ("CommandUUID", "9F09D114-BCFD-42AD-A974-371AA7D6256E".into()),
        ("InstalledApplicationList", apps.collect::<Vec<Value>>().into()),
        ("Status", "Acknowledged".into()),
        ("UDID", "00008101-000A1D2E3C40001E".into()),
    ])
    .into()
}
