"""Add alerts: episodes, notifications, and which channel has had which notification."""

import sqlalchemy as sa
from alembic import op

from mobility_pipeline.vendor.tables import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create all three tables."""
    op.create_table(
        "alert_notifications",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_alert_notifications"),
        sa.UniqueConstraint("uid", name="uq_alert_notifications_uid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("notification", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("notification", "channel", name="pk_alert_deliveries"),
        sa.ForeignKeyConstraint(
            ["notification"],
            ["alert_notifications.number"],
            name="fk_alert_deliveries_notification",
        ),
    )
    op.create_index("ix_alert_deliveries_state", "alert_deliveries", ["state"])
    _create_alerts()


def downgrade() -> None:
    """Drop all three tables."""
    for table in ("alerts", "alert_deliveries", "alert_notifications"):
        op.drop_table(table)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("notified_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("notification", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.ForeignKeyConstraint(
            ["notification"],
            ["alert_notifications.number"],
            name="fk_alerts_notification",
        ),
        sqlite_autoincrement=True,
    )
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["feed", "kind", "subject", "reason"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
