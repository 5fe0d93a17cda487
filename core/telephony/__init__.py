"""Twilio: its client, its error codes in words, repair from it, the simulated carrier, test calls."""
