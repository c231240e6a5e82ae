"""Readers and writers of cluster descriptions: text, allocator request, RAPI, LUXI, simulation."""
