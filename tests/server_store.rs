//! The example server's database: what it promises to the decisions that run inside it.

use mdm_core::id::Revision;
use serde::{Deserialize, Serialize};

#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../examples/server/store.rs"]
mod store;

use store::{Batch, Error, Record, Store};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    name: String,
    revision: Revision,
}

impl Record for Note {
    const KIND: &'static str = "note";

    fn key(&self) -> String {
        self.name.clone()
    }

    fn revision(&self) -> Revision {
        self.revision
    }
}

/// A database in a folder of the test's own.
fn with_store(name: &str, test: impl FnOnce(&Store)) {
    let folder = std::env::temp_dir().join(format!("mdm-core-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    test(&Store::open(&folder.join("test.sqlite")).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}

fn put(batch: &mut Batch<'_>, revision: Revision, expected: Option<Revision>) -> Result<(), Error> {
    batch.put(&Note { name: "a".into(), revision }, expected)
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
        let (first, second) = (Revision::FIRST, Revision::FIRST.next());
        store.decide(|batch| put(batch, first, None)).unwrap();
        assert!(matches!(store.decide(|batch| put(batch, first, None)), Err(Error::Conflict(_))), "it is there already");
        store.decide(|batch| put(batch, second, Some(first))).unwrap();
        let late = store.decide(|batch| put(batch, second, Some(first)));
        assert!(matches!(late, Err(Error::Conflict(_))), "another decision was faster");
        let stored: Option<Note> = store.decide(|batch| batch.load("a")).unwrap();
        assert_eq!(stored.map(|note| note.revision), Some(second));
    });
}

#[test]
fn a_decision_that_fails_leaves_nothing_behind() {
    with_store("rollback", |store| {
        let failed: Result<(), Error> = store.decide(|batch| {
            put(batch, Revision::FIRST, None)?;
            batch.event::<Note>("a", &"happened")?;
            Err(Error::Conflict("a".into()))
        });
        assert!(failed.is_err());
        let stored: Option<Note> = store.decide(|batch| batch.load("a")).unwrap();
        assert_eq!(stored, None);
        assert_eq!(store.decide(|batch| batch.next_number()).unwrap(), 1);
    });
}
