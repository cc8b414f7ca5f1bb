"""How each port of the domain is met: a module or a folder for each technology."""
