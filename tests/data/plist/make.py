# Makes all.xml and all.bplist beside it, with nothing but Python's own plistlib: python3 tests/data/plist/make.py
import datetime
import pathlib
import plistlib

value = {
    "Text": "a & b < c > d \"e\" 'f'",
    "Empty": "",
    "Umlaut": "Zoë’s iPad 📱",
    "True": True,
    "False": False,
    "Zero": 0,
    "Small": 255,
    "Word": 65535,
    "Long": 4294967295,
    "Big": 9223372036854775807,
    "Huge": 18446744073709551615,
    "Negative": -1,
    "Lowest": -9223372036854775808,
    "Real": 0.5,
    "Date": datetime.datetime(2026, 1, 31, 12, 0, 0),
    "Old": datetime.datetime(1999, 12, 31, 23, 59, 59),
    "Data": bytes(range(64)),
    "NoData": b"",
    "Array": [1, [], {}, ["x"]],
    "Dict": {"Inner": {"Token": bytes(range(100, 180))}},
}
here = pathlib.Path(__file__).parent
(here / "all.xml").write_bytes(plistlib.dumps(value, sort_keys=False))
(here / "all.bplist").write_bytes(plistlib.dumps(value, fmt=plistlib.FMT_BINARY, sort_keys=False))
