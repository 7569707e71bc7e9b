"""What Meterline does in a second on this machine, beside others. `make bench` runs it; the tests here prove that it can.

docs/benchmarks.md says what is measured and how to read it.
"""
