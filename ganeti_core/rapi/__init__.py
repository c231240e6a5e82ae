"""The remote API: HTTP requests become LUXI calls, and answers of the master become responses."""
