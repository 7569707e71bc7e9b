"""What Meterline does in a second on this machine. Run by `make bench`, never as tests: machines are noisy, ratios are not."""
