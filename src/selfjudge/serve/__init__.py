"""A judge as an HTTP service: requests of all clients are judged together, in batches."""
