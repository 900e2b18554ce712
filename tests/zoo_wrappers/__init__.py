"""The zoo of wrappers: wrong ones, each breaking one law in a way seen in the wild, each beside a right twin.

`right` has the right ones, the modules named after what goes wrong the wrong ones, `table` all of them.
"""
