"""The zoo of wrong destinations, each breaking one law in a way seen in the wild, each beside a right twin.

`disk` is where they store, `shelf` has the right ones, the modules named after what goes wrong have the wrong ones,
`specimens` is the table of all.
"""
