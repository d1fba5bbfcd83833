//! The example server's database: what it promises to the decisions that run inside it.

use mdm_core::id::EnrollmentId;
use mdm_core::push::Waking;
use mdm_core::time::Timestamp;

#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../examples/server/store.rs"]
mod store;

use store::{Error, Store, Stored};

impl Stored for Waking {
    const KIND: &'static str = "waking";

    fn key(&self) -> String {
        self.enrollment().to_string()
    }
}

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

/// A database in a folder of the test's own.
fn with_store(name: &str, test: impl FnOnce(&Store)) {
    let folder = std::env::temp_dir().join(format!("mdm-core-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    test(&Store::open(&folder.join("test.sqlite")).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_nonce_that_comes_again_with_another_message_is_refused_and_the_same_message_is_not() {
    with_store("nonce", |store| {
        store
            .decide(|batch| {
                assert!(batch.first_or_same("key 1", "digest 1")?);
                assert!(batch.first_or_same("key 1", "digest 1")?, "a client that lost the answer sends the very same again");
                assert!(!batch.first_or_same("key 1", "digest 2")?, "the nonce is used up");
                assert!(batch.first_or_same("key 2", "digest 2")?);
                Ok::<_, Error>(())
            })
            .unwrap();
        let again = store.decide(|batch| batch.first_or_same("key 1", "digest 2"));
        assert!(!again.unwrap(), "also in a later request");
    });
}

#[test]
fn a_record_is_replaced_only_when_it_is_still_the_one_that_was_read() {
    with_store("revision", |store| {
        let quiet = Waking::quiet(EnrollmentId::device_channel("D").unwrap(), "a".into());
        store.decide(|batch| batch.keep(&quiet)).unwrap();
        assert!(matches!(store.decide(|batch| batch.keep(&quiet)), Err(Error::Conflict(_))), "it is there already");
        let owed = quiet.record.owe(NOW, NOW).unwrap();
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
            batch.keep(&Waking::quiet(EnrollmentId::device_channel("D").unwrap(), "a".into()))?;
            Err(Error::Conflict("D".into()))
        });
        assert!(failed.is_err());
        let stored: Option<Waking> = store.decide(|batch| batch.load("D")).unwrap();
        assert_eq!(stored, None);
        assert_eq!(store.decide(|batch| batch.next_number()).unwrap(), 1);
    });
}
