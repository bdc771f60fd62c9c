"""What lies in a run folder: tables, judges, images, summary and cards."""
