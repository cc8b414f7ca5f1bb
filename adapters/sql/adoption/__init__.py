"""Adopting the table of users that a tutorial made: what is the same everywhere, and one module for each product."""
