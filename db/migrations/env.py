"""Alembic's entry: migrate the connection that :mod:`hounsfield.db.schema` hands over."""

from alembic import context

from hounsfield.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
