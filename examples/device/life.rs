//! What a device goes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mdm_core::cms::SignedData;
use mdm_core::command::Command;
use mdm_core::crypto::{Legacy, Provider};
use mdm_core::limits::Limits;
use mdm_core::profile::{MDM, Profile, SCEP, uuid};
use mdm_core::scep::{CaCertificates, Capabilities, Peer, client};
use mdm_core::time::Timestamp;
use mdm_core::x509::Certificate;
use reqwest::{Method, Url};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

use crate::Result;
use crate::device::Device;
use crate::operator::Operator;
use crate::tally::Tally;
use crate::wire::{Break, Message, Trouble, Wire};

/// What every device has learnt from its enrollment profile and from the SCEP server that it names.
pub struct Place {
    scep: Url,
    known: client::Server,
    topic: String,
    check_in: Url,
    commands: Url,
    challenge: String,
    provider: Provider,
    /// The other side, when the program has the admin token.
    pub operator: Option<Operator>,
}

/// One visit to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// Asks what there is to do, and does it.
    Plain,
    /// Lets what it is asked for fail.
    Fails,
    /// Answers `NotNow`, then comes again and does it.
    Locked,
    /// Sends every answer twice.
    Twice,
    /// Breaks off in the middle of a message, then says it again.
    BreaksOff,
    /// Breaks off before it has heard the answer, then says it again.
    DoesNotHear,
    /// Has a new push token.
    NewToken,
    /// Renews its certificate.
    Renews,
}

const VISITS: [Visit; 8] = [
    Visit::Plain,
    Visit::Locked,
    Visit::Twice,
    Visit::BreaksOff,
    Visit::DoesNotHear,
    Visit::NewToken,
    Visit::Renews,
    Visit::Fails,
];

/// More commands than an operator here queues; a server that hands out more in one connection never comes to an end.
const MOST_COMMANDS: usize = 200;

const CHECK_IN: &str = "application/x-apple-aspen-mdm-checkin";
const REPORT: &str = "application/x-apple-aspen-mdm";

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

impl Place {
    /// Reads the enrollment profile at `/enroll`, and asks the SCEP server that it names what it is and what it can do.
    pub async fn learn(wire: &Wire, server: &Url, challenge: String, provider: Provider) -> Result<Place> {
        let profile = wire.send(&fetch("enroll", server.join("/enroll")?)).await?;
        let profile = read_profile(&profile)?;
        let identity = profile.payloads.iter().find_map(|payload| payload.read::<SCEP>()?.payload_content);
        let identity = identity.ok_or("the enrollment profile has no SCEP payload")?;
        let management = profile.payloads.iter().find_map(|payload| payload.read::<MDM>());
        let management = management.ok_or("the enrollment profile has no MDM payload")?;
        let scep: Url = identity.url.ok_or("the SCEP payload has no URL")?.parse()?;
        let commands = management.server_url.ok_or("the MDM payload has no ServerURL")?;

        let certificates = wire.send(&fetch("GetCACert", with_query(&scep, "operation=GetCACert"))).await?;
        let capabilities = wire.send(&fetch("GetCACaps", with_query(&scep, "operation=GetCACaps"))).await?;
        let certificates = CaCertificates::parse(&certificates, &Limits::PKI)?;
        // The profile may name the authority by SHA-1, as Apple's devices want it.
        let reader = Peer { legacy: Legacy { sha1: true, ..Legacy::NONE }, ..Peer::default() };
        let fingerprint = identity.ca_fingerprint.ok_or("the SCEP payload has no CAFingerprint")?;
        let pinned = certificates.pin(&fingerprint, &provider, &reader)?;
        Ok(Place {
            known: client::Server::new(pinned, Capabilities::parse(&capabilities), Peer::default())?,
            scep: with_query(&scep, "operation=PKIOperation"),
            topic: management.topic.ok_or("the MDM payload has no Topic")?,
            check_in: management.check_in_url.as_deref().unwrap_or(&commands).parse()?,
            commands: commands.parse()?,
            challenge,
            provider,
            operator: None,
        })
    }
}

/// A profile, signed or not. Who signed it is for a device to ask; this one trusts the server that it was pointed at.
fn read_profile(bytes: &[u8]) -> Result<Profile> {
    let limits = Limits::PKI.bytes(1 << 20);
    match SignedData::parse(bytes, &limits) {
        Ok(signed) => Ok(Profile::parse(signed.content().unwrap_or_default(), &Limits::MESSAGE)?),
        Err(_) => Ok(Profile::parse(bytes, &Limits::MESSAGE)?),
    }
}

