"""The descriptions of the API: OpenAPI documents, Swagger UI, a Postman collection."""
