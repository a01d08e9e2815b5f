"""Looks up the installed packages in the lists of known vulnerabilities, or says that it could not.

    python -m tests.security.audit [--required]

With --required, packages that could not be looked up are a failure (exit code 3); without, they are said and
no more, so that the checks run without the internet. A known vulnerability is a failure either way.
"""

import http.client
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

HOST = "pypi.org"
PROBE = "numpy"
OURS = "equipoise"
VULNERABLE, NOT_AUDITED = 1, 3
COMMAND = (sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner=off", "--format=json")


def why_unreachable() -> str:
    """Why the advisories cannot be fetched; "" if they can, as far as those of one package tell."""
    connection = http.client.HTTPSConnection(HOST, timeout=5)
    page = f"/pypi/{PROBE}/{importlib.metadata.version(PROBE)}/json"
    try:
        connection.request("GET", page, headers={"User-Agent": "equipoise-audit"})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            return f"{page} answers {answer.status}"
        if "vulnerabilities" not in json.load(answer):
            return f"{page} holds no advisories"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return ""


def audit(
    *,
    is_required: bool,
    show: Callable[[str], object],
    why: Callable[[], str] = why_unreachable,
    command: Sequence[str] = COMMAND,
) -> int:
    """Audit the packages; returns the exit code."""
    reason = why()
    if reason:
        show(
            f"NOT AUDITED: the advisories at {HOST} could not be fetched ({reason}). The packages installed "
            "here were not compared with known vulnerabilities: run `make audit` where the internet is.\n"
        )
        return NOT_AUDITED if is_required else 0
    found = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    try:
        packages: list[dict[str, Any]] = json.loads(found.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        show(f"NOT AUDITED: the auditor ended with code {found.returncode} and no report.\n")
        return found.returncode or NOT_AUDITED
    return _judge(packages, is_required=is_required, show=show)


def _judge(packages: list[dict[str, Any]], *, is_required: bool, show: Callable[[str], object]) -> int:
    # The auditor passes over packages that the service does not know, and is content with the rest.
    skipped = [
        package["name"] for package in packages if "skip_reason" in package and package["name"] != OURS
    ]
    weak = [package for package in packages if package.get("vulns")]
    if skipped:
        show(f"NOT AUDITED: {len(skipped)} packages that {HOST} does not know: {', '.join(skipped)}.\n")
    for package in weak:
        for flaw in package["vulns"]:
            mended = ", ".join(flaw.get("fix_versions", [])) or "no version yet"
            show(f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}\n")
    n_audited = sum("skip_reason" not in package for package in packages)
    show(f"{n_audited} packages audited, {len(weak)} with known vulnerabilities.\n")
    if weak:
        return VULNERABLE
    return NOT_AUDITED if is_required and (skipped or not n_audited) else 0


if __name__ == "__main__":
    sys.exit(audit(is_required="--required" in sys.argv[1:], show=sys.stdout.write))
