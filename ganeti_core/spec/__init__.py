"""Clusters described in a file: its form, how it is read, and what differs from what there is.

Pure: documents in, opcodes out. A document has the form of `schema.SCHEMA`; that of a running
cluster is made by `ganeti_core.query.spec`.
"""
