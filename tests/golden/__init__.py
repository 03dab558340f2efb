"""What the program computed before it was rebuilt, and what it must still compute."""
