"""Operations on instances, one verb a module."""
