"""Policy: read a policy file, and decide. Pure: the only room that knows a threshold."""
