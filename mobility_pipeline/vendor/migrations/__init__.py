"""Alembic migrations of the ledger; `database.open_database` runs them."""
