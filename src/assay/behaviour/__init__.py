"""Behavioural attestation: does the model answer to a trigger that nobody told about?"""
