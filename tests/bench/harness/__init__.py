"""The conductor of ./dev bench: sets a world up, drives the contenders, makes rows of their times."""
