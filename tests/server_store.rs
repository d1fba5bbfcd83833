//! The example server's database: what it promises to the decisions that run inside it.
//!
//! Every promise is held to SQLite; and to PostgreSQL as well where `MDM_CORE_POSTGRES` is the address of one in which databases may be
//! made, such as `postgres://mdm@127.0.0.1:5432` (`tests/real/postgres.sh store` has one made and runs this).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mdm_core::id::{EnrollmentId, Revision};
use mdm_core::push::Waking;
use mdm_core::record::Record;
use mdm_core::time::Timestamp;

#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../examples/server/store/mod.rs"]
mod store;

use store::{Address, Batch, Error, Place, Store, Stored};

impl Stored for Waking {
    const KIND: &'static str = "waking";

    fn key(&self) -> String {
        self.enrollment().to_string()
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }

    fn alias(&self) -> Option<String> {
        Some(self.tenant().to_string())
    }
}

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

/// A database of the test's own, of each kind.
fn with_store(name: &str, test: impl Fn(&Store)) {
    with_nodes(name, |one, _| test(one));
}

/// The same as two nodes have it; a file of SQLite has one.
fn with_nodes(name: &str, test: impl Fn(&Store, &Store)) {
    with_file(name, |file| {
        let store = Store::open_file(file, 0).unwrap();
        test(&store, &store);
    });
    if let Ok(server) = std::env::var("MDM_CORE_POSTGRES") {
        let database = format!("store_{name}");
        make_database(&server, &database);
        let open = || {
            let address = Address::parse(&format!("{server}/{database}"), None).unwrap();
            Store::open(&Place::Postgres(Box::new(address))).unwrap()
        };
        test(&open(), &open());
    }
}

fn make_database(server: &str, name: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (client, talk) = tokio_postgres::connect(&format!("{server}/postgres"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(talk);
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    });
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
        // Nothing of it is in the way of the next.
        store.decide(|batch| batch.keep(&quiet("D"))).unwrap();
    });
}

#[test]
fn decisions_of_two_nodes_about_the_same_record_come_one_after_the_other_and_none_is_lost() {
    const THREADS: u32 = 4;
    const EACH: u32 = 15;
    with_nodes("overtaken", |one, other| {
        one.decide(|batch| batch.keep(&quiet("D"))).unwrap();
        std::thread::scope(|threads| {
            for thread in 0..THREADS {
                let store = if thread % 2 == 0 { one } else { other };
                threads.spawn(move || {
                    for _ in 0..EACH {
                        // Who was sent away comes again, as a device does.
                        while let Err(error) = store.decide(change_once) {
                            assert!(error.may_pass(), "{error}");
                        }
                    }
                });
            }
        });
        let stored: Waking = one.read(|view| view.load("D")).unwrap().unwrap();
        assert_eq!(Record::revision(&stored).get(), u64::from(1 + THREADS * EACH));
    });
}

/// Owes a push that is not owed, and settles one that is.
fn change_once(batch: &mut Batch<'_>) -> Result<(), Error> {
    let stored: Waking = batch.load("D")?.unwrap();
    let changed = stored.owe(NOW, NOW).or_else(|| stored.contacted(NOW)).unwrap();
    batch.keep(&changed)
}

#[test]
fn what_is_not_there_is_made_once_however_many_find_it_missing() {
    with_nodes("phantom", |one, other| {
        let made = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for thread in 0..8 {
                let (made, store) = (&made, if thread % 2 == 0 { one } else { other });
                threads.spawn(move || {
                    // Two keys, one alias: no key of the database stands in the way of both being made.
                    let is_new = store.decide(|batch| {
                        if batch.load_alias::<Waking>("a")?.is_some() {
                            return Ok(false);
                        }
                        batch.keep(&quiet(&format!("D{thread}"))).map(|()| true)
                    });
                    made.fetch_add(usize::from(matches!(is_new, Ok(true))), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        assert_eq!(one.read(|view| view.list_alias::<Waking>("a")).unwrap().len(), 1);
    });
}

#[test]
fn a_lease_is_one_node_s_and_one_thread_s_until_it_is_dropped() {
    with_nodes("lease", |one, other| {
        let held = one.lease("work").unwrap().expect("nobody has it");
        assert!(held.holds());
        assert!(one.lease("work").unwrap().is_none() && other.lease("work").unwrap().is_none());
        assert!(other.lease("other work").unwrap().is_some());
        drop(held);
        // The database hears of it a moment later.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while other.lease("work").unwrap().is_none() {
            assert!(std::time::Instant::now() < until, "it is never given back");
        }
    });
}

#[test]
fn a_text_that_the_database_cannot_hold_is_the_sender_s_fault() {
    with_nodes("unfit", |store, _| {
        // SQLite holds any text.
        let long = (0..10_000_u32).map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761))).collect();
        for key in ["zero \0".to_owned(), long] {
            let outcome = store.decide(|batch| batch.link("kind", &key, "D"));
            assert!(matches!(outcome, Ok(()) | Err(Error::Unfit(_))), "{outcome:?}");
        }
    });
}

#[test]
fn a_list_of_several_pages_is_shown_whole_and_in_order_while_more_is_asked() {
    with_store("pages", |store| {
        let udids: Vec<String> = (0..1_203).map(|number| format!("{number:04}")).collect();
        store.decide(|batch| udids.iter().try_for_each(|udid| batch.keep(&quiet(udid)))).unwrap();
        let shown = store.read(|view| {
            let mut shown = Vec::new();
            view.each_of_kind(|waking: Waking| {
                assert_eq!(view.load::<Waking>(&waking.key())?.as_ref(), Some(&waking));
                shown.push(waking.key());
                Ok::<_, Error>(())
            })?;
            Ok::<_, Error>(shown)
        });
        assert_eq!(shown.unwrap(), udids);
        assert_eq!(store.read(|view| view.list::<Waking>("")).unwrap().len(), udids.len());
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
        let store = Store::open_file(file, 1).unwrap();
        let mut refused = None;
        let mut kept = Vec::new();
        for udid in udids(2_000) {
            match store.decide(|batch| batch.link("udid", &udid, &udid)) {
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
        assert!(kept.iter().all(|udid| store.read(|view| view.linked("udid", udid)).unwrap().is_some()));
        store.decide(|batch| kept.iter().take(20).try_for_each(|udid| batch.unlink("udid", udid, udid))).unwrap();
        store.decide(|batch| batch.put_secret("small", b"x")).unwrap();
        drop(store);
        let again = Store::open_file(file, 0).unwrap();
        assert!(kept.iter().skip(20).all(|udid| again.read(|view| view.linked("udid", udid)).unwrap().is_some()));
    });
}

#[test]
fn a_file_that_cannot_be_written_is_told_from_a_fault_of_the_server() {
    with_file("read-only", |file| {
        drop(Store::open_file(file, 0).unwrap());
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
        assert!(Store::open_file(file, 0).is_err());
    });
}
