"""Remember of each city-day whether recovery asked for it, so that others do not count."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; attempts counted until now stay."""
    op.add_column(
        "city_days",
        sa.Column(
            "asked_by_recovery", sa.Boolean, nullable=False, server_default=sa.false()
        ),
    )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("city_days", "asked_by_recovery")
