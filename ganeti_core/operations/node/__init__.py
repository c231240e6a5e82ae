"""Operations on nodes, one verb a module."""
