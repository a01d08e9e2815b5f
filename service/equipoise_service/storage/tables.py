"""The tables of the service; `migrations` brings a database of an older version to them."""

import sqlalchemy as sa

metadata = sa.MetaData()
SHORT_JOBS = "queue = 'quick' AND cost_path_steps IS NOT NULL AND cost_path_steps > 0"
"""Which jobs are short, as SQL: quick ones that simulate."""
WAITING_SHORT_JOBS = f"status = 'queued' AND {SHORT_JOBS}"
"""Those of them that wait."""

jobs = sa.Table(
    "equipoise_jobs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("content_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("task", sa.String(32), nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("spec_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("queue", sa.String(32), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("timeout_seconds", sa.Float, nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("live", sa.Text, nullable=False),
    sa.Column("worker", sa.String(160)),
    sa.Column("seconds", sa.Float),
    sa.Column("result", sa.String(64)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("submitted_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(64), nullable=False, server_default="local"),
    sa.Column("answer_key", sa.String(64), nullable=False, server_default=""),
    sa.Column("cost_path_steps", sa.Float),
    sa.Column("cost_memory_bytes", sa.Float),
    sa.Column("cost_seconds", sa.Float),
    sa.Column("n_shards", sa.Integer, nullable=False, server_default="1"),
    sa.Column("request_id", sa.String(64)),
    sa.Column("trace_parent", sa.String(64)),
    sa.Column("used_at", sa.Float),
    sa.Column("result_expired_at", sa.Float),
    sa.Column("timeout_by", sa.String(16), nullable=False, server_default="job"),
    sa.Column("device", sa.String(8)),
    sa.UniqueConstraint("content_id", "attempt"),
    sa.Index("equipoise_jobs_newest", "submitted_at", "id"),
    sa.Index("equipoise_jobs_status", "status", "updated_at"),
    sa.Index("equipoise_jobs_owner", "owner", "submitted_at", "id"),
    sa.Index("equipoise_jobs_answer", "answer_key", "status"),
    sa.Index("equipoise_jobs_result", "result"),
    # Holds all that places in the queues are counted from, so that the rows need not be read.
    sa.Index("equipoise_jobs_place", "status", "queue", "owner", "priority", "submitted_at", "cost_seconds"),
    sa.Index(
        "equipoise_jobs_short",
        "owner",
        "priority",
        "submitted_at",
        sqlite_where=sa.text(WAITING_SHORT_JOBS),
        postgresql_where=sa.text(WAITING_SHORT_JOBS),
    ),
)
job_tags = sa.Table(
    "equipoise_job_tags",
    metadata,
    sa.Column("job_id", sa.String(64), primary_key=True),
    sa.Column("tag", sa.String(64), primary_key=True),
    sa.Index("equipoise_job_tags_tag", "tag"),
)
idempotency_keys = sa.Table(
    "equipoise_idempotency_keys",
    metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(64), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False),
)
datasets = sa.Table(
    "equipoise_datasets",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("x", sa.Text, nullable=False),
    sa.Column("y", sa.Text, nullable=False),
    sa.Column("bytes_stored", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("used_at", sa.Float),
)
workers = sa.Table(
    "equipoise_workers",
    metadata,
    sa.Column("id", sa.String(160), primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process_space", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("device", sa.String(32), nullable=False),
    sa.Column("threads", sa.Integer, nullable=False),
    sa.Column("queues", sa.Text, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Column("stopped_at", sa.Float),
    sa.Column("status", sa.String(16), nullable=False, server_default="ready"),
    sa.Column("capabilities", sa.Text, nullable=False, server_default="{}"),
    sa.Column("health", sa.Text, nullable=False, server_default="{}"),
)
job_shards = sa.Table(
    "equipoise_job_shards",
    metadata,
    sa.Column("job_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("live", sa.Text, nullable=False),
    sa.Column("worker", sa.String(160)),
    sa.Column("checkpoint", sa.Text),
    sa.Column("seconds", sa.Float),
    sa.Column("updated_at", sa.Float, nullable=False),
)
dataset_owners = sa.Table(
    "equipoise_dataset_owners",
    metadata,
    sa.Column("dataset_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("x", sa.Text, nullable=False),
    sa.Column("y", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
tokens = sa.Table(
    "equipoise_tokens",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("label", sa.String(128), nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False),
    sa.Column("scopes", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
    sa.Column("used_at", sa.Float),
)
audit_log = sa.Table(
    "equipoise_audit_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("token_id", sa.String(32)),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(160), nullable=False),
    sa.Column("request_id", sa.String(64)),
    sa.Column("detail", sa.Text, nullable=False),
)
calibrations = sa.Table(
    "equipoise_calibrations",
    metadata,
    sa.Column("device", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(64), primary_key=True),
    sa.Column("factor", sa.Float, nullable=False),
    sa.Column("weight", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
)
counters = sa.Table(
    "equipoise_counters",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("labels", sa.String(255), primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)
properties = sa.Table(
    "equipoise_properties",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
