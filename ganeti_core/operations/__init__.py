"""What each opcode does on the master."""
