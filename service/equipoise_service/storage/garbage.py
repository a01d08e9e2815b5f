"""Garbage: which jobs, results, datasets and files are to go, by age, by size, and for want of a use."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from equipoise_service.jobs.job_table import FINAL, UNFINISHED
from equipoise_service.storage.blobs import Blob
from equipoise_service.storage.store import (
    CHECKPOINTS,
    DATASETS,
    RESULTS,
    Store,
    dataset_name,
    is_unfinished,
    result_name,
)
from equipoise_service.storage.tables import audit_log, dataset_owners, datasets, jobs

DAY_S = 86400.0
AUDIT_S = 365 * DAY_S
"""The audit log is kept this long, [s]."""
ORPHAN_S = DAY_S
"""Age at which a file that nobody needs is litter, and not on its way to be needed, [s]."""
SETTLED_S = 600.0
"""A result written more recently is left for the next time: its job may not have said so yet."""
PROBE = "probe-"
_DATASET = re.compile(r"ds_[0-9a-f]{32}")


@dataclass(frozen=True)
class Limits:
    """What is kept.

    Attributes:
        older_than_s: finished jobs and datasets unused for longer are removed, [s]; None keeps them all.
        keep_bytes: results used longest ago go until the store is this small, [bytes]; None keeps all.
    """

    older_than_s: float | None = None
    keep_bytes: float | None = None


@dataclass(frozen=True)
class Garbage:
    """What is to go, or what went.

    Attributes:
        jobs: ids of the jobs that are forgotten.
        expired: SHA-256 of the results that are removed for their size; their jobs stay.
        datasets: ids of the datasets that are forgotten.
        files: files of the store that are removed: name to length, [bytes].
        audit_entries: number of entries of the audit log.
        answer_keys: of each result among the files, the answer keys of its jobs.
    """

    jobs: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    audit_entries: int = 0
    answer_keys: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_bytes(self) -> int:
        """Length of all files, [bytes]."""
        return sum(self.files.values())


def is_old(limits: Limits, now: float) -> sa.ColumnElement[bool]:
    """Whether a job ended, and was last asked for, longer ago than jobs are kept."""
    if limits.older_than_s is None:
        return sa.false()
    return sa.and_(jobs.c.status.in_(FINAL), last_use() < now - limits.older_than_s)


def last_use() -> sa.ColumnElement[float]:
    """When a finished job ended, or its result was asked for."""
    return sa.func.coalesce(jobs.c.used_at, jobs.c.finished_at, jobs.c.updated_at)


def find(connection: sa.Connection, store: Store, limits: Limits, now: float) -> Garbage:
    """Look for garbage; changes nothing."""
    old = connection.execute(
        sa.select(jobs.c.id, jobs.c.result).where(is_old(limits, now)).order_by(jobs.c.id)
    ).all()
    uses = _uses(connection, limits, now)
    unused = _unused_datasets(connection, limits, now)
    blobs = {blob.name: blob for blob in store.all()}
    keys, busy = _answer_keys(connection), busy_answers(connection)
    awaited = frozenset(result_name(digest) for digest in keys if keys[digest] & busy)
    settled = {
        digest: blobs[name].size
        for digest in keys
        if (name := result_name(digest)) in blobs.keys() - awaited
        and now - blobs[name].modified_at > SETTLED_S
    }
    needed = needs(connection, unused)
    freed = {row.result for row in old} - set(uses)
    files = {
        **{
            blob.name: blob.size
            for blob in blobs.values()
            if is_litter(blob, now, needed) and blob.name not in awaited
        },
        **{result_name(digest): settled[digest] for digest in freed & set(settled)},
        **{name: blobs[name].size for name in map(dataset_name, unused) if name in blobs},
    }
    expired = []
    if limits.keep_bytes is not None:
        too_much = sum(blob.size for blob in blobs.values()) - sum(files.values()) - limits.keep_bytes
        expired = _longest_unused(uses, settled, too_much)
    files |= {result_name(digest): settled[digest] for digest in expired}
    entries = sa.select(sa.func.count()).select_from(audit_log).where(audit_log.c.at < now - AUDIT_S)
    return Garbage(
        jobs=tuple(row.id for row in old),
        expired=tuple(sorted(expired)),
        datasets=tuple(unused),
        files=dict(sorted(files.items())),
        audit_entries=connection.scalar(entries) or 0,
        answer_keys={result_name(digest): frozenset(keys[digest]) for digest in keys},
    )


def _longest_unused(uses: Mapping[str, float], sizes: Mapping[str, int], too_much: float) -> list[str]:
    """Results used longest ago that take up at least so many bytes, or all there are."""
    chosen: list[str] = []
    for digest in sorted(sizes.keys() & uses.keys(), key=lambda digest: (uses[digest], digest)):
        if too_much <= 0:
            break
        chosen.append(digest)
        too_much -= sizes[digest]
    return chosen


def busy_answers(connection: sa.Connection) -> set[str]:
    """Answer keys of the jobs that are not finished: their results may be written at any moment."""
    return set(connection.scalars(sa.select(jobs.c.answer_key).where(jobs.c.status.in_(UNFINISHED))))


def names_dataset() -> sa.ColumnElement[bool]:
    """Whether the spec of a job may name a dataset."""
    return jobs.c.spec.like("%ds\\_%", escape="\\")


def datasets_of_jobs(specs: Iterable[str]) -> set[str]:
    """Ids of the datasets that some specs name."""
    return {found for spec in specs for found in _DATASET.findall(spec)}


def _uses(connection: sa.Connection, limits: Limits, now: float) -> dict[str, float]:
    """Results that a job has which stays, and when one was last used."""
    query = (
        sa.select(jobs.c.result, sa.func.max(last_use()))
        .where(jobs.c.result.is_not(None), jobs.c.result_expired_at.is_(None), sa.not_(is_old(limits, now)))
        .group_by(jobs.c.result)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _answer_keys(connection: sa.Connection) -> dict[str, set[str]]:
    query = sa.select(jobs.c.result, jobs.c.answer_key).where(jobs.c.result.is_not(None)).distinct()
    found: dict[str, set[str]] = {}
    for digest, key in connection.execute(query):
        found.setdefault(digest, set()).add(key)
    return found


def _unused_datasets(connection: sa.Connection, limits: Limits, now: float) -> list[str]:
    """Datasets that were uploaded long ago and that no job names which stays."""
    if limits.older_than_s is None:
        return []
    horizon = now - limits.older_than_s
    recent = sa.select(dataset_owners.c.dataset_id).where(dataset_owners.c.created_at >= horizon)
    query = sa.select(datasets.c.id).where(
        datasets.c.created_at < horizon,
        sa.func.coalesce(datasets.c.used_at, 0.0) < horizon,
        datasets.c.id.not_in(recent),
    )
    old = set(connection.scalars(query))
    if not old:
        return []
    kept = sa.select(jobs.c.spec).where(names_dataset(), sa.not_(is_old(limits, now)))
    return sorted(old - datasets_of_jobs(connection.scalars(kept)))


@dataclass(frozen=True)
class Needed:
    """Names of files that rows point to, and the jobs whose checkpoints are needed."""

    results: frozenset[str]
    datasets: frozenset[str]
    jobs: frozenset[str]


def needs(connection: sa.Connection, unused: Iterable[str] = ()) -> Needed:
    """What rows need, datasets that are to go left out."""
    results = sa.select(jobs.c.result).where(jobs.c.result.is_not(None), jobs.c.result_expired_at.is_(None))
    known = set(connection.scalars(sa.select(datasets.c.id))) - set(unused)
    unfinished = connection.scalars(sa.select(jobs.c.id).where(jobs.c.status.in_(UNFINISHED)))
    return Needed(
        frozenset(result_name(digest) for digest in connection.scalars(results)),
        frozenset(dataset_name(dataset) for dataset in known),
        frozenset(unfinished),
    )


def is_litter(blob: Blob, now: float, needed: Needed) -> bool:
    """Whether a file is of ours, older than a day, and needed by nothing."""
    if now - blob.modified_at <= ORPHAN_S:
        return False
    folder, _, rest = blob.name.partition("/")
    if folder not in (RESULTS, DATASETS, CHECKPOINTS):
        return not rest and folder.startswith(PROBE)
    if is_unfinished(blob):
        return True
    if folder == CHECKPOINTS:
        # A shard has the name of its job and a suffix.
        return re.split(r"[./]", rest, maxsplit=1)[0] not in needed.jobs
    return blob.name not in (needed.results if folder == RESULTS else needed.datasets)
