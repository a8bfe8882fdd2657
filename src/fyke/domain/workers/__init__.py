"""Workers as uploaded: bundles, schemas, versions."""
