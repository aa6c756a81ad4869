"""Sign-in, limits of attempts, and the forms that staff have sent."""
