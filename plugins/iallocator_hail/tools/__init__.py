"""Programs, one module each with a `main(argv)`, and what they share."""
