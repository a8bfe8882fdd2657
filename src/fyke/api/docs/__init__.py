"""What tells people and tools about the API: OpenAPI documents, Swagger UI, a collection."""
