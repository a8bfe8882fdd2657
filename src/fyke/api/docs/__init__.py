"""Documents of the API: OpenAPI, Swagger UI, a Postman collection."""
