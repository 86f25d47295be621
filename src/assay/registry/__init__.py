"""What is served and to whom: names, revisions, refs, refusals and revocations over the store's index."""
