"""Create the ledger: vendor jobs, their areas, city-days."""

import sqlalchemy as sa
from alembic import op

from mobility_pipeline.vendor.tables import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all three tables."""
    _create_vendor_jobs()
    op.create_table(
        "vendor_job_areas",
        sa.Column("job_ref", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("area_id", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("boundary_sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("job_ref", "position", name="pk_vendor_job_areas"),
        sa.ForeignKeyConstraint(
            ["job_ref"], ["vendor_jobs.ref"], name="fk_vendor_job_areas_job_ref"
        ),
    )
    _create_city_days()


def downgrade() -> None:
    """Drop all three tables."""
    for table in ("city_days", "vendor_job_areas", "vendor_jobs"):
        op.drop_table(table)


def _create_vendor_jobs() -> None:
    op.create_table(
        "vendor_jobs",
        sa.Column("ref", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("start_date", sa.Date, nullable=False),
        sa.Column("end_date", sa.Date, nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("job_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("bucket", sa.Text),
        sa.Column("folder_path", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("planned_at", UtcDateTime, nullable=False),
        sa.Column("submitting_at", UtcDateTime),
        sa.Column("submitted_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.PrimaryKeyConstraint("ref", name="pk_vendor_jobs"),
        sa.UniqueConstraint("job_id", name="uq_vendor_jobs_job_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_vendor_jobs_state", "vendor_jobs", ["state"])
    op.create_index("ix_vendor_jobs_submitted_at", "vendor_jobs", ["submitted_at"])


def _create_city_days() -> None:
    op.create_table(
        "city_days",
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("date", sa.Date, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("job_ref", sa.Integer),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("previous_state", sa.Text),
        sa.Column("previous_reason", sa.Text),
        sa.Column("previous_job_ref", sa.Integer),
        sa.PrimaryKeyConstraint("feed", "city", "date", name="pk_city_days"),
        sa.ForeignKeyConstraint(
            ["job_ref"], ["vendor_jobs.ref"], name="fk_city_days_job_ref"
        ),
    )
    op.create_index("ix_city_days_job_ref", "city_days", ["job_ref"])
