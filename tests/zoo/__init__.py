"""The zoo: wrong connectors, each breaking one law in a way seen in the wild, each beside a right twin.

`source` is the other side and the client to it, `ledger` the right connector, the modules named after laws the wrong
ones, `specimens` all of them in a table.
"""
