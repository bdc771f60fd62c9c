"""The Hugging Face hub: one client, and publishing."""
