"""Attack corpus: generator, oracle and detection tests. Payloads touch a marker file or connect to loopback, nothing else."""
