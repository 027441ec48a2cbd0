"""What every request meets, whatever it is for."""
