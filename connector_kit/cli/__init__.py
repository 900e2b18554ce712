"""The command `connector-kit`: one module for each verb, imported when it is used. Other modules render what a verb shows."""
