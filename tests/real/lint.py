"""Lints every certificate, revocation list and OCSP answer below a folder with pkilint's own programs, in one process.

Fails on every finding of the grade NOTICE or worse that is not listed as known, and on a known one that no longer turns up.
"""

import contextlib
import io
import json
import pathlib
import sys

from pkilint.bin import lint_crl, lint_ocsp_response, lint_pkix_cert

# Findings that are no faults of ours: code, and why. There are none.
KNOWN = {}

GRADE = ["-s", "NOTICE", "-f", "JSON"]


def lint(program, *arguments):
    """The codes of what one of the programs finds."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = program.main(["lint", *GRADE, *arguments])
    if not output.getvalue():
        return [errors.getvalue().strip() or f"ended with {status}"]
    results = json.loads(output.getvalue())["results"]
    return [finding["code"] for result in results for finding in result["finding_descriptions"]]


def findings(path):
    """What is found in a file; none for a file of another kind."""
    if path.suffix == ".pem" and "key" not in path.name and b"BEGIN CERTIFICATE" in path.read_bytes():
        return lint(lint_pkix_cert, str(path))
    if path.name.endswith(".resp.der"):
        return lint(lint_ocsp_response, str(path))
    if path.suffix == ".der" and (path.parent.name == "lists" or path.name.startswith(("crl-", "part-", "delta"))):
        return lint(lint_crl, "-t", "CRL", "-p", "PKIX", str(path))
    return None


def main(folder):
    looked_at, seen, unknown = 0, set(), 0
    for path in sorted(pathlib.Path(folder).rglob("*")):
        found = findings(path) if path.is_file() else None
        if found is None:
            continue
        looked_at += 1
        for code in found:
            seen.add(code)
            if code not in KNOWN:
                unknown += 1
                print(f"{path}: {code}")
    for code in KNOWN.keys() - seen:
        unknown += 1
        print(f"known, and not found any more: {code}")
    print(f"pkilint looked at {looked_at} files")
    return 1 if unknown or not looked_at else 0


sys.exit(main(sys.argv[1]))
