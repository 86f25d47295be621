"""The pages: what a person sees in a browser. Drawn here, readable without scripts; nothing of a model is parsed."""
