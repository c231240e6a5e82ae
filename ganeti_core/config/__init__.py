"""The config store: snapshots, transactions, the durable journal, reservations."""
