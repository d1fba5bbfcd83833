//! The example server's database: what it promises to the decisions that run inside it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mdm_core::id::{EnrollmentId, Revision};
use mdm_core::push::Waking;
use mdm_core::record::Record;
use mdm_core::time::Timestamp;

#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../examples/server/store/mod.rs"]
mod store;

use store::{Error, Store, Stored};

impl Stored for Waking {
    const KIND: &'static str = "waking";

    fn key(&self) -> String {
        self.enrollment().to_string()
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }
}

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

/// A database in a folder of the test's own.
fn with_store(name: &str, test: impl FnOnce(&Store)) {
    with_file(name, |file| test(&Store::open(file, 0).unwrap()));
}

fn with_file(name: &str, test: impl FnOnce(&Path)) {
    let folder = std::env::temp_dir().join(format!("mdm-core-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    test(&folder.join("test.sqlite"));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn quiet(udid: &str) -> mdm_core::record::Change<Waking> {
    Waking::quiet(EnrollmentId::device_channel(udid).unwrap(), "a".into())
}

fn stored(store: &Store, udid: &str) -> bool {
    store.read(|view| view.load::<Waking>(udid)).unwrap().is_some()
}

#[test]
fn a_nonce_that_comes_again_with_another_message_is_refused_and_the_same_message_is_not() {
    with_store("nonce", |store| {
        store
            .decide(|batch| {
                assert!(batch.first_or_same("key 1", "digest 1", 1)?);
                assert!(
                    batch.first_or_same("key 1", "digest 1", 1)?,
                    "a client that lost the answer sends the very same again"
                );
                assert!(!batch.first_or_same("key 1", "digest 2", 1)?, "the nonce is used up");
                assert!(batch.first_or_same("key 2", "digest 2", 1)?);
                Ok::<_, Error>(())
            })
            .unwrap();
        let again = store.decide(|batch| batch.first_or_same("key 1", "digest 2", 2));
        assert!(!again.unwrap(), "also in a later request");
        assert_eq!(store.decide(|batch| batch.forget_seen(1)).unwrap(), 0);
        assert_eq!(store.decide(|batch| batch.forget_seen(2)).unwrap(), 2, "what is old is forgotten");
    });
}

#[test]
fn a_record_is_replaced_only_when_it_is_still_the_one_that_was_read() {
    with_store("revision", |store| {
        let began = quiet("D");
        store.decide(|batch| batch.keep(&began)).unwrap();
        assert!(matches!(store.decide(|batch| batch.keep(&began)), Err(Error::Conflict(_))), "it is there already");
        let owed = began.record.owe(NOW, NOW).unwrap();
        store.decide(|batch| batch.keep(&owed)).unwrap();
        let late = store.decide(|batch| batch.keep(&owed));
        assert!(matches!(late, Err(Error::Conflict(_))), "another decision was faster");
        let stored: Option<Waking> = store.decide(|batch| batch.load("D")).unwrap();
        assert_eq!(stored, Some(owed.record));
    });
}

#[test]
fn a_decision_that_fails_leaves_nothing_behind() {
    with_store("rollback", |store| {
        let failed: Result<(), Error> = store.decide(|batch| {
            batch.keep(&quiet("D"))?;
            Err(Error::Conflict("D".into()))
        });
        assert!(failed.is_err());
        let stored: Option<Waking> = store.decide(|batch| batch.load("D")).unwrap();
        assert_eq!(stored, None);
        assert_eq!(store.decide(|batch| batch.next_number()).unwrap(), 1);
    });
}

#[test]
fn decisions_that_come_together_are_all_stored_and_those_among_them_that_fail_are_not() {
    with_store("group", |store| {
        let kept = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for thread in 0..16 {
                let kept = &kept;
                threads.spawn(move || {
                    for number in 0..20 {
                        let udid = format!("{thread}-{number}");
                        let outcome = store.decide(|batch| {
                            batch.keep(&quiet(&udid))?;
                            if number % 3 == 0 { Err(Error::Conflict(udid.clone())) } else { Ok(()) }
                        });
                        // What was answered is there for everybody, at once.
                        assert_eq!(stored(store, &udid), outcome.is_ok());
                        kept.fetch_add(usize::from(outcome.is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(kept.into_inner(), 16 * 13);
        assert_eq!(store.read(|view| view.list_all::<Waking>()).unwrap().len(), 16 * 13);
    });
}

#[test]
fn a_decision_that_panics_takes_no_other_with_it() {
    with_store("panic", |store| {
        std::thread::scope(|threads| {
            let panics = threads.spawn(|| {
                store.decide(|batch| -> Result<(), Error> { batch.keep(&quiet("P")).map(|()| panic!("on purpose")) })
            });
            let keeps = threads.spawn(|| store.decide(|batch| batch.keep(&quiet("K"))));
            assert!(panics.join().is_err());
            keeps.join().unwrap().unwrap();
        });
        assert!(stored(store, "K") && !stored(store, "P"));
        store.decide(|batch| batch.keep(&quiet("L"))).unwrap();
    });
}

#[test]
fn a_full_disk_is_said_and_what_was_stored_before_stays() {
    with_file("full", |file| {
        let udids = |count: u32| (0..count).map(|number| format!("{number:0>2000}"));
        let store = Store::open(file, 1).unwrap();
        let mut refused = None;
        let mut kept = Vec::new();
        for udid in udids(2_000) {
            match store.decide(|batch| batch.put_secret(&udid, udid.as_bytes())) {
                Ok(()) => kept.push(udid),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let refused = refused.expect("a mebibyte does not hold eight");
        assert!(refused.may_pass(), "{refused}");
        assert!(kept.len() > 50);
        // Reading goes on, and so does writing once there is room.
        assert!(kept.iter().all(|udid| store.read(|view| view.secret(udid)).unwrap().is_some()));
        store.decide(|batch| kept.iter().take(20).try_for_each(|udid| batch.remove_secret(udid, udid.as_bytes()))).unwrap();
        store.decide(|batch| batch.put_secret("small", b"x")).unwrap();
        drop(store);
        let again = Store::open(file, 0).unwrap();
        assert!(kept.iter().skip(20).all(|udid| again.read(|view| view.secret(udid)).unwrap().is_some()));
    });
}

#[test]
fn a_file_that_cannot_be_written_is_told_from_a_fault_of_the_server() {
    with_file("read-only", |file| {
        drop(Store::open(file, 0).unwrap());
        let connection = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let error = connection.execute("INSERT INTO secret (name, value) VALUES ('a', x'00')", []).unwrap_err();
        assert!(Error::from(error).may_pass());
        let error = connection.execute("INSERT INTO nothing VALUES (1)", []).unwrap_err();
        assert!(!Error::from(error).may_pass());
    });
}

#[test]
fn a_file_of_another_version_is_refused() {
    with_file("version", |file| {
        rusqlite::Connection::open(file)
            .unwrap()
            .execute_batch("CREATE TABLE record (kind TEXT); PRAGMA user_version = 1;")
            .unwrap();
        assert!(Store::open(file, 0).is_err());
    });
}
