"""The stages of an iteration. Each is read top to bottom and is handed its engine, its tables and its recipe section."""
