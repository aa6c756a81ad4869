"""Sign-in, tokens and the signed-in user, for front ends. With AUTH_ENABLED=0 the platform does all of this."""
