"""What listings show: the fields of each resource, and where each field's data comes from.

`engine.QueryEngine` answers queries. A resource is a module: its row context holds all that its
fields may read, its fields are a table of small records with a function of that context.
"""
