//! A Wi-Fi network and the identity that joins it, as one command; and what a device would refuse of it.
//!
//! ```text
//! cargo run --example compose -- --system iOS --os-version 18.0 [--supervised] [--enrollment user] [--channel user]
//!                                [--shared-ipad] [--access-rights SUM]
//! ```
//!
//! The command is written to standard output, as a server would answer with it. What Apple's schema does not let the device accept is
//! written to standard error, a line each, and the exit code is 1. Try `--os-version 13.7`, or `--enrollment user`.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use mdm_core::command::{Command, InstallProfile};
use mdm_core::profile::{
    Payload, Profile, SCEP, ScepIdentity, ScepOptions, WiFi, WiFiEAPClientConfiguration, WiFiEncryptionType,
    WiFiTLSMinimumVersion, uuid,
};
use mdm_core::schema::{Channel, Enrollment, System, Target, Version};

/// The identity over SCEP, and the network that it joins by EAP-TLS.
fn profile(challenge: &str) -> Result<Profile, getrandom::Error> {
    let identity = ScepIdentity {
        url: "https://mdm.example.com/scep".into(),
        name: None,
        challenge: Some(challenge.into()),
        subject: vec![("O".into(), "Example".into()), ("CN".into(), "Wi-Fi of %SerialNumber%".into())],
        key_size: 2048,
        ca_fingerprint: None,
        options: ScepOptions::default(),
    };
    let identity_uuid = random_uuid()?;
    let network = WiFi {
        ssid_str: Some("Example Staff".into()),
        encryption_type: Some(WiFiEncryptionType::WPA3),
        payload_certificate_uuid: Some(identity_uuid.clone()),
        eap_client_configuration: Some(WiFiEAPClientConfiguration {
            accept_eap_types: Some(vec![13]), // EAP-TLS
            tls_minimum_version: Some(WiFiTLSMinimumVersion::_1_2),
            tls_trusted_server_names: Some(vec!["radius.example.com".into()]),
            ..Default::default()
        }),
        disable_association_mac_randomization: Some(true),
        ..Default::default()
    };
    Ok(Profile::new("com.example.wifi", random_uuid()?)
        .named("Example Wi-Fi")
        .with(Payload::new(&SCEP::from(&identity), "com.example.wifi.identity", identity_uuid).named("Identity"))
        .with(Payload::new(&network, "com.example.wifi.network", random_uuid()?).named("Network")))
}

fn random_uuid() -> Result<String, getrandom::Error> {
    let mut entropy = [0; 16];
    getrandom::fill(&mut entropy)?;
    Ok(uuid(entropy))
}

/// The device that the command is for.
#[derive(Parser)]
struct Arguments {
    /// iOS, iPadOS, macOS, tvOS, visionOS or watchOS.
    #[arg(long, default_value = "iOS", value_parser = system)]
    system: System,
    /// The version of the system.
    #[arg(long, default_value = "18.0", value_parser = version)]
    os_version: Version,
    /// The device is supervised.
    #[arg(long)]
    supervised: bool,
    /// How it is enrolled.
    #[arg(long, default_value = "device")]
    enrollment: Kind,
    /// The channel on which the command goes.
    #[arg(long, default_value = "device")]
    channel: Side,
    /// The device is a Shared iPad.
    #[arg(long)]
    shared_ipad: bool,
    /// The sum of rights that the enrollment profile gave.
    #[arg(long, default_value = "8191")]
    access_rights: i64,
    /// The SCEP challenge of this device.
    #[arg(long, default_value = "one-time secret")]
    challenge: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Device,
    Automated,
    User,
}

#[derive(Clone, Copy, ValueEnum)]
enum Side {
    Device,
    User,
}

fn system(name: &str) -> Result<System, &'static str> {
    System::parse(name).ok_or("no system of Apple's")
}

fn version(text: &str) -> Result<Version, &'static str> {
    Version::parse(text).ok_or("not one to three numbers with dots between")
}

impl Arguments {
    fn target(&self) -> Target {
        Target {
            supervised: self.supervised,
            enrollment: match self.enrollment {
                Kind::Device => Enrollment::Device,
                Kind::Automated => Enrollment::Automated,
                Kind::User => Enrollment::User,
            },
            channel: match self.channel {
                Side::Device => Channel::Device,
                Side::User => Channel::User,
            },
            shared_ipad: self.shared_ipad,
            access_rights: self.access_rights,
            ..Target::new(self.system, self.os_version)
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let target = arguments.target();

    let profile = profile(&arguments.challenge)?;
    let command = Command::new(random_uuid()?, InstallProfile { payload: Some(profile.to_xml()?), ..Default::default() });
    stdout().write_all(&command.to_xml()?)?;

    let refused = [target.check(&command), target.check(&profile)].concat();
    for violation in &refused {
        eprintln!("{} {} would refuse: {violation}", target.system, target.version);
    }
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
