"""The job engine: durable queue, scheduling, execution, undo and recovery."""
