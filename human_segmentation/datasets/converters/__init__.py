"""Other data sets as list files and masks, one file a kind."""
