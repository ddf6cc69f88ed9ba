"""Remember when alerts were evaluated last: no alert means nothing where nobody looked."""

import sqlalchemy as sa
from alembic import op

from mobility_pipeline.vendor.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "alert_evaluations",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("evaluated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_evaluations"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("alert_evaluations")
