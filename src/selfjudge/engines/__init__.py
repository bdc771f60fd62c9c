"""Text generation. Each engine answers requests with one model; `wiring` knows them by kind."""
