"""The ledger's tables, the same on SQLite and PostgreSQL. Migrations create them."""

from datetime import UTC, datetime

import sqlalchemy as sa


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An instant, stored in UTC and read back aware; naive values are refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        """Convert to UTC before it is stored."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored in the ledger")
        return value.astimezone(UTC)

    def process_result_value(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        """Give SQLite's naive values the zone they were stored in."""
        del dialect
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


VERSION_TABLE = "ledger_version"
"""Alembic's own; Dagster's may stand beside it in the same database."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

vendor_jobs = sa.Table(
    "vendor_jobs",
    metadata,
    sa.Column("ref", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("feed", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("start_date", sa.Date, nullable=False),
    sa.Column("end_date", sa.Date, nullable=False),
    sa.Column("request_sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("job_id", sa.Text, unique=True),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("bucket", sa.Text),
    sa.Column("folder_path", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("planned_at", UtcDateTime, nullable=False),
    sa.Column("submitting_at", UtcDateTime),
    sa.Column("submitted_at", UtcDateTime, index=True),
    sa.Column("finished_at", UtcDateTime),
    sqlite_autoincrement=True,
)

vendor_job_areas = sa.Table(
    "vendor_job_areas",
    metadata,
    sa.Column(
        "job_ref", sa.Integer, sa.ForeignKey("vendor_jobs.ref"), primary_key=True
    ),
    # Order over both arrays of the request; `index` is the place in its own.
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("area_id", sa.Text, nullable=False),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("boundary_sha256", sa.String(64), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
)

city_days = sa.Table(
    "city_days",
    metadata,
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("city", sa.Text, primary_key=True),
    sa.Column("date", sa.Date, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("job_ref", sa.Integer, sa.ForeignKey("vendor_jobs.ref"), index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Of the job in `job_ref`: only recovery's own attempts bring giving up nearer.
    sa.Column(
        "asked_by_recovery", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    # What to go back to when nothing was bought, or a newer delivery failed.
    sa.Column("previous_state", sa.Text),
    sa.Column("previous_reason", sa.Text),
    sa.Column("previous_job_ref", sa.Integer),
)

_OPEN = sa.text("closed_at IS NULL")

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("feed", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # What is said of it, and its city-days in ranges; as it stood when last evaluated.
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("notified_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column(
        "notification",
        sa.Integer,
        sa.ForeignKey("alert_notifications.number"),
        nullable=False,
    ),
    # Never two open episodes of one problem.
    sa.Index(
        "uq_alerts_open",
        "feed",
        "kind",
        "subject",
        "reason",
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
    sqlite_autoincrement=True,
)

alert_notifications = sa.Table(
    "alert_notifications",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

alert_deliveries = sa.Table(
    "alert_deliveries",
    metadata,
    sa.Column(
        "notification",
        sa.Integer,
        sa.ForeignKey("alert_notifications.number"),
        primary_key=True,
    ),
    sa.Column("channel", sa.Text, primary_key=True),
    # pending, delivered, given_up
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    # Why the last attempt failed; empty before it.
    sa.Column("error", sa.Text, nullable=False),
)

alert_evaluations = sa.Table(
    "alert_evaluations",
    metadata,
    # One row at most: when alerts were evaluated last.
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("evaluated_at", UtcDateTime, nullable=False),
)
