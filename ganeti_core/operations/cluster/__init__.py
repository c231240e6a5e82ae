"""Operations on the cluster, one verb a module."""
