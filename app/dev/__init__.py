"""What a laptop needs and production never imports: embedded servers, the runner behind `make dev`, seed data."""
