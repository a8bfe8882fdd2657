"""The documentation of the REST API as pages, made from the OpenAPI document alone."""
