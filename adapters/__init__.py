"""The adapters for the ports of the domain: a module or a folder for each technology."""
