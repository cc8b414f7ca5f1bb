"""Ways to prove whose account it is: a module for each authenticator."""
