"""Mutation testing of the rooms that decide: each small fault put into the code must make a test of its room fail."""
