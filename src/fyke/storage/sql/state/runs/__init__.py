"""The stores of runs: from a start to what is listed of it years later."""
