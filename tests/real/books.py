"""The books of an example server, held against what simulated devices have written down.

    books.py RECORDS EVENTS STATE

RECORDS has one line of JSON for each stored record, [kind, key, revision, body]; EVENTS one for each event, [kind, key, body], in the order in
which they were stored; STATE is the folder of `device --state`. Proven: record and events were always stored together; no serial number
twice, one certificate for each transaction, and every certificate that a device holds in the store, byte for byte; every command that was
confirmed answered, and once; numbers of revocation lists spent in order and none of them twice.
"""
import base64, collections, glob, json, os, sys

rows, log, state = sys.argv[1:]
records = {(kind, key): (revision, body) for kind, key, revision, body in map(json.loads, open(rows))}
events = collections.defaultdict(list)
for kind, key, body in map(json.loads, open(log)):
    events[kind, key].append(json.loads(body))

# Nobody has written over what another had written: the revision counts the events, and they follow each other.
for (kind, key), (revision, _) in records.items():
    if (kind, key) in events:
        assert revision == len(events[kind, key]), f"{kind} {key}: revision {revision}, {len(events[kind, key])} events"
        told = [event["revision"] for event in events[kind, key] if "revision" in event]
        assert told in ([], list(range(1, revision + 1))), f"{kind} {key}: {told}"
assert all(name in records for name in events), "an event without its record"


def der(pem):
    return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-")))


stored = {key: body for (kind, key), (_, body) in records.items() if kind == "certificate"}
held = {}
for path in glob.glob(state + "/*/certificates/*.pem"):
    serial, content = os.path.basename(path)[:-4], der(open(path).read())
    assert held.setdefault(serial, content) == content, f"{serial} was given to two devices"
    assert serial in stored, f"{path} is not in the store"
    assert base64.b64encode(content).decode() in stored[serial], f"{path} is stored with other bytes"
for serial in stored:
    kinds = collections.Counter(json.dumps(event["kind"])[:14] for event in events["certificate", serial])
    assert all(count == 1 for kind, count in kinds.items() if "reserved" in kind or "issued" in kind), (serial, kinds)
issued = (body for body in map(json.loads, stored.values()) if body["request"] and "abandoned" not in body["body"])
transactions = collections.Counter(
    (body["holder"]["tenant"], body["request"]["transaction"], json.dumps(body["request"]["renews"])) for body in issued)
assert max(transactions.values()) == 1, transactions.most_common(3)

# Commands: those that the server has confirmed are there, and answered once; those that a device knows to be answered, too.
commands = {key.split()[-1]: ("command", key) for kind, key in records if kind == "command"}
confirmed = answered = 0
lines = lambda path: open(path).read().split() if os.path.exists(path) else []
for folder in glob.glob(state + "/*/"):
    udid = os.path.basename(folder[:-1])
    queued, heard, carried_out = lines(folder + "queued"), lines(folder + "answered"), lines(folder + "carried-out")
    assert len(carried_out) == len(set(carried_out)), f"{udid} carried a command out twice"
    for uuid in set(queued + heard):
        assert uuid in commands, f"command {uuid} of {udid} is lost"
        name = commands[uuid]
        assert udid in name[1], f"command {uuid} of {udid} is in another queue"
        answers = [event for event in events[name] if "Answered" in json.dumps(event)]
        assert len(answers) == 1, f"command {uuid} of {udid} has {len(answers)} answers"
        assert uuid in carried_out, f"command {uuid} of {udid} was answered and not carried out"
    confirmed, answered = confirmed + len(queued), answered + len(heard)
assert held and confirmed and answered, "nothing was done at all"

kinds = [event["kind"] for event in events["authority", "builtin"] if isinstance(event["kind"], dict)]
planned = [kind["crl-planned"]["plan"]["number"] for kind in kinds if "crl-planned" in kind]
assert planned == sorted(set(planned)), planned
print(f"{len(stored)} certificates stored, {len(held)} held by devices; {confirmed} commands confirmed, {answered} known to be answered; "
      f"{sum(map(len, events.values()))} events; {len(planned)} revocation lists planned")
