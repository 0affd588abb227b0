"""Small parts that know nothing of pictures."""
