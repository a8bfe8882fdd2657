"""Workers: projects, schemas, versions and publication."""
