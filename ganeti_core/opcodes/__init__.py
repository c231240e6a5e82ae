"""One declarative class per opcode: parameters, checks, summary. No behaviour."""
