"""One module for each verb of the command line, each with the attribute `command`."""