fn fetch(kind: &'static str, url: Url) -> Message {
    Message { kind, method: Method::GET, url, headers: Vec::new(), body: Vec::new() }
}

/// The query behind what the URL has of its own.
fn with_query(url: &Url, query: &str) -> Url {
    let mut url = url.clone();
    let query = url.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
    url.set_query(Some(&query));
    url
}

/// One device, living.
pub struct Life {
    number: usize,
    device: Device,
    place: Arc<Place>,
    wire: Wire,
    dice: u64,
}

impl Life {
    /// The life of a device; its number decides what it does when.
    pub fn new(number: usize, device: Device, place: Arc<Place>, wire: Wire) -> Life {
        Life { number, device, place, wire, dice: (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// A number below this one.
    fn roll(&mut self, below: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % below.max(1) as u64) as usize
    }

    /// Enrolls, then visits until the time is over; at least once in every way. Gives back what the device has at the end.
    pub async fn live(mut self, until: Instant, turn: &Semaphore, through: &AtomicUsize, tally: &Tally) -> Device {
        if let Err(error) = self.try_live(until, turn, through).await {
            tally.broke(format!("{}: {error}", self.device.record.udid));
        }
        self.device
    }

    async fn try_live(&mut self, until: Instant, turn: &Semaphore, through: &AtomicUsize) -> Result<()> {
        {
            let _turn = turn.acquire().await?;
            block_in_place(|| self.device.switch_on(&self.place.provider))?;
            if self.device.record.identity.is_none() || self.device.record.pending.is_some() {
                self.obtain().await?;
            }
            if !self.device.record.checked_in {
                self.check_in().await?;
            }
        }
        // Devices begin in different places, so that a short run sees everything at any moment.
        for visit in 0..VISITS.len() {
            let _turn = turn.acquire().await?;
            self.visit(VISITS[(visit + self.number) % VISITS.len()]).await?;
        }
        through.fetch_add(1, Ordering::Relaxed);
        while Instant::now() < until {
            let pause = Duration::from_millis(self.roll(200) as u64);
            tokio::time::sleep(pause).await;
            let _turn = turn.acquire().await?;
            let visit = VISITS[self.roll(VISITS.len())];
            self.visit(visit).await?;
        }
        let _turn = turn.acquire().await?;
        self.come_to_an_end().await
    }

    /// Nothing is left to do, and nothing was forgotten.
    async fn come_to_an_end(&mut self) -> Result<()> {
        self.work(Visit::Plain).await?;
        let record = &self.device.record;
        match record.queued.difference(&record.answered).next() {
            Some(lost) => Err(format!("the command {lost} was queued and never handed out").into()),
            None => Ok(()),
        }
    }

    async fn visit(&mut self, visit: Visit) -> Result<()> {
        match visit {
            Visit::NewToken => {
                self.device.new_token(&self.place.provider)?;
                self.device.keep()?;
                let body = self.device.token_update(&self.place.topic)?;
                self.say(&self.signed("TokenUpdate", body)?).await?;
            }
            Visit::Renews => {
                // A device has used the identity that it has before it asks for the next.
                self.work(Visit::Plain).await?;
                self.obtain().await?;
            }
            Visit::BreaksOff => {
                let idle = self.signed("Idle", self.device.idle()?)?;
                self.wire.break_off(&idle, Break::InBody).await;
            }
            _ => {}
        }
        self.ask_for_work(visit).await?;
        self.work(visit).await?;
        match visit {
            Visit::Locked => self.work(Visit::Plain).await,
            _ => Ok(()),
        }
    }

    /// The operator queues a command or two.
    async fn ask_for_work(&mut self, visit: Visit) -> Result<()> {
        for _ in 0..1 + self.roll(2) {
            // Also a locked device tells what it is; it puts off what would change it.
            let request_type = match visit {
                Visit::Locked => "RestartDevice",
                _ => ["DeviceInformation", "ProfileList", "SecurityInfo"][self.roll(3)],
            };
            let Some(operator) = &self.place.operator else { return Ok(()) };
            let name = uuid(self.place.provider.random_bytes()?);
            if operator.queue(&self.device.record.udid, &name, request_type).await? {
                self.device.was_queued(name)?;
            }
        }
        Ok(())
    }

    /// Asks what there is to do and does it, until nothing is left.
    async fn work(&mut self, visit: Visit) -> Result<()> {
        let idle = self.signed("Idle", self.device.idle()?)?;
        let mut next = self.say(&idle).await?;
        let mut put_off: Vec<String> = Vec::new();
        for _ in 0..MOST_COMMANDS {
            if next.is_empty() {
                return Ok(());
            }
            let command = Command::parse(&next, &Limits::MESSAGE)?;
            let name = command.uuid.as_str().to_owned();
            if self.device.record.answered.contains(&name) {
                return Err(format!("the command {name} came again after its answer was taken").into());
            }
            if put_off.contains(&name) {
                return Err(format!("the command {name} came again at once after NotNow").into());
            }
            let is_harmless = command.request.request_type() != "RestartDevice";
            if visit == Visit::Locked && !is_harmless {
                let not_now = self.signed("NotNow", self.device.not_now(&command)?)?;
                next = self.say(&not_now).await?;
                put_off.push(name);
                continue;
            }
            // After a final answer the server may hand everything out again.
            put_off.clear();
            let (kind, body) = self.device.carry_out(&command, visit == Visit::Fails)?;
            let answer = self.signed(kind, body)?;
            match visit {
                Visit::DoesNotHear => self.wire.break_off(&answer, Break::BeforeAnswer).await,
                Visit::BreaksOff => self.wire.break_off(&answer, Break::InBody).await,
                Visit::Twice => {
                    self.say(&answer).await?;
                    self.device.was_heard(&name)?;
                }
                _ => {}
            }
            next = self.say(&answer).await?;
            self.device.was_heard(&name)?;
        }
        Err(format!("more than {MOST_COMMANDS} commands in one visit").into())
    }

    async fn say(&self, message: &Message) -> std::result::Result<Vec<u8>, Trouble> {
        self.wire.send(message).await
    }

    /// A message of the device, under its identity.
    fn signed(&self, kind: &'static str, body: Vec<u8>) -> Result<Message> {
        let signature = block_in_place(|| self.device.sign(&body, now(), &self.place.provider))?;
        let (url, content_type) = match kind {
            "Authenticate" | "TokenUpdate" => (&self.place.check_in, CHECK_IN),
            _ => (&self.place.commands, REPORT),
        };
        let headers = vec![("content-type", content_type.to_owned()), ("mdm-signature", signature)];
        Ok(Message { kind, method: Method::PUT, url: url.clone(), headers, body })
    }

    /// `Authenticate` and `TokenUpdate`
    async fn check_in(&mut self) -> Result<()> {
        let authenticate = self.signed("Authenticate", self.device.authenticate(&self.place.topic)?)?;
        self.say(&authenticate).await?;
        let update = self.signed("TokenUpdate", self.device.token_update(&self.place.topic)?)?;
        self.say(&update).await?;
        self.device.record.checked_in = true;
        self.device.keep()
    }

    /// Gets an identity: the first one, or the next. Every fourth time the answer is taken for lost, and the device asks again in
    /// the same transaction.
    async fn obtain(&mut self) -> Result<()> {
        let place = self.place.clone();
        block_in_place(|| self.device.begin(&place.challenge, now(), &place.provider))?;
        let identity = self.transact(&place).await?;
        if self.roll(4) == 0 {
            let again = self.transact(&place).await?;
            if again != identity {
                let (first, second) = (identity.serial(), again.serial());
                return Err(format!("the same transaction was answered with {first} and then with {second}").into());
            }
        }
        self.device.take(identity)
    }

    /// Asks, with a fresh message of the same transaction each time, until there is an answer.
    async fn transact(&self, place: &Place) -> Result<Certificate> {
        let kind = if self.device.record.identity.is_some() { "RenewalReq" } else { "PKCSReq" };
        let mut patience = self.wire.patience();
        loop {
            let (sent, body) = block_in_place(|| self.device.ask(&place.known, &place.provider))?;
            let headers = vec![("content-type", "application/x-pki-message".to_owned())];
            let message = Message { kind, method: Method::POST, url: place.scep.clone(), headers, body };
            match self.wire.once(&message).await {
                Ok(reply) => return block_in_place(|| self.device.open(&sent, &reply, &place.known, &place.provider)),
                Err(trouble) => patience.after(trouble).await?,
            }
        }
    }
}
