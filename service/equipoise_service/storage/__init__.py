"""Where everything is kept: database, tables, migrations, store; retention, backup, probes."""
