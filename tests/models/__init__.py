"""Textbook models: small pathways that the tests run through the project's own engines."""
