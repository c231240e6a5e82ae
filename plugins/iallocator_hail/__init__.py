"""Placement: where instances live, and the programs that answer it (hail, hbal, hspace, ...).

One array model of the cluster (`model`) is read from several sources (`formats`), searched by
vectorised procedures (`search`), and shown by programs (`tools`).
"""
