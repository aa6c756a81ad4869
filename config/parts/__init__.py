"""The parts of the settings: each reads, checks or describes one subject."""
