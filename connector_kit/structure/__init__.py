"""What an object lacks of a connector, told from its signatures: `explain` and `conforms`. Nothing of it is called."""
