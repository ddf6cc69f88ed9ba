"""Run the migrations on the connection that the caller opened, in its transaction."""

from alembic import context

from mobility_pipeline.vendor.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite can roll back DDL, though Alembic does not assume it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
