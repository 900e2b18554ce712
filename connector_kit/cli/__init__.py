"""The command `connector-kit`: one module a verb, imported when it is used; what is shown is made apart from what is done."""
