"""A trained model as files that others run: programs, the card that describes them, the folder they are in."""
