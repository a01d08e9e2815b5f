"""The command line `equipoise`: a thin skin on the client.

Results go to standard output, messages to standard error; with --json an error is one JSON object there.
Exit codes: 0 ok, 1 the job failed, 2 bad usage, 3 the service cannot be reached; 130 after Ctrl-C.
"""

import os
import sys
from argparse import Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from equipoise import actions
from equipoise.connection import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE, client_version
from equipoise.error_report import UsageError, as_json, as_text
from equipoise.errors import (
    ApiError,
    ClientError,
    JobFailedError,
    OverloadedError,
    TransportError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from equipoise.operations import DEFAULT_WAIT_S, DEVICES, STATUSES
from equipoise.top import command as top_command

JOB_FAILED, BAD_USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130
# Handed on to the service, which must be installed and knows their arguments; one line per command.
SERVICE_COMMANDS = {
    "serve": "Start the service.",
    "worker": "Start a worker of the service.",
    "token": "Make, list and revoke tokens of users.",  # nosec B105 # words of help
    "audit": "Show who did what.",
    "gc": "Remove old jobs, unused datasets and results, and litter.",
    "backup": "Back up the database and the store of a service that runs.",
    "restore": "Put a backup where there is no database and no store yet.",
}

EPILOG = """\
exit codes: 0 ok, 1 the job failed, 2 bad usage, 3 the service cannot be reached

example:
  echo '{"task": "stationary", "model": {"kind": "diagonal"}, "data": {"kind": "gaussian"},
         "temperature": 0.05}' | equipoise solve - --plot law.png
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in SERVICE_COMMANDS:
            return actions.run_service(given[0], given[1:])
        options = parser().parse_args(given)
        run: Callable[[Namespace], int] = options.run
        return run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; nothing may be written when Python leaves.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return actions.OK
    except ClientError as error:
        sys.stderr.write(as_json(error) if "--json" in given else as_text(error))
        return exit_code(error)


def exit_code(error: ClientError) -> int:
    """Exit code for an error."""
    match error:
        case JobFailedError() | WaitTimeoutError():
            return JOB_FAILED
        case TransportError() | OverloadedError() | UnexpectedAnswerError():
            return UNREACHABLE
        case ApiError() if error.status >= 500:
            return UNREACHABLE
        case _:
            return BAD_USAGE


def parser() -> ArgumentParser:
    """Build the parser of all commands."""
    top = _Parser(
        prog="equipoise",
        description="Exact stationary laws of SGD, and ensembles fast enough to test them.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, what in SERVICE_COMMANDS.items():
        # Listed here for the help; their arguments are the service's own.
        commands.add_parser(name, help=what, add_help=False)
    for build in (_solve, _estimate, _submit, _watch, _result, _cancel, _jobs, _upload, _top, _health):
        build(commands)
    return top


class _Parser(ArgumentParser):
    """Raises what is wrong with the arguments instead of printing it and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, usage=self.format_usage())


class _Version(Action):
    """Prints the version; it is looked up only when asked for."""

    def __call__(self, parser: ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"equipoise {client_version()}\n")
        parser.exit()


