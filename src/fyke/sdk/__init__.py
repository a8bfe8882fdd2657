"""The service of a Worker at 127.0.0.1:20086: unary gRPC over HTTP/2."""
