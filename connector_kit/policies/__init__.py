"""Pure decisions: when to retry and how long to wait, what time a call may take. Time and chance are arguments."""
