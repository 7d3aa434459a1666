"""What `./lake conformance` and `./lake bench` run: our reader beside its peers, on servers of their own."""
