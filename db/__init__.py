"""The index: engine, tables, repositories, migrations, embedded server. The only room with SQL."""
