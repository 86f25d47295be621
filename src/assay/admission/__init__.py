"""The spine of an admission: fetch, inspect, decide, sign, publish, as one durable workflow."""
