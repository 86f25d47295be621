"""The registry over HTTP: the read API of stock hub clients, our own API, and a page. Holds no parser of models."""
