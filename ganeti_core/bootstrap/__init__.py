"""What happens outside a running master: making a cluster, enrolling nodes."""