def _command(
    commands: Any, name: str, *, what: str, example: str, run: Callable[[Namespace], int]
) -> ArgumentParser:
    """Add a command, with what all commands share."""
    command: ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  {example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print JSON; errors too")
    default = "solve in this process" if name == "solve" else f"{URL_VARIABLE}, else {DEFAULT_URL}"
    command.add_argument("--url", help=f"address of the service (default: {default})")
    command.add_argument(
        "--token",
        help=f"token (default: {TOKEN_VARIABLE}, which `ps` hides, or the one that `serve` stored)",
    )
    return command


def _waiting(command: ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_WAIT_S,
        metavar="SECONDS",
        help="longest wait for the job (default: %(default)g)",
    )


def _showing(command: ArgumentParser) -> None:
    command.add_argument("--plot", metavar="FILE", help="also draw the solution into a PNG, PDF or SVG file")
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _solve(commands: Any) -> None:
    command = _command(
        commands,
        "solve",
        what="Solve a spec in this process, or on a server with --url, and print the solution.",
        example="equipoise solve spec.json --plot law.png",
        run=actions.solve,
    )
    command.add_argument("spec", help="JSON file, or - for standard input")
    command.add_argument("--threads", type=int, help="threads of a local simulation (default: all cores)")
    _waiting(command)
    _showing(command)


def _submit(commands: Any) -> None:
    command = _command(
        commands,
        "submit",
        what="Submit a spec as a job and print the job's id.",
        example="equipoise submit spec.json --tag paper",
        run=actions.submit,
    )
    command.add_argument("spec", help="JSON file, or - for standard input")
    _running(command)
    command.add_argument("--tag", action="append", default=[], help="a word to find it by; may be repeated")
    command.add_argument("--wait", type=float, metavar="SECONDS", help="let the service wait for the end")


def _estimate(commands: Any) -> None:
    command = _command(
        commands,
        "estimate",
        what="Say what a spec would take, where it would wait and when it would start; nothing is submitted.",
        example="equipoise estimate spec.json",
        run=actions.estimate,
    )
    command.add_argument("spec", help="JSON file, or - for standard input")
    _running(command)


def _running(command: ArgumentParser) -> None:
    command.add_argument("--priority", type=int, help="of your jobs, those of a higher priority go first")
    command.add_argument("--timeout-seconds", type=float, help="longest computation of the job")
    command.add_argument("--device", choices=DEVICES, help="kind of device to compute on (default: auto)")
    command.add_argument("--urgent", action="store_true", help="start before the jobs of everybody else")


def _watch(commands: Any) -> None:
    command = _command(
        commands,
        "watch",
        what="Print the states of a job as they change, until it has ended.",
        example="equipoise watch job_0f3a5c...",
        run=actions.watch,
    )
    command.add_argument("job_id", help="id of the job")
    _waiting(command)


def _result(commands: Any) -> None:
    command = _command(
        commands,
        "result",
        what="Wait for a job and print its solution.",
        example="equipoise result job_0f3a5c... --json > solution.json",
        run=actions.result,
    )
    command.add_argument("job_id", help="id of the job")
    _waiting(command)
    _showing(command)


def _cancel(commands: Any) -> None:
    command = _command(
        commands,
        "cancel",
        what="Ask a job to stop.",
        example="equipoise cancel job_0f3a5c...",
        run=actions.cancel,
    )
    command.add_argument("job_id", help="id of the job")


def _jobs(commands: Any) -> None:
    command = _command(
        commands,
        "jobs",
        what="List jobs, newest first.",
        example="equipoise jobs --status running --limit 10",
        run=actions.jobs,
    )
    command.add_argument("--status", choices=STATUSES, help="only jobs with this status")
    command.add_argument("--tag", help="only jobs with this tag")
    command.add_argument("--limit", type=int, default=20, help="at most so many (default: %(default)s)")


def _upload(commands: Any) -> None:
    command = _command(
        commands,
        "upload",
        what="Upload a dataset of pairs (x, y) and print its id.",
        example="equipoise upload diabetes.csv --x bmi --y target",
        run=actions.upload,
    )
    command.add_argument("file", help="CSV, NPZ or Parquet file")
    several = "names with commas between them make vectors"
    for role, what, place in (("x", "inputs", "first"), ("y", "labels", "second")):
        default = f"default: {role}, or {role}1, {role}2, ..., else the {place} of two"
        command.add_argument(f"--{role}", metavar="COLUMN", help=f"column of {what}; {several} ({default})")


def _top(commands: Any) -> None:
    what, example = top_command.WHAT, top_command.EXAMPLE
    command = _command(commands, "top", what=what, example=example, run=top_command.run)
    top_command.add_arguments(command)


def _health(commands: Any) -> None:
    command = _command(
        commands,
        "health",
        what="Say whether the service is up.",
        example="equipoise health --url http://lab:8000",
        run=actions.health,
    )
    del command  # It has no arguments of its own.


if __name__ == "__main__":
    sys.exit(main())
