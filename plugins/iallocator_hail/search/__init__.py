"""Searches over the model: balancing, allocation, evacuation, capacity, maintenance."""
