"""Where batch gets its data from: each source leaves files in a folder and says what it brought."""
