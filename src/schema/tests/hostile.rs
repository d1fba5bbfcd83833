//! Wrong types at every key of every record, at any depth; documents that are made to cost much.

use super::*;

/// A step from a document to a value inside it.
#[derive(Clone)]
enum Step {
    Key(&'static str),
    /// The only item of an array.
    Item,
    /// The member of a union whose tag has this value.
    Member(&'static str, &'static str),
}

/// Every value that the schema describes, down to where structures repeat themselves.
fn places(shape: &'static Shape, steps: &mut Vec<Step>, depth: usize, found: &mut Vec<(Vec<Step>, &'static Shape)>) {
    found.push((steps.clone(), shape));
    let mut inner = |step: Step, shape: &'static Shape, depth: usize| {
        steps.push(step);
        places(shape, steps, depth, found);
        steps.pop();
    };
    match shape {
        Shape::Array(item) => inner(Step::Item, item, depth),
        Shape::Map(item) => inner(Step::Key("com.example.any"), item, depth),
        Shape::Record(_) | Shape::Union { .. } if depth == 0 => {}
        Shape::Record(table) => table().keys.iter().for_each(|key| inner(Step::Key(key.name), &key.shape, depth - 1)),
        Shape::Union { tag, members } => {
            for (value, table) in *members {
                for key in table().keys.iter().filter(|key| key.name != *tag) {
                    steps.push(Step::Member(tag, value));
                    steps.push(Step::Key(key.name));
                    places(&key.shape, steps, depth - 1, found);
                    steps.truncate(steps.len() - 2);
                }
            }
        }
        _ => {}
    }
}

/// The document that holds a value there and nothing else, and the path of the value.
fn around(steps: &[Step], value: Value) -> (Value, String) {
    let mut made = value;
    for step in steps.iter().rev() {
        made = match step {
            Step::Key(name) => Dictionary::from_iter([(*name, made)]).into(),
            Step::Item => vec![made].into(),
            Step::Member(tag, kind) => {
                let mut entries = made.as_dictionary().unwrap().clone();
                entries.insert(*tag, *kind);
                entries.into()
            }
        };
    }
    let path = steps.iter().rev().fold(plist::Path::root(), |path, step| match step {
        Step::Key(name) => path.under_key(name),
        Step::Item => path.under_index(0),
        Step::Member(..) => path,
    });
    (made, path.to_string())
}

/// What the schema would call the value.
fn is_of(shape: &Shape, value: &Value) -> bool {
    let integer_above = matches!(value, Value::Unsigned(_));
    matches!(shape, Shape::Any) || !integer_above && shape.name() == value.kind().replace("dict", "dictionary")
}

#[test]
fn a_wrong_type_at_any_key_of_any_record_is_kept_and_reported_by_its_path() {
    let mut tried = 0;
    for trip in all() {
        let mut found = Vec::new();
        for key in trip.table.keys {
            places(&key.shape, &mut vec![Step::Key(key.name)], 3, &mut found);
        }
        for (steps, shape) in found {
            for odd in one_of_each_type().into_iter().filter(|odd| !is_of(shape, odd)) {
                let (sent, path) = around(&steps, odd);
                let sent = sent.as_dictionary().unwrap();
                let reported: Vec<String> = (trip.mismatches)(sent.clone()).into_iter().map(|it| it.path).collect();
                assert_eq!(reported, [path.as_str()], "{}", trip.table.name);
                assert!(same(&(trip.plain)(sent.clone()).into(), &sent.clone().into()), "{}.{path}", trip.table.name);
                tried += 1;
            }
        }
    }
    // Most of the keys are those of payloads and declarations.
    let least = if cfg!(all(feature = "profiles", feature = "declarations")) { 30_000 } else { 5_000 };
    assert!(tried > least, "{tried}");
}

#[test]
fn an_unlisted_value_at_any_key_is_kept_and_reported() {
    let mut tried = 0;
    for trip in all() {
        let mut found = Vec::new();
        for key in trip.table.keys {
            places(&key.shape, &mut vec![Step::Key(key.name)], 3, &mut found);
        }
        for (steps, _) in found.into_iter().filter(|(_, shape)| matches!(shape, Shape::OneOf(_))) {
            let (sent, path) = around(&steps, "NewInTheNextVersion".into());
            let sent = sent.as_dictionary().unwrap();
            assert_eq!((trip.mismatches)(sent.clone()), []);
            let reported = check(&Shown(trip.table, sent.clone()));
            assert!(reported.iter().any(|it| it.path == path && it.what == What::NotListed), "{}.{path}", trip.table.name);
            assert!(same(&(trip.plain)(sent.clone()).into(), &sent.clone().into()), "{}.{path}", trip.table.name);
            tried += 1;
        }
    }
    let least = if cfg!(all(feature = "profiles", feature = "declarations")) { 300 } else { 30 };
    assert!(tried > least, "{tried}");
}

/// What a walk that looked at every key for every key would do for hours.
const MANY: usize = 300_000;

#[test]
fn a_long_map_with_one_odd_value_costs_no_more_than_its_length() {
    let entries = (0..MANY).map(|at| (format!("{at:06}"), if at + 1 == MANY { 1.into() } else { "x".into() }));
    let sent = Value::Dictionary(Dictionary::from_distinct(entries.collect()));
    assert_eq!(<BTreeMap<String, String> as Item>::from_value(sent.clone()), Err(sent));
}

#[test]
fn a_field_beside_a_long_extra_costs_no_more_than_its_length() {
    let extra = (0..MANY).map(|at| (format!("{at}"), at.to_string().into())).chain([("Message".into(), 1.into())]);
    let extra = Dictionary::from_distinct(extra.collect());
    let lock = DeviceLock { message: Some("m".into()), extra, ..DeviceLock::default() };
    assert_eq!(lock.to_dictionary().len(), MANY + 1);
}

#[test]
fn of_a_flood_of_differences_the_first_are_listed_and_the_rest_is_told() {
    let unknown = (0..MANY).map(|at| (at.to_string(), Value::from(1)));
    let message = ErrorChainItem { extra: Dictionary::from_distinct(unknown.collect()), ..ErrorChainItem::default() };
    let found = check(&message);
    assert_eq!(found.len(), MOST_FOUND + 1);
    assert_eq!(found.last().map(|it| it.to_string()), Some("further places, which are not listed".into()));
}

#[test]
fn paths_stay_short_under_long_keys() {
    let long = "k".repeat(1 << 20);
    let unknown = (0..1000).map(|at| (format!("unknown {at}"), Value::from(1)));
    let item = Value::from(Dictionary::from_distinct(unknown.collect()));
    static TABLE: Table = Table { name: "T", kind: "", support: &[], keys: &KEYS };
    static KEYS: [Key; 1] = [Key { name: "Map", shape: MAP, presence: Presence::Optional, support: &[], rules: &Rules::NONE }];
    const MAP: Shape = Shape::Map(&Shape::Record(ErrorChainItem::table));
    let sent = Dictionary::from_iter([("Map", Dictionary::from_iter([(long, item)]))]);
    let found = check(&Shown(&TABLE, sent));
    assert_eq!(found.iter().filter(|it| it.what == What::Unknown).count(), 1000);
    assert!(found.iter().all(|it| it.path.len() < 300 && it.path.starts_with("Map.kkk")), "{}", found[0].path);
}
