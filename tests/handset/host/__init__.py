"""The host's half of the emulated handset. Never runs on the phone."""
