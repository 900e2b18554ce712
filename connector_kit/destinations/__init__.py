"""Where records and their checkpoint land together; `locate.open_destination` makes one from `sqlite:FILE`."""
